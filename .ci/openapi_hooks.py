"""How schemathesis writes a campaign as TOML: the text that it made up, as it is."""

import schemathesis

schemathesis.serializer.alias("application/toml", "text/plain")
