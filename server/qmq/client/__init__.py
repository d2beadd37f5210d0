"""A small asyncio client: publish, subscribe, work and ask, over STOMP 1.2 on WebSocket.

    async with await qmq.connect("ws://127.0.0.1:8000/stomp") as client:
        prices = await client.subscribe("/topic/prices.*")
        await client.publish("/topic/prices.eur", b"1.08")
        async for message in prices:
            print(message.text())

It uses the server's own codecs. It does not reconnect; when the connection ends,
everything that waits on it gets the reason.
"""

from qmq.client.client import Client
from qmq.client.dial import connect
from qmq.client.received import Received
from qmq.client.subscription import Subscription

__all__ = ["Client", "Received", "Subscription", "connect"]
