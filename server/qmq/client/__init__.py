"""The client for back ends: publish, subscribe, work and ask, over STOMP on TCP or WebSocket.

    async with await qmq.connect("stomp://127.0.0.1:61613") as client:
        prices = await client.subscribe("/topic/prices.*")
        await client.publish("/topic/prices.eur", b"1.08")
        async for message in prices:
            print(message.text())

It uses the server's own codecs. When the connection ends it makes a new one, and goes on
where it was. `qmq.client.blocking` is the same for programs without asyncio.
"""

from qmq.client.client import Client, Outgoing
from qmq.client.connect import connect
from qmq.client.options import DEFAULT_URL, State
from qmq.client.received import Received
from qmq.client.subscription import Subscription
from qmq.client.transaction import Transaction

__all__ = ["DEFAULT_URL", "Client", "Outgoing", "Received", "State", "Subscription", "Transaction", "connect"]
