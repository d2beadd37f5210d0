"""A listener of stomp.py that notes what comes and can be waited for, and a conversation for all its connections."""

import asyncio
import threading
import time

import stomp


class Listener(stomp.ConnectionListener):
    """Notes what comes."""

    def __init__(self):
        self.seen = []
        self.times = []
        self._changed = threading.Condition()

    def _note(self, kind, frame=None):
        with self._changed:
            self.seen.append((kind, frame))
            self.times.append(time.monotonic())
            self._changed.notify_all()

    def on_connected(self, frame):
        self._note("CONNECTED", frame)

    def on_message(self, frame):
        self._note("MESSAGE", frame)

    def on_receipt(self, frame):
        self._note("RECEIPT", frame)

    def on_error(self, frame):
        self._note("ERROR", frame)

    def on_heartbeat(self):
        self._note("heartbeat")

    def on_heartbeat_timeout(self):
        self._note("timeout")

    def on_disconnected(self):
        self._note("disconnected")

    def wait(self, kind, count=1):
        """The frames of a kind, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, 10), (kind, self.seen)
            return self.of(kind)

    def of(self, kind):
        return [frame for seen, frame in self.seen if seen == kind]


def converse(connection, version):
    """All that its users do first: connect, subscribe, send, receipt, disconnect."""
    listener = Listener()
    connection.set_listener("", listener)
    connection.connect("login", "passcode", wait=True)
    assert listener.wait("CONNECTED")[0].headers["version"] == version
    connection.subscribe("/topic/a.*", id="1", headers={"receipt": "subscribed"})
    listener.wait("RECEIPT")
    odd = "a:b" if version == "1.0" else "a:b\\c\nd"
    connection.send("/topic/a.b", "hello wörld", content_type="text/plain", headers={"odd": odd}, receipt="sent")
    (message,) = listener.wait("MESSAGE")
    assert (message.body, message.headers["odd"]) == ("hello wörld", odd)
    for number in range(50):
        connection.send("/topic/a.c", str(number))
    assert [frame.body for frame in listener.wait("MESSAGE", 51)[1:]] == [str(number) for number in range(50)]
    connection.disconnect(receipt="bye")
    listener.wait("disconnected")
    assert "bye" in [frame.headers["receipt-id"] for frame in listener.of("RECEIPT")]
    assert not listener.of("ERROR")


async def in_a_thread(talk, *arguments):
    """Runs it beside the loop, and returns when the threads that it started have ended too."""
    before = set(threading.enumerate())
    await asyncio.to_thread(talk, *arguments)
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive(), thread
