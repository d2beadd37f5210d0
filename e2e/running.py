"""A real node in a process of its own, and patience."""

import json
import os
import signal
import subprocess
import sys
import time


def until(condition, seconds=15, what="it"):
    """Waits until a condition is true and returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
    return value


class Gateway:
    """A running `qmq serve`."""

    def __init__(self, folder, *options):
        self.log = (folder / "log").open("w+")
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "qmq", "serve", "--listen", "http://127.0.0.1:0", "--ready-file", str(ready)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QMQ_")}
        self.process = subprocess.Popen([*command, *options], stdout=self.log, stderr=self.log, env=environment)
        until(lambda: ready.exists() or self.process.poll() is not None, what="the ready file")
        at = json.loads(ready.read_text())["listen"][0]
        self.url = f"http://{at['host']}:{at['port']}"

    def stop(self):
        """Sends SIGTERM and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def lines(self):
        self.log.seek(0)
        return self.log.read().splitlines()

    def command(self, *words, text=None):
        """Runs `qmq` against it and returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "qmq", *words, "--url", f"{self.url}/stomp"],
            input=text, capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        return done.stdout
