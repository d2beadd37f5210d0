"""A real node in a process of its own, and patience."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def until(condition, seconds=15, what="it"):
    """Waits until a condition is true and returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
    return value


def processes_of(pid):
    """A process and all that come of it, as they are now."""
    found, parents = [], [pid]
    while parents:
        found.append(parents.pop())
        try:
            for children in Path(f"/proc/{found[-1]}/task").glob("*/children"):
                parents += map(int, children.read_text().split())
        except OSError:
            pass  # it has ended meanwhile
    return found


class Gateway:
    """A running `qmq serve`."""

    def __init__(self, folder, *options):
        self.log = (folder / "log").open("a+")
        self._ready = folder / "ready.json"
        self._options = options
        self._start(0)

    def _start(self, port):
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "qmq", "serve", "--listen", f"http://127.0.0.1:{port}"]
        command += ["--ready-file", str(self._ready), *self._options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QMQ_")}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)
        until(lambda: self._ready.exists() or self.process.poll() is not None, what="the ready file")
        at = json.loads(self._ready.read_text())["listen"][0]
        self.port = at["port"]
        self.url = f"http://{at['host']}:{self.port}"

    def kill(self):
        """Ends it with SIGKILL."""
        self.process.kill()
        self.process.wait(15)

    def start_again(self):
        """Starts it on the same port once it has ended."""
        self._start(self.port)

    def stop(self):
        """Sends SIGTERM and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def lines(self):
        self.log.seek(0)
        return self.log.read().splitlines()

    def connections(self):
        """How many clients it has, but for the one who asks."""
        return len(json.loads(self.command("manage", "connections"))["connections"]) - 1

    def command(self, *words, text=None):
        """Runs `qmq` against it and returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "qmq", *words, "--url", f"{self.url}/stomp"],
            input=text, capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        return done.stdout
