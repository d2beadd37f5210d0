"""Standard output and standard error that cannot be written to: a node goes on, and it ends when it is told to."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request

import pytest

from tests.processes import QMQ

FULL = "/dev/full"


def jammed_pipe():
    """Both ends of a pipe into which nothing more goes."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    return reading, writing


def begin(ready, stdout, stderr, *arguments):
    process = subprocess.Popen(
        [*QMQ, "serve", "--listen", "http://127.0.0.1:0", "--listen", "stomp://127.0.0.1:0", "--drain", "0",
         "--log-level", "debug", "--ready-file", str(ready), *arguments],
        stdout=stdout, stderr=stderr,
    )  # fmt: skip
    end = time.monotonic() + 20
    while not ready.exists():
        assert process.poll() is None, process.returncode
        assert time.monotonic() < end
        time.sleep(0.02)
    return process, [each["port"] for each in json.loads(ready.read_text())["listen"]]


def make_lines(port, count):
    """Has the node log a line for each of so many clients."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"NONSENSE\n\n\0")
            while client.recv(4096):
                pass


@pytest.mark.parametrize("kind", ["jammed", "closed pipe", "full disk"])
def test_a_log_that_cannot_be_written_stops_neither_node_nor_its_end(tmp_path, kind):
    ends = [os.open(FULL, os.O_WRONLY)] if kind == "full disk" else list(jammed_pipe())
    if kind == "closed pipe":
        os.close(ends.pop(0))
    process, (http, stomp) = begin(tmp_path / "ready", ends[-1], ends[-1])
    try:
        make_lines(stomp, 20)
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/health/live", timeout=10) as answer:
            assert answer.status == 200
        if kind != "jammed":  # there nothing is dropped as long as the queue has room
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/api/v1/stats", timeout=10) as answer:
                assert json.load(answer)["counters"]["log_lines_dropped"] >= 20
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        for each in ends:
            os.close(each)


def test_a_node_starts_with_both_streams_closed(tmp_path):
    ready = tmp_path / "ready"
    command = 'exec "$@" >&- 2>&-'
    process = subprocess.Popen(
        ["sh", "-c", command, "-", *QMQ, "serve", "--listen", "stomp://127.0.0.1:0", "--ready-file", str(ready)]
    )
    try:
        end = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        for number in (1, 2):  # else a client's connection would get what is written to standard error
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
        make_lines(json.loads(ready.read_text())["listen"][0]["port"], 3)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_the_last_lines_are_written_at_the_end(tmp_path):
    process, (_, stomp) = begin(tmp_path / "ready", subprocess.PIPE, subprocess.PIPE)
    make_lines(stomp, 300)
    process.terminate()
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.count(b" listens on ") == 2
    assert errors.count(b"unknown-command") >= 300


@pytest.fixture
def urls(tmp_path):
    """A node for commands that are clients."""
    process, (_, stomp) = begin(tmp_path / "ready", subprocess.DEVNULL, subprocess.DEVNULL)
    yield f"stomp://127.0.0.1:{stomp}"
    process.terminate()
    process.wait(20)


def shell(command, **more):
    done = subprocess.run(
        ["bash", "-c", command, "-", *QMQ], capture_output=True, text=True, timeout=30, errors="surrogateescape", **more
    )
    return done.returncode, done.stdout, done.stderr


PRINTING = {
    "sub": "sub /queue/f --count 1 --url URL",
    "manage": "manage list --url URL",
    "check-config": "check-config",
    "hash-password": "hash-password <<< password1",
    "help": "--help",
    "version": "--version",
}


@pytest.mark.parametrize("stream", [">&-", "> /dev/full"])
def test_output_that_cannot_be_printed_is_one_line(urls, stream):
    told = "standard output is closed" if stream == ">&-" else "cannot print: No space left on device"
    assert shell(f"$1 $2 $3 pub /queue/f hi --url {urls} {stream}") == (0, "", "")
    for command in PRINTING.values():
        status, output, errors = shell(f"$1 $2 $3 {command.replace('URL', urls)} {stream}")
        lines = [line for line in errors.splitlines() if not line.startswith("subscribed to")]
        assert (status, output, lines) == (1, "", [f"qmq: {told}"]), command


@pytest.mark.parametrize("stream", ["2>&-", "2> /dev/full"])
def test_errors_that_cannot_be_told_change_nothing(urls, stream):
    assert shell(f"$1 $2 $3 pub /queue/f hi --url {urls}")[0] == 0
    assert shell(f"$1 $2 $3 sub /queue/f --count 1 --url {urls} {stream}") == (0, "hi\n", "")
    assert shell(f"$1 $2 $3 sub --nonsense {stream}") == (2, "", "")


def test_input_that_is_closed_is_empty(urls):
    assert shell(f"$1 $2 $3 pub /queue/f --url {urls} <&-") == (0, "", "")
    assert shell(f"$1 $2 $3 sub /queue/f --count 1 --url {urls}")[:2] == (0, "\n")


@pytest.mark.parametrize("header", [r"x:\xff", r"\xc3:x", r"x:\xed\xa0\x80"])
@pytest.mark.parametrize("command", ["pub /topic/f hi", "sub /topic/f", "request /topic/f hi"])
def test_bytes_in_a_header_that_are_no_text_are_one_line(header, command):
    status, output, errors = shell(f"$1 $2 $3 {command} --header $'{header}'")
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("qmq: --header must be UTF-8, which b")
