"""What `--demo` publishes: prices that wander, for the ticker page.

Five symbols under `/topic/demo.prices.`, four times a second each. It is an ordinary
publisher and stops with the node.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Any

from qmq import native

SYMBOLS = {"ACME": 120.0, "BOLT": 48.0, "CRUX": 310.0, "DUNE": 15.5, "ECHO": 77.0}
_INTERVAL = 0.25


class Demo:
    """Publishes until stopped.

    Args:
        publish: Called with destination, body and headers.

    """

    def __init__(self, publish: Callable[[str, str, dict[str, str]], Any]) -> None:
        self._publish_one = publish
        self._loop = asyncio.get_running_loop()
        self._prices = dict(SYMBOLS)
        self._timer = self._loop.call_later(_INTERVAL, self._publish)

    def stop(self) -> None:
        """Ends it."""
        self._timer.cancel()

    def _publish(self) -> None:
        for symbol, price in self._prices.items():
            # A geometric random walk, drawn back to where it began.
            drift = 0.002 * math.log(SYMBOLS[symbol] / price)
            price *= math.exp(drift + random.gauss(0, 0.0025))
            self._prices[symbol] = price
            body = native.dumps({"symbol": symbol, "price": round(price, 2), "at": round(time.time() * 1000)})
            headers = {"content-type": "application/json", "symbol": symbol}
            self._publish_one(f"/topic/demo.prices.{symbol.lower()}", body.decode(), headers)
        self._timer = self._loop.call_later(_INTERVAL, self._publish)
