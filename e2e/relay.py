"""What may stand between a page and its gateway: it swallows, refuses, cuts, or lets pass."""

import asyncio
import threading

PASS, SWALLOW, REFUSE = "pass", "swallow", "refuse"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Relay:
    """A relay in a thread of its own.

    Args:
        port: The gateway's, or the path of a socket.
        rule: Given what a request begins with, `PASS`, `SWALLOW` (it is never answered) or `REFUSE`.

    Attributes:
        url: Where it listens.

    """

    def __init__(self, port, rule=lambda head: PASS):
        self._port = port
        self._rule = rule
        self._writers = set()
        self._silent = set()
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self._is_up = True
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self._server = server
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def cut(self):
        """Breaks every connection."""
        self._loop.call_soon_threadsafe(self._cut)

    def silence(self):
        """Passes nothing on any more on the connections that there are, and ends none. New ones are as ever."""
        self._loop.call_soon_threadsafe(lambda: self._silent.update(self._writers))

    def down(self, is_down=True):
        """Breaks every connection, and each new one at once."""
        self._is_up = not is_down
        self.cut()

    def close(self):
        """Ends it."""

        async def end():
            self._server.close()
            self._cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _cut(self):
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self._is_up:
            writer.transport.abort()
            return
        try:
            if isinstance(self._port, str):
                there = await asyncio.open_unix_connection(self._port)
            else:
                there = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        back = asyncio.ensure_future(self._copy(there[0], writer))
        await self._copy(reader, there[1], lambda head: self._judge(head, writer))
        await back
        self._writers -= {writer, there[1]}
        self._silent -= {writer, there[1]}

    def _judge(self, data, writer):
        verdict = self._rule(data) if data.startswith((b"GET", b"POST")) else PASS
        if verdict == REFUSE:
            writer.write(REFUSAL)
            writer.close()
        return verdict == PASS

    async def _copy(self, reader, writer, judge=lambda data: True):
        try:
            while data := await reader.read(1 << 16):
                if writer not in self._silent and judge(data):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
