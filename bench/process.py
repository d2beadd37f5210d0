"""A server under measurement, as a process: started, pinned, weighed and ended by its own id.

It knows nothing of protocols. It never signals a process that it did not start, and it takes no process by name.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SERVER_CPU, LOAD_CPU = 0, 1
TICK = 1 / os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something went wrong that concerns one system or one scenario, in words for the reader of the table."""


ALLOWED = os.sched_getaffinity(0)


def pinned() -> bool:
    """True if the machine has a core for the server and another one for the load."""
    return {SERVER_CPU, LOAD_CPU} <= ALLOWED


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """Run the block on that core. What is started inside inherits it: a server sees one core from its first moment."""
    before = os.sched_getaffinity(0)
    if pinned():
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, for us and for all that we start; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    """A port that was free a moment ago, for servers that cannot choose one themselves and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """One server and its log; `helpers` are what it needs beside it, ended after it."""

    popen: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    http_port: int = 0  # where it answers requests, if that is elsewhere
    helpers: list[Process] = field(default_factory=list)

    def last_words(self) -> str:
        """The last line it wrote, to say why it did not come up."""
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it wrote nothing")

    def ended(self) -> bool:
        """True if it runs no more."""
        return self.popen.poll() is not None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Poll until the server is ready; BenchError if it ends or takes longer than that."""
        until = time.monotonic() + seconds
        while not ready():
            if self.ended():
                raise BenchError(f"did not start: {self.last_words()}")
            if time.monotonic() > until:
                raise BenchError(f"not ready within {seconds:g} s: {self.last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to end, and insist after five seconds."""
        if not self.ended():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for helper in self.helpers:
            helper.stop()

    def pids(self) -> list[int]:
        """The server and its descendants, as they are now."""
        found, parents = [], [self.popen.pid]
        while parents:
            pid = parents.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    parents += map(int, children.read_text().split())
        return found

    def resident_kb(self) -> int:
        """Resident memory of the server and its descendants, in kB."""
        return sum(_resident_kb(pid) for pid in self.pids())

    def cpu_seconds(self) -> float:
        """Processor time that the server and its descendants have used so far."""
        return sum(_cpu_seconds(pid) for pid in self.pids())

    def settle(self, seconds: float = 5.0) -> None:
        """Wait until the server has tidied up after the last scenario, so that the next one is not charged for it."""
        until = time.monotonic() + seconds
        used = self.cpu_seconds()
        while time.monotonic() < until:
            time.sleep(0.2)
            used, before = self.cpu_seconds(), used
            if used - before < 0.04:
                return


class Crowd:
    """How much of the two cores went to neither the server nor us, from its making until `share`.

    Pinning keeps us and the server apart, not others away; a run in a crowd gives figures that are too low.
    """

    def __init__(self, server: Process) -> None:
        self._server = server
        self._began, self._before = time.monotonic(), self._others()

    def share(self) -> float:
        """Between 0 and 1, of both cores together."""
        took = time.monotonic() - self._began
        return min(1.0, max(0.0, (self._others() - self._before) / took / 2)) if took else 0.0

    def _others(self) -> float:
        return _cores_seconds() - self._server.cpu_seconds() - time.process_time()


def _cores_seconds() -> float:
    """Busy time of the two cores, interrupts included: the kernel charges those of loopback traffic to the sender."""
    total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{SERVER_CPU}", f"cpu{LOAD_CPU}"}:
            user, nice, system, _, _, interrupts, soft_interrupts, steal = map(int, fields[:8])
            total += user + nice + system + interrupts + soft_interrupts + steal
    return total * TICK


def _resident_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        # The name in parentheses may hold blanks; user and system time are the 12th and 13th fields after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK
    return 0.0


def start(command: Sequence[str], work: Path, env: Mapping[str, str] | None = None, name: str = "server") -> Process:
    """Start a server on the servers' core, in its own directory, with its output in a log there."""
    log = work / f"{name}.log"
    # A setting that somebody exported for a node of his own must not change what is measured.
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("QMQ_", "RABBITMQ_"))}
    with on_cpu(SERVER_CPU), log.open("wb") as output:
        popen = subprocess.Popen(
            list(command),
            cwd=work,
            env={**ours, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Process(popen, log)
