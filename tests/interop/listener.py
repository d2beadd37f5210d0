"""A listener of stomp.py that notes what comes, and that one can wait for."""

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
