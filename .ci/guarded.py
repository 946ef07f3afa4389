"""Keys, tokens signed by PyJWT, and TLS, as redis-py and urllib use them."""

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHARED = "0123456789abcdef0123456789abcdef"


def pairs(reply):
    """A RESP3 map, or RESP2's flat array, as a dict of text."""
    return dict(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply


def keys(work):
    """Makes a key pair and prints the stanzas of both token keys."""
    private = Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (work / "private.pem").write_bytes(
        private.private_bytes(*form, serialization.NoEncryption())
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    print('[[token_keys]]\nalg = "EdDSA"\nkid = "pair"\naudience = "jangteo"')
    print(f'public = """\n{public.decode()}"""')
    print(f'[[token_keys]]\nalg = "HS256"\nsecret = "{SHARED}"\naudience = "jangteo"')


def check(work, http, resp, secret):
    trust = ssl.create_default_context(cafile=work / "cert.pem")
    pem = (work / "private.pem").read_text()

    def token(customer, lifetime=60):
        claims = {"sub": customer, "aud": "jangteo", "exp": int(time.time()) + lifetime}
        return (
            jwt.encode(claims, pem, algorithm="EdDSA", headers={"kid": "pair"}),
            jwt.encode(claims, SHARED, algorithm="HS256"),
        )

    def hold(credential):
        request = urllib.request.Request(
            f"https://localhost:{http}/v1/drops/shop-1/holds",
            data=b'{"lines":[{"sku":"onion-3kg","quantity":1}]}',
            headers={
                "Authorization": f"Bearer {credential}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, context=trust) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    for good in token("c-jwt"):
        status, made = hold(good)
        assert (status, made["customer"]) == (201, "c-jwt"), (status, made)
    for expired in token("c-jwt", -1):
        assert hold(expired)[0] == 401

    def client(**credential):
        return redis.Redis(
            host="localhost",
            port=int(resp),
            ssl=True,
            ssl_ca_certs=str(work / "cert.pem"),
            decode_responses=True,
            **credential,
        )

    for protocol in (2, 3):
        named = client(username="shop", password=secret, protocol=protocol)
        assert named.ping()
        assert len(named.execute_command("DROP.FIND", "shop-1", "c-jwt")) == 2
        assert client(password=secret, protocol=protocol).ping()
        with named.pubsub(ignore_subscribe_messages=True) as page:
            told = []
            page.subscribe("drop:shop-1")
            while "stock" not in told:
                message = page.get_message(timeout=10)
                if message is not None:
                    told.append(json.loads(message["data"])["event"])
            assert told == ["drop", "phase", "stock"], told
            named.execute_command("DROP.HOLD", "shop-1", f"c-watched-{protocol}", 1, "onion-3kg", 1)
            item = json.loads(page.get_message(timeout=10)["data"])["data"]["items"][0]
            held = pairs(named.execute_command("DROP.STOCK", "shop-1", "onion-3kg")[0])["held"]
            assert item["held"] == int(held), (item, held)
            page.unsubscribe("drop:shop-1")
        customer = client(password=token("c-jwt")[0], protocol=protocol)
        assert len(customer.execute_command("DROP.FIND", "shop-1", "c-jwt")) == 2
        try:
            customer.execute_command("DROP.FIND", "shop-1", "c-other")
            raise AssertionError("another's holds were found")
        except redis.exceptions.NoPermissionError:
            pass
        try:
            client(username="shop", password="jt_wrong", protocol=protocol).ping()
            raise AssertionError("a wrong secret was taken")
        except redis.exceptions.AuthenticationError:
            pass
        print(f"redis-py {redis.__version__} over TLS, RESP{protocol}; PyJWT {jwt.__version__}: fine")


if sys.argv[1] == "keys":
    keys(Path(sys.argv[2]))
else:
    check(Path(sys.argv[2]), *sys.argv[3:])
