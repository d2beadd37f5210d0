"""The desk: requests are done or answered with a code, and neither harms the conversation."""

import orjson
import pytest
from worlds import World

from qmq.core.message import Envelope
from qmq.core.registry import Rules
from qmq.errors import CODES, QmqError
from qmq.session.access import Access
from qmq.session.auth import Kind, Principal
from qmq.session.desk import OPERATIONS, Asker, Desk, as_markdown


class Client:
    """A client that asks and reads the answer."""

    def __init__(self, world, version="1.2"):
        self.client = world.client(version=version)

    def ask(self, operation, body=None, octets=None, **headers):
        """The answer and the code, if it is an error."""
        octets = octets if octets is not None else orjson.dumps(body) if body is not None else b""
        fields = {"reply-to": "/temp-queue/answers", "correlation-id": "7", **headers}
        self.client.frame("SEND", {"destination": f"/manage/{operation}", **fields}, octets)
        [(command, told, answer)] = self.client.got()
        assert command == "MESSAGE", answer
        assert (told["subscription"], told["correlation-id"]) == ("/temp-queue/answers", "7")
        assert told["content-type"] == "application/json"
        answer = orjson.loads(answer)
        code = told.get("code", "")
        if code:
            assert (answer["code"], answer["title"]) == (code, CODES[code].text)
        return answer, code

    def done(self, operation, body=None, **fields):
        """The answer, once it is certain that it is no error."""
        answer, code = self.ask(operation, {**(body or {}), **fields})
        assert not code, answer
        return answer

    def refused(self, code, operation, body=None, **fields):
        """Why it is refused, once it is certain that it is, with this code."""
        answer, found = self.ask(operation, {**(body or {}), **fields})
        assert found == code, answer
        return answer["detail"]


@pytest.fixture
def world():
    return World(desk=True)


@pytest.fixture
def asker(world):
    return Client(world)


def test_a_queue_from_its_declaration_to_its_end(world, asker):
    made = asker.done("declare", destination="/queue/a", **{"max-length": 5, "overflow": "drop-head", "durable": True})
    assert (made["destination"], made["messages"], made["consumers"], made["paused"]) == ("/queue/a", 0, 0, False)
    assert (made["properties"]["max-length"], made["properties"]["overflow"]) == (5, "drop-head")
    assert asker.done("declare", destination="/queue/a", **{"max-length": "5"}) == made
    world.publish("/queue/a", *"1234567")
    seen = asker.done("inspect", destination="/queue/a")
    assert (seen["messages"], seen["bytes"], seen["published"]) == (5, 5, 7)
    assert seen["counters"] == {"messages_dropped_head": 2}
    assert asker.done("purge", destination="/queue/a") == {"messages": 5}
    assert world.memory.used == 0
    world.publish("/queue/a", "8")
    assert asker.done("delete", destination="/queue/a") == {"messages": 1}
    assert "/queue/a" in asker.refused("not-found", "inspect", destination="/queue/a")


def test_pause_and_resume(world, asker):
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"})
    assert asker.done("pause", destination="/queue/a") == {"paused": True}
    world.publish("/queue/a", "1", "2")
    assert client.messages() == []
    assert asker.done("inspect", destination="/queue/a")["paused"]
    assert asker.done("resume", destination="/queue/a") == {"paused": False}
    assert client.messages() == ["1", "2"]


