"""Watches the loops of the suite's nodes: nothing on them opens a file, resolves a name or starts a process.

Python tells of such calls by audit events, before they are made, on the thread that makes
them. One counts if that thread has a running loop and it was our code that made the call:
not a test, which may do as it likes. Times cannot be judged on a machine that others use,
calls can; `QMQ_SLOW_CALLBACKS=20` (`make stalls`) also has callbacks of our own judged that
take more milliseconds of processor time, and is for looking at by hand.
"""

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

OURS = str(Path(__file__).parents[1] / "server/qmq") + os.sep
TESTS = str(Path(__file__).parent) + os.sep

BLOCKING = frozenset(
    {
        "open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.system",
        "os.posix_spawn", "shutil.copyfile", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
        "socket.getnameinfo", "subprocess.Popen", "urllib.Request", "import",
    }
)  # fmt: skip

found = []  # what was done on a loop by our code: the event, its argument and where

_limit = float(os.environ.get("QMQ_SLOW_CALLBACKS", "0")) / 1000


def _where():
    """The line of our code that makes the call; None if a test does, or nobody of ours."""
    frame, line = sys._getframe(2), None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(TESTS) or file == logging.__file__:  # handlers of tests put tracebacks into words at once
            return None
        if line is None and file.startswith(OURS):
            line = f"{file.removeprefix(OURS)}:{frame.f_lineno}"
        frame = frame.f_back
    return line


def _heard(event, arguments):
    if event not in BLOCKING or asyncio._get_running_loop() is None:
        return
    if (event == "import" and arguments[0] in sys.modules) or (event == "open" and isinstance(arguments[0], int)):
        return  # nothing is read; it is open already
    line = _where()
    if line is not None:
        found.append(f"{event} {str(arguments[0])[:120]} by {line}")


def _run(handle, run=asyncio.Handle._run):
    before = time.thread_time()
    run(handle)
    spent = time.thread_time() - before
    if spent > _limit and not handle._cancelled:
        told = repr(handle)
        if OURS in told or "qmq" in told:
            found.append(f"{spent * 1000:.0f} ms of processor time in {told[:300]}")


def install():
    """Once in a process; it cannot be undone."""
    sys.addaudithook(_heard)
    if _limit:
        asyncio.Handle._run = _run
