"""Reads the demo's JSON from standard input and fails unless it shows what it must."""

import json
import sys

seen = json.load(sys.stdin)
wanted = {
    "oversold": lambda n: n == 0,
    "undersold": lambda n: n == 0,
    "lost": lambda n: n == 0,
    "duplicates": lambda n: n == 0,
    "confirmed": lambda n: n == 2000,
    "customers": lambda n: n >= 100_000,
    "audit_ok": lambda ok: ok is True,
    "first_grant_after_open_ms": lambda ms: ms >= 0,
}
failed = [name for name, holds in wanted.items() if not holds(seen[name])]
for name in failed:
    print(f"{name} = {seen[name]}", file=sys.stderr)
sys.exit(1 if failed else 0)
