"""The demo's prices: who gets them, what they look like, and that they end with the node."""

import json

import pytest

from qmq.client import connect
from qmq.demo import SYMBOLS


@pytest.mark.gen_test(timeout=20)
async def test_prices_wander_under_one_pattern(start_node):
    node = await start_node({"demo": True})
    async with await connect(f"ws://127.0.0.1:{node.listen[0]['port']}") as client:
        prices = await client.subscribe("/topic/demo.prices.*")
        seen = {}
        for _ in range(2 * len(SYMBOLS)):
            message = await prices.next()
            price = message.json()
            assert message.headers["content-type"] == "application/json"
            assert message.headers["symbol"] == price["symbol"]
            assert message.destination == f"/topic/demo.prices.{price['symbol'].lower()}"
            assert isinstance(price["at"], int)
            assert SYMBOLS[price["symbol"]] / 2 < price["price"] < SYMBOLS[price["symbol"]] * 2
            seen.setdefault(price["symbol"], []).append(json.dumps(price))
    assert {symbol: len(prices) for symbol, prices in seen.items()} == dict.fromkeys(SYMBOLS, 2)


@pytest.mark.gen_test(timeout=20)
async def test_without_the_option_nothing_is_published(start_node):
    node = await start_node()
    assert node._demo is None
    assert node.hub.offset == 0
