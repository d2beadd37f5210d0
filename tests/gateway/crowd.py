"""Many clients in one process, for tests that need a crowd. Reports in JSON, a line each, on its output.

    python crowd.py unfinished PORT COUNT

opens connections that send nothing, or part of a request, and waits until the server
has closed all of them.

    python crowd.py subscribers PORT COUNT DESTINATION

logs in so many subscribers, says `{"ready": COUNT}`, and reads until its input ends. A
message's body begins with the time at which it was sent (of the clock that all
processes of a machine share) and a blank. It reports, per message: how many got it, and
the median and the 95th percentile of how long that took.
"""

import json
import resource
import select
import socket
import statistics
import sys
import time

# Parts of a handshake, none of them whole.
PARTS = (b"", b"G", b"GET /stomp HTTP/1.1\r\n", b"GET /stomp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n")

HANDSHAKE = (
    b"GET /stomp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def open_connection(port, number):
    """A connection; its own address differs, so that many tests in a row do not run out of ports."""
    sock = socket.socket()
    sock.bind((f"127.0.1.{1 + number % 250}", 0))
    sock.connect(("127.0.0.1", port))
    return sock


def unfinished(port, count):
    """Opens connections that never finish, and watches how they end."""
    poll = select.epoll()
    socks = {}
    said = 0
    for number in range(count):
        sock = open_connection(port, number)
        if PARTS[number % len(PARTS)]:
            sock.send(PARTS[number % len(PARTS)])
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
    ended = 0
    end = time.monotonic() + 30
    while socks and time.monotonic() < end:
        for number, _ in poll.poll(1):
            try:
                said += len(socks[number].recv(65536))
            except ConnectionError:
                pass
            poll.unregister(number)
            socks.pop(number).close()
            ended += 1
    print(json.dumps({"opened": count, "ended": ended, "said": said}))


def masked(text):
    """A text message whose mask changes nothing."""
    return bytes((0x81, 0x80 | len(text))) + bytes(4) + text


def subscribers(port, count, destination):
    """Subscribes often, and says how long messages took."""
    hello = masked(b"CONNECT\naccept-version:1.2\n\n\0")
    subscribe = masked(b"SUBSCRIBE\nid:1\nreceipt:r\ndestination:%b\n\n\0" % destination.encode())
    poll = select.epoll()
    socks, rest = {}, {}
    for number in range(count):
        sock = open_connection(port, number)
        sock.sendall(HANDSHAKE + hello + subscribe)
        socks[sock.fileno()] = sock
    for number, sock in socks.items():
        answer = b""
        while b"receipt-id:r" not in answer:
            answer += sock.recv(4096)
        if answer[-1]:
            raise SystemExit("more came than the receipt")
        rest[number] = b""
        sock.setblocking(False)
        poll.register(number, select.EPOLLIN)
    say({"ready": count})
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    took = {}
    while True:
        for number, _ in poll.poll():
            if number == sys.stdin.fileno():
                return
            data = rest[number] + socks[number].recv(1 << 18)
            now = time.monotonic()
            place = 0
            while (stop := data.find(b"\0", place)) >= 0:
                start = data.index(b"\n\n", place) + 2
                sent = data[start : data.index(b" ", start)]
                waits = took.setdefault(sent, [])
                waits.append(now - float(sent))
                if len(waits) == count:
                    waits.sort()
                    say({"got": count, "median": statistics.median(waits), "p95": waits[int(count * 0.95)]})
                    waits.clear()
                place = stop + 1
            rest[number] = data[place:]


def say(line):
    """Reports."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "unfinished":
        unfinished(int(sys.argv[2]), int(sys.argv[3]))
    else:
        subscribers(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