def test_an_exchange_from_its_declaration_to_its_end(world, asker):
    kind = {"kind": "headers", "alternate": "amq.fanout", "auto-delete": False, "internal": "true"}
    made = asker.done("declare-exchange", name="e", **kind)
    assert made == {
        "name": "e", "kind": "headers", "alternate": "amq.fanout", "auto-delete": False, "internal": True,
        "bindings": [],
    }  # fmt: skip
    binding = {"source": "/exchange/e", "destination": "/queue/a", "arguments": {"x-match": "any", "n": 1, "b": None}}
    assert asker.done("bind", binding) == {"new": True}
    assert asker.done("bind", {**binding, "source": "e"}) == {"new": False}
    assert asker.done("inspect", destination="/exchange/e")["bindings"] == [
        {"destination": "/queue/a", "key": "", "arguments": {"x-match": "any", "n": 1, "b": None}}
    ]
    assert asker.done("unbind", binding) == {"found": True}
    assert asker.done("unbind", binding) == {"found": False}
    assert asker.done("bind", source="amq.topic", destination="/exchange/e", key="#")["new"]
    assert asker.done("inspect", destination="/exchange/amq.topic")["bindings"][0]["destination"] == "/exchange/e"
    assert asker.done("delete-exchange", name="e") == {}
    asker.refused("not-found", "inspect", destination="/exchange/e")


def test_list(world, asker):
    world.publish("/queue/b", "1", "2")
    world.publish("/queue/a", "1")
    found = asker.done("list")
    assert [queue for queue in found["queues"] if queue["destination"].startswith("/queue/")] == [
        {"destination": "/queue/a", "messages": 1}, {"destination": "/queue/b", "messages": 2}
    ]  # fmt: skip
    assert (found["exchanges"][0], found["more"]) == ("amq.direct", False)
    assert asker.done("list", match="/queue/b") == {
        "queues": [{"destination": "/queue/b", "messages": 2}], "exchanges": [], "more": False
    }  # fmt: skip


def test_a_long_list_says_that_there_is_more(world, asker):
    for number in range(1001):
        world.registry.declare(f"/queue/q{number}")
    found = asker.done("list", match="/queue/")
    assert (len(found["queues"]), found["more"]) == (1000, True)


def test_stats_and_connections(world, asker):
    world.client().frame("NONSENSE", {})
    world.publish("/queue/a", "1")
    asker.done("purge", destination="/queue/a")
    found = asker.done("stats")
    assert found["counters"]["errors_unknown-command"] == 1
    assert found["destinations"]["/queue/a"] == {"messages_purged": 1}
    assert found["memory"] == {"used": 0, "limit": world.memory.ceiling, "full": False}
    [connection] = asker.done("connections")["connections"]
    assert (connection["name"], connection["state"]) == (asker.client.session.name, "open")


def test_addresses_for_replies_stay_secret(world, asker):
    other = world.client()
    other.frame("SEND", {"destination": "/topic/a", "reply-to": "/temp-queue/secret"})
    other.frame("SUBSCRIBE", {"id": "0", "destination": "/exchange/amq.fanout"})
    names = [name for name in world.registry.queues if "/temp-queue/" in name and "answers" not in name]
    assert len(names) == 2
    world.publish("/exchange/amq.fanout", "x")
    for operation in ("list", "stats", "connections"):
        answer = orjson.dumps(asker.done(operation)).decode()
        assert not any(name in answer for name in names), operation
    seen = asker.done("inspect", destination="/exchange/amq.fanout")
    assert [binding["destination"] for binding in seen["bindings"]] == ["(private)"]
    for name in names:
        for operation in ("inspect", "purge", "delete", "pause", "resume"):
            asker.refused("in-use", operation, destination=name)


def test_an_exclusive_queue_is_its_owners(world, asker):
    asker.done("declare", destination="/queue/mine", exclusive=True)
    other = Client(world)
    for operation in ("inspect", "delete", "declare"):
        assert "/queue/mine" in other.refused("in-use", operation, destination="/queue/mine")
    asker.client.session.close()
    other.refused("not-found", "inspect", destination="/queue/mine")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_it_answers_every_version(world, version):
    assert Client(world, version).done("list")["more"] is False


@pytest.mark.parametrize("to", ["/queue/answers", "/topic/answers", "/exchange/amq.direct/answers"])
def test_it_answers_wherever_one_likes(world, asker, to):
    reader = world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": to})
    asker.client.frame("SEND", {"destination": "/manage/list", "reply-to": to, "receipt": "r"})
    assert asker.client.got() == [("RECEIPT", {"receipt-id": "r"}, b"")]
    [(_, headers, body)] = reader.got()
    assert headers["destination"] == to
    assert "queues" in orjson.loads(body)


