"""The calls of docs/protocol.md through redis-py, in both protocols."""

import json
import sys

import redis


def pairs(reply):
    """A RESP3 map, or RESP2's flat array, as a dict of text."""
    if isinstance(reply, list):
        reply = dict(zip(reply[::2], reply[1::2]))
    return reply


for protocol in (2, 3):
    shop = redis.Redis(port=int(sys.argv[1]), protocol=protocol, decode_responses=True)
    customer = f"py-{protocol}"
    hold = pairs(
        shop.execute_command(
            "DROP.HOLD", "shop-1", customer, 1, "onion-3kg", 1, "KEY", "order-77"
        )
    )
    assert hold["state"] == "held" and int(hold["replayed"]) == 0, hold
    again = pairs(
        shop.execute_command(
            "DROP.HOLD", "shop-1", customer, 1, "onion-3kg", 1, "KEY", "order-77"
        )
    )
    assert again["id"] == hold["id"] and int(again["replayed"]) == 1, again
    try:
        shop.execute_command("DROP.HOLD", "shop-1", customer, 1, "onion-3kg", 2, "KEY", "order-77")
        raise AssertionError("a key was reused")
    except redis.ResponseError as refused:
        assert str(refused).startswith("KEYREUSED"), refused
    confirmed = pairs(shop.execute_command("DROP.CONFIRM", hold["id"], "toss-9"))
    assert confirmed["state"] == "confirmed" and confirmed["payment"] == "toss-9", confirmed
    found = shop.execute_command("DROP.FIND", "shop-1", customer)
    assert pairs(found[0])["id"] == hold["id"], found
    with shop.pipeline(transaction=False) as many:
        for number in range(100):
            many.execute_command(
                "DROP.HOLD", "shop-1", f"{customer}-{number}", 1, "onion-3kg", 1, "BRIEF"
            )
        assert len(set(many.execute())) == 100
    stock = pairs(shop.execute_command("DROP.STOCK", "shop-1", "onion-3kg")[0])
    assert int(stock["available"]) + int(stock["held"]) + int(stock["sold"]) == int(stock["total"])
    with shop.pubsub(ignore_subscribe_messages=True) as watched:
        told = []
        watched.subscribe("drop:shop-1")
        while "stock" not in told:
            message = watched.get_message(timeout=10)
            if message is not None:
                told.append(json.loads(message["data"])["event"])
        assert told == ["drop", "phase", "stock"], told
        shop.execute_command("DROP.HOLD", "shop-1", f"{customer}-more", 1, "onion-3kg", 1)
        message = watched.get_message(timeout=10)
        item = json.loads(message["data"])["data"]["items"][0]
        stock = pairs(shop.execute_command("DROP.STOCK", "shop-1", "onion-3kg")[0])
        assert item["held"] == int(stock["held"]), (message, stock)
        watched.unsubscribe("drop:shop-1")
        assert watched.get_message(timeout=10) is None and not watched.subscribed
    print(f"redis-py {redis.__version__}, RESP{protocol}: fine")
