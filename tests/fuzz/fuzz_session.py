"""Must hold: whatever octets come over a STOMP connection, the conversation goes on or ends with an ERROR.

Nothing raises, what is answered are frames, and when it is over, nothing of it is left: no subscription, no
consumer, no exclusive queue, no octets that are counted for it.
"""

from qmq.core.exchange import Kind
from qmq.core.store import Keep
from qmq.wire import stomp
from tests.fuzz.harness import pieces
from tests.worlds import World

LOGIN = b"CONNECT\naccept-version:1.2\nhost:h\n\n\0"
REFUSALS = LOGIN.replace(b"\n\n", b"\nrefusals:true\n\n")


def frame(command, body=b"", **headers):
    return stomp.encode(command, {name.replace("_", "-"): value for name, value in headers.items()}, body)


SUBSCRIBE = frame("SUBSCRIBE", id="1", destination="/topic/#", receipt="r", max_messages="3", overflow="drop-oldest")
CONSUME = frame("SUBSCRIBE", id="2", destination="/queue/a", ack="client-individual", prefetch_count="2")
SEND = frame("SEND", b"x", destination="/topic/a", receipt="s") + frame(
    "SEND", b"y", destination="/queue/a", priority="3"
)
SEEDS = [
    LOGIN + SUBSCRIBE + SEND + frame("UNSUBSCRIBE", id="1"), LOGIN + CONSUME + SEND * 3 + frame("ACK", id="2.1"),
    LOGIN + SEND + CONSUME + frame("NACK", id="1.1", requeue="false") + frame("DISCONNECT", receipt="d"),
    LOGIN + frame("BEGIN", transaction="t") + frame("SEND", b"z", destination="/queue/a", transaction="t")
    + frame("COMMIT", transaction="t", receipt="c") + frame("ABORT", transaction="t"),
    LOGIN + frame("SEND", b'{"destination":"/queue/a"}', destination="/manage/inspect", reply_to="/temp-queue/r"),
    LOGIN + frame("SUBSCRIBE", id="3", destination="/temp-queue/r") + frame("SEND", b"{}", destination="/manage/list",
    reply_to="/temp-queue/r", correlation_id="1"),
    LOGIN + frame("SUBSCRIBE", id="4", destination="/exchange/own/a.#", x_match="any") + SEND,
    LOGIN + frame("SUBSCRIBE", id="5", destination="/topic/a", cursor="node.e.0") + SEND,
    LOGIN + frame("SEND", b"x", destination="/topic/a", idempotency_key="k") * 2,
    LOGIN.replace(b"1.2", b"1.0") + b"SUBSCRIBE\ndestination: /topic/a\n\n\0" + SEND, LOGIN * 2,
    b"STOMP\n\n\0", b"\n\n",
    REFUSALS + SUBSCRIBE * 2 + SEND + frame("SEND", destination="/nowhere") + frame("ACK", id="9.9") + SEND,
    REFUSALS + frame("BEGIN", transaction="t") + frame("SEND", b"z", destination="/queue/a", transaction="t")
    + frame("SEND", destination="/nowhere", transaction="t") + frame("COMMIT", transaction="t", receipt="c"),
    REFUSALS + frame("SUBSCRIBE", id="7", destination="/exchange/own/a", x_max_length="0") + frame("DISCONNECT"),
    LOGIN + frame("SUBSCRIBE", id="6", destination="/queue/own", exclusive="true", auto_delete="true", expires="1"),
]  # fmt: skip
TOKENS = [
    b"\n", b"\0", b"\n\n\0", b":", LOGIN, REFUSALS, SEND, SUBSCRIBE, CONSUME, b"/topic/", b"/queue/", b"/temp-queue/",
    b"/exchange/own/", b"transaction:t\n", b"receipt:r\n", b"ack:client\n", b"id:1\n", b"expiration:1\n", b"cursor:",
    b"from:earliest\n", b"prefetch-count:1\n", b"max-length:1\n", b"x-dead-letter:/queue/b\n",
    b"reply-to:/temp-queue/r\n", b"/manage/list",
]  # fmt: skip


def check(data):
    world = World(desk=True, keep=(("/topic/#", Keep(messages=5)),), max_subscriptions=4, max_transactions=2)
    world.registry.declare_exchange("own", Kind.TOPIC)
    client = world.client(connect=False)
    for piece in pieces(data) if len(data) % 2 else [data]:
        client.receive(piece)
        if len(data) % 3 == 0:
            world.pass_time(0.5)
    ended = client.session.ending
    frames = client.got()
    assert frames or ended is None
    fatal = [headers for command, headers, _ in frames if command == "ERROR" and "fatal" not in headers]
    if ended is None:
        assert not fatal
    elif fatal:
        assert frames[-1][0] == "ERROR" and frames[-1][1]["code"] == ended.name
        assert ended.name != "internal-error"
    client.session.close()
    client.outbox.clear()
    world.pass_time(1)
    assert world.hub._audiences == {} and world.registry._owned == {}
    assert all(not queue.consumers and not queue.unsettled for queue in world.registry.queues.values())