# Bad requests

Q, NONE = {"destination": "/queue/a"}, "/queue/none"
DEEP = b"[" * 900 + b"]" * 900
BODIES = {
    "no JSON": (b"{", "bad-operation", "no JSON"),
    "no UTF-8": (b'{"destination": "\xff"}', "bad-operation", "no JSON"),
    "half a surrogate pair": (rb'{"destination": "/queue/\ud800"}', "bad-operation", "no JSON"),
    "not a number": (b'{"destination": NaN}', "bad-operation", "no JSON"),
    "a list": (b"[]", "bad-operation", "no JSON object"),
    "text": (b'"x"', "bad-operation", "no JSON object"),
    "nothing": (b"null", "bad-operation", "no JSON object"),
    "empty": (b"", "bad-operation", "is missing"),
    "too deep for anybody": (b"[" * 100_000, "bad-operation", "no JSON"),
    "deep": (b'{"destination": ' + DEEP + b', "arguments": {"a": ' + DEEP + b"}}", "bad-operation", "must be"),
}


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ("list", "stats", "connections")])
@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_none(asker, operation, name):
    body, code, part = BODIES[name]
    answer, found = asker.ask(operation, octets=body)
    if name == "deep" and ("exchange" in operation or operation == "kick"):
        part = "is missing"
    assert found == code
    assert part in answer["detail"]
    assert asker.client.session.ending is None


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, ["/queue/a"]])
@pytest.mark.parametrize(
    "operation, name",
    [
        *[(operation, "destination") for operation in ("inspect", "declare", "delete", "purge", "pause", "resume")],
        *[(operation, name) for operation in ("bind", "unbind") for name in ("source", "destination", "key")],
        *[(operation, "name") for operation in ("declare-exchange", "delete-exchange")],
        ("declare-exchange", "kind"), ("declare-exchange", "alternate"), ("list", "match"),
    ],
)  # fmt: skip
def test_values_of_the_wrong_type(asker, operation, name, value):
    right = {"destination": "/queue/a", "source": "amq.direct", "name": "e"}
    assert name in asker.refused("bad-operation", operation, {**right, name: value})


WRONG = [
    ("inspect", {"destination": NONE}, "not-found"),
    ("inspect", {"destination": "/topic/a"}, "not-found"),
    ("inspect", {"destination": "/exchange/none"}, "not-found"),
    ("inspect", {"destination": "/exchange/"}, "not-found"),
    ("delete", {"destination": NONE}, "not-found"),
    ("purge", {"destination": ""}, "not-found"),
    ("pause", {"destination": "x" * 100_000}, "not-found"),
    ("declare", {"destination": "/topic/a"}, "bad-destination"),
    ("declare", {"destination": "/temp-queue/a"}, "bad-destination"),
    ("declare", {"destination": "/exchange/a"}, "bad-destination"),
    ("declare", {"destination": "/queue/*"}, "bad-pattern"),
    ("declare", {"destination": "/queue/" + "x" * 250}, "bad-pattern"),
    ("declare", {**Q, "colour": "red"}, "bad-operation"),
    ("declare", {**Q, "": 1}, "bad-operation"),
    *[("declare", {**Q, "max-length": value}, "bad-header") for value in (0, -1, 1.5, True, None, [], {}, "x", 10**15)],
    ("declare", {**Q, "max-length": 10**30}, "bad-header"),
    ("declare", {**Q, "max-priority": 256}, "bad-header"),
    *[("declare", {**Q, "exclusive": value}, "bad-header") for value in (2, None, [], {}, "perhaps")],
    *[("declare", {**Q, "overflow": value}, "bad-header") for value in (1, None, [], {}, "perhaps")],
    *[("declare", {**Q, "dead-letter": value}, "bad-header") for value in (1, None, [], {})],
    ("declare", {**Q, "dead-letter": "/nowhere"}, "bad-destination"),
    ("declare-exchange", {"name": ""}, "bad-destination"),
    ("declare-exchange", {"name": "x" * 128}, "bad-destination"),
    ("declare-exchange", {"name": "amq.mine"}, "bad-destination"),
    ("declare-exchange", {"name": "a\nb"}, "bad-destination"),
    ("declare-exchange", {"name": "e", "kind": "direction"}, "bad-operation"),
    ("declare-exchange", {"name": "amq.direct", "kind": "topic"}, "conflict"),
    ("declare-exchange", {"name": "e", "internal": "perhaps"}, "bad-header"),
    ("delete-exchange", {"name": "amq.direct"}, "bad-destination"),
    ("delete-exchange", {"name": "none"}, "not-found"),
    ("bind", {"source": "none", **Q}, "not-found"),
    ("bind", {"source": "amq.direct", "destination": "/exchange/none"}, "not-found"),
    ("bind", {"source": "amq.direct", "destination": "/queue/*"}, "bad-pattern"),
    *[
        (operation, {"source": "amq.direct", "destination": destination}, "bad-destination")
        for operation in ("bind", "unbind") for destination in ("/topic/a", "/manage/list", "", "/nowhere")
    ],
    *[("bind", {"source": "amq.headers", **Q, "arguments": value}, "bad-operation") for value in ([], 1, "x", None)],
    *[("bind", {"source": "amq.headers", **Q, "arguments": {"a": value}}, "bad-operation") for value in ([], {}, [1])],
    *[("bind", {"source": "amq.headers", **Q, "arguments": {"x-match": value}}, "bad-header") for value in (1, "some")],
]  # fmt: skip


