"""Who logs never waits: a pipe that nobody reads, a closed one and a full disk cost lines, and these are counted."""

import contextlib
import os
import threading

from qmq.logqueue import MOST_BYTES, LogQueue


def read_all(descriptor, end):
    found = b""
    while not found.endswith(end):
        found += os.read(descriptor, 1 << 16)
    return found.decode().splitlines()


def pipe():
    reading, writing = os.pipe()
    return reading, writing


def test_lines_are_written_in_order():
    reading, writing = pipe()
    queue = LogQueue(writing)
    for number in range(1000):
        queue.put(f"line {number} ö\ud800")
    assert queue.flush(10)
    lines = read_all(reading, b"line 999 \xc3\xb6\\ud800\n")
    assert lines == [f"line {number} ö\\ud800" for number in range(1000)]
    assert queue.dropped == 0
    os.close(reading)
    os.close(writing)


def filled_pipe():
    """A pipe into which nothing more goes."""
    reading, writing = pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    return reading, writing


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_tells_later():
    reading, writing = filled_pipe()
    noticed = []
    queue = LogQueue(writing, most=10, told=lambda count: f"{count} dropped")
    queue.on_drop = lambda: noticed.append(queue.dropped)
    for number in range(1000):
        queue.put(f"{number} {'x' * 1000}")
    assert 900 < queue.dropped < 1000
    assert noticed[-1] == queue.dropped
    assert not queue.flush(0.01)  # a bounded time
    told, found = f"{queue.dropped} dropped", ""
    while f"\n{told}\n" not in found:
        found += os.read(reading, 1 << 16).decode()
    assert queue.flush(10)
    queue.put("afterwards")
    assert read_all(reading, b"afterwards\n")[-1] == "afterwards"
    assert f"\n0 {'x' * 1000}\n" in found
    os.close(reading)
    os.close(writing)


def test_many_bytes_are_as_many_lines():
    reading, writing = filled_pipe()
    queue = LogQueue(writing)
    for _ in range(8):
        queue.put("x" * (MOST_BYTES // 4))
    assert queue.dropped >= 4
    os.close(reading)  # the pipe is closed: its writer goes on, and counts
    assert queue.flush(10)
    assert queue.dropped == 8
    os.close(writing)


def test_a_closed_pipe_and_a_full_disk_are_counted():
    reading, writing = pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    for descriptor in (writing, full):
        queue = LogQueue(descriptor)
        noticed = threading.Event()
        queue.on_drop = noticed.set
        queue.put("lost")
        assert noticed.wait(10)
        assert queue.dropped == 1
        assert queue.flush(10)
        os.close(descriptor)


def test_a_pipe_that_does_not_block_is_waited_for():
    reading, writing = pipe()
    os.set_blocking(writing, False)
    queue = LogQueue(writing)
    for number in range(500):
        queue.put(f"{number} {'x' * 1000}")
    lines = []
    rest = b""
    while len(lines) < 500:
        rest += os.read(reading, 1 << 16)
        lines = rest.split(b"\n")[:-1]
    assert queue.dropped == 0
    os.close(reading)
    os.close(writing)


def test_what_is_put_into_words_later_follows_its_line():
    reading, writing = pipe()
    queue = LogQueue(writing)
    queue.put("a", lambda: "  b\n  c")
    queue.put("d", lambda: 1 / 0)
    queue.put("e")
    assert read_all(reading, b"e\n") == ["a", "  b", "  c", "d", "e"]
    os.close(reading)
    os.close(writing)


def test_nowhere_is_nowhere():
    queue = LogQueue(None)
    queue.put("x")
    assert queue.dropped == 1
    assert queue.flush(0)
    assert repr(queue) == "<log queue of 0 lines, 1 dropped>"
