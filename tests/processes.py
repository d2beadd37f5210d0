"""The `qmq` command in processes of its own."""

import json
import signal
import subprocess
import sys
import time

QMQ = [sys.executable, "-m", "qmq"]


class Serve:
    """`qmq serve`, running."""

    def __init__(self, ready_file, *arguments, environ=None):
        self.process = subprocess.Popen(
            [*QMQ, "serve", "--listen", "http://127.0.0.1:0", "--ready-file", str(ready_file), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ,
        )  # fmt: skip
        end = time.monotonic() + 20
        while not ready_file.exists():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.02)
        self.ready = json.loads(ready_file.read_text())
        self.port = self.ready["listen"][0]["port"]
        self.url = f"ws://127.0.0.1:{self.port}/stomp"
        self.listen = [{"port": self.port}]

    def stop(self, number=signal.SIGTERM):
        """Ends it; exit status, output and errors."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output.decode(), errors.decode()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def line(pipe, word):
    """The next line with a word in it; the process ends if there is none."""
    while found := pipe.readline().decode():
        if word in found:
            return found
    raise AssertionError(f"no {word!r} came")


def one_line(found, output, errors, status=2):
    """What is told about something wrong, once it is certain that it is one line and nothing else."""
    assert (found, output) == (status, "")
    assert errors.startswith("qmq: ")
    assert errors.endswith("\n")
    assert errors.count("\n") == 1, errors
    return errors[5:-1]