@pytest.mark.parametrize("operation, body, code", WRONG)
def test_what_is_refused(world, asker, operation, body, code):
    octets = str(body).replace("'", '"').encode() if 10**30 in body.values() else None
    answer, found = asker.ask(operation, body if octets is None else None, octets)
    assert (found, len(answer["detail"]) < 300 or operation == "pause") == (code, True), answer
    assert [name for name in world.registry.queues if not name.startswith("/temp-queue/")] in ([], ["/queue/a"])
    assert asker.client.session.ending is None


@pytest.mark.parametrize("operation", ["", "explode", "__init__", "LIST", "list/", "x" * 200])
def test_operations_that_are_none(asker, operation):
    assert "is none of inspect, list" in asker.refused("bad-operation", operation)


@pytest.mark.parametrize(
    "headers, code",
    [
        ({}, "missing-header"),
        ({"reply-to": ""}, "missing-header"),
        ({"reply-to": "/nowhere"}, "bad-destination"),
        ({"reply-to": "/manage/list"}, "bad-destination"),
        ({"reply-to": "/topic/*"}, "bad-pattern"),
        ({"reply-to": "/exchange/none/k"}, "not-found"),
        ({"reply-to": "/queue/a", "message-id": "7"}, "bad-header"),
        ({"reply-to": "/queue/a", "transaction": "t"}, "bad-header"),
    ],
)
def test_requests_without_a_place_for_the_answer_end_the_conversation(world, headers, code):
    client = world.client()
    client.frame("SEND", {"destination": "/manage/list", "receipt": "r", **headers})
    assert client.refused(code)["receipt-id"] == "r"


def test_who_deletes_the_queue_that_it_consumes_is_told_so(world, asker):
    asker.client.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"})
    asker.client.frame(
        "SEND", {"destination": "/manage/delete", "reply-to": "/temp-queue/a"}, b'{"destination":"/queue/a"}'
    )
    asker.client.refused("queue-deleted")
    assert (world.registry.queues, world.memory.used) == ({}, 0)


def test_limits_are_told():
    asker = Client(World(desk=True, rules=Rules(max_queues=2, max_exchanges=6, max_bindings=1)))
    asker.done("declare", destination="/queue/a")
    asker.refused("too-many-queues", "declare", destination="/queue/b")
    asker.done("declare-exchange", name="e")
    asker.refused("too-many-queues", "declare-exchange", name="f")
    asker.done("bind", source="e", destination="/queue/a")
    asker.refused("too-many-bindings", "bind", source="amq.direct", destination="/queue/a")


def test_answers_that_json_has_no_word_for(world, asker):
    """What other protocols may put into a binding."""
    world.registry.bind("amq.headers", "/queue/a", "", {"octets": b"\xff", "number": 2**70})
    [binding] = asker.done("inspect", destination="/exchange/amq.headers")["bindings"]
    assert set(binding["arguments"]) == {"octets", "number"}


def test_without_a_desk_there_is_none():
    client = World().client()
    client.frame("SEND", {"destination": "/manage/list", "reply-to": "/queue/a"})
    client.refused("bad-destination")


def test_the_answer_is_published_like_anything(world, asker):
    world.registry.declare("/queue/full", {"max_length": 1})
    world.registry.publish(Envelope("/queue/full", {}), b"x", True)
    asker.client.frame("SEND", {"destination": "/manage/list", "reply-to": "/queue/full", "receipt": "r"})
    assert asker.client.refused("queue-full")["receipt-id"] == "r"


def test_the_printed_table():
    lines = as_markdown().split("\n")
    assert len(lines) == len(OPERATIONS) + 2
    assert "| `/manage/purge` | Drops what waits in a queue. |" in lines


def test_a_connection_is_kicked_by_its_name(world, asker):
    other = world.client()
    assert asker.done("kick", name=other.session.name) == {}
    other.refused("kicked")
    assert other.session.name in asker.refused("not-found", "kick", name=other.session.name)


# operation: (request, the rights that it asks for)
NEEDS = {
    "inspect": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "inspect of an exchange": ({"destination": "/exchange/amq.topic"}, ["manage /exchange/amq.topic"]),
    "declare": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "declare with dead letters": (
        {"destination": "/queue/dead", "dead-letter": "/queue/b"}, ["manage /queue/dead", "publish /queue/b"],
    ),
    "delete": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "purge": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "pause": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "resume": ({"destination": "/queue/a"}, ["manage /queue/a"]),
    "declare-exchange": ({"name": "new", "kind": "topic"}, ["manage /exchange/new"]),
    "declare-exchange with another": (
        {"name": "more", "alternate": "new"}, ["manage /exchange/more", "publish /exchange/new/#"],
    ),
    "delete-exchange": ({"name": "old"}, ["manage /exchange/old"]),
    "bind": (
        {"source": "amq.topic", "destination": "/queue/a", "key": "x.#"}, ["manage /queue/a", "subscribe /topic/x.#"],
    ),
    "unbind": ({"source": "amq.topic", "destination": "/queue/a", "key": "x.#"}, ["manage /queue/a"]),
    "stats": ({}, ["manage /manage/stats"]),
    "connections": ({}, ["manage /manage/connections"]),
    "kick": ({"name": "somebody"}, ["manage /manage/kick"]),
}  # fmt: skip


def rights_to(needs):
    rights = {}
    for each in needs:
        action, destination = each.split(" ")
        rights.setdefault(action, []).append(destination)
    return Access(guarded=True).rights(Principal("ann", Kind.TOKEN, rights=rights))


@pytest.mark.parametrize("name", NEEDS)
def test_each_operation_needs_its_rights_and_no_others(name):
    world = World(desk=True)
    desk = Desk(world.registry, world.describe, lambda name: True)
    world.registry.declare("/queue/a")
    world.registry.declare_exchange("old")
    request, needs = NEEDS[name]
    for left_out in needs:
        asker = Asker(rights_to(each for each in needs if each != left_out))
        with pytest.raises(QmqError, match="forbidden"):
            desk.do(name.split(" ")[0], dict(request), asker)
    desk.do(name.split(" ")[0], dict(request), Asker(rights_to(needs)))


def test_a_list_shows_what_may_be_managed():
    world = World(desk=True)
    for name in ("/queue/a.1", "/queue/a.2", "/queue/b"):
        world.registry.declare(name)
    seen = world.desk.do("list", {}, Asker(rights_to(["manage /queue/a.*", "manage /exchange/amq.topic"])))
    assert [each["destination"] for each in seen["queues"]] == ["/queue/a.1", "/queue/a.2"]
    assert seen["exchanges"] == ["amq.topic"]


def test_who_has_no_connection_owns_no_queue():
    world = World(desk=True)
    with pytest.raises(QmqError, match="exclusive"):
        world.desk.do("declare", {"destination": "/queue/a", "exclusive": True}, Asker())


def test_address_for_replies_is_its_owners_whatever_is_asked(world, asker):
    """Whoever was told it may send there, and do nothing else with it."""
    owner, reader = world.client(), Client(world)
    reader.client.frame("SUBSCRIBE", {"destination": "/queue/asked", "id": "q"})
    owner.frame("SEND", {"destination": "/queue/asked", "reply-to": "/temp-queue/r"}, b"x")
    [(_, headers, _)] = reader.client.got()
    address = headers["reply-to"]
    for source in ("amq.topic", "amq.fanout", "amq.direct"):
        for operation in ("bind", "unbind"):
            asker.refused("in-use", operation, source=source, destination=address, key="k")
    for operation in ("inspect", "purge", "delete", "pause", "resume"):
        asker.refused("in-use", operation, destination=address)
    assert not world.registry.exchanges["amq.fanout"].bindings
    asker.client.frame("SEND", {"destination": address}, b"a reply")
    assert owner.messages() == ["a reply"]
    asker.client.frame("SUBSCRIBE", {"destination": address, "id": "r"})
    asker.client.refused("in-use")


def test_own_address_for_replies_may_be_bound(world, asker):
    asker.client.frame("SUBSCRIBE", {"destination": "/temp-queue/own", "id": "r"})
    own = next(name for name in world.registry.queues if name.endswith(".own"))
    assert asker.done("bind", source="amq.fanout", destination=own) == {"new": True}
    assert asker.done("unbind", source="amq.fanout", destination=own) == {"found": True}


def test_lists_are_read_page_by_page(world, asker):
    for number in range(25):
        world.registry.declare(f"/queue/q.{number:02}")
        world.registry.declare_exchange(f"x{number:02}")
    queues, exchanges, asked = [], [], {"max": 10, "match": ""}
    for _ in range(6):
        found = asker.done("list", **asked)
        queues += [each["destination"] for each in found["queues"]]
        exchanges += found["exchanges"]
        if not found["more"]:
            break
        asked |= {"after": found.get("next", "~"), "after-exchange": found.get("next-exchange", "~")}
    assert [name for name in queues if "temp" not in name] == [f"/queue/q.{number:02}" for number in range(25)]
    assert exchanges == sorted(world.registry.exchanges)
    assert asker.done("list", match="q.2", max=3)["next"] == "/queue/q.22"


def test_stats_of_destinations_are_read_page_by_page(world, asker):
    for number in range(5):
        world.stats.of(f"/queue/q.{number}").add("messages_purged")
    names, asked = [], {"max": "2"}
    while True:
        found = asker.done("stats", **asked)
        assert len(found["destinations"]) <= 2
        names += found["destinations"]
        if not found["more"]:
            break
        asked["after"] = found["next"]
    assert [name for name in names if "q." in name] == [f"/queue/q.{number}" for number in range(5)]


def test_connections_are_read_page_by_page(world, asker):
    for _ in range(6):
        world.client()
    names, after = [], ""
    while True:
        found = asker.done("connections", max=2, after=after)
        assert len(found["connections"]) <= 2
        names += [each["name"] for each in found["connections"]]
        if not found["more"]:
            break
        after = found["next"]
    assert names == sorted(client.session.name for client in world.clients)


@pytest.mark.parametrize("most", [0, -1, "x", "", 1.5, True, None, [], "9" * 20])
@pytest.mark.parametrize("operation", ["list", "stats", "connections"])
def test_number_of_what_is_listed_is_a_number(asker, operation, most):
    assert "max must be" in asker.refused("bad-operation", operation, max=most)
