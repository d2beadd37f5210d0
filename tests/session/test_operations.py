"""What a client without a conversation may do: publish, read, wait, consume, settle, ask the desk."""

import pytest
from worlds import World

from qmq.core.store import Keep
from qmq.errors import QmqError
from qmq.session.access import EVERYTHING, Access
from qmq.session.auth import Kind, Principal
from qmq.session.operations import Operations, Posting
from qmq.session.topics import Start
from qmq.session.waiter import Frameless


def only(*allowed, name="ann"):
    """Rights to exactly these actions on these destinations."""
    rights = {}
    for action, destination in allowed:
        rights.setdefault(action, []).append(destination)
    return Access(guarded=True).rights(Principal(name, Kind.TOKEN, rights=rights))


ANYBODY = EVERYTHING


class Office(World):
    """A world, and the operations on it."""

    def __init__(self, max_waiting=10, **more):
        super().__init__(desk=True, **more)
        self.operations = Operations(self.registry, self.limits, self.stats, self.desk, max_waiting)

    def post(self, *postings, rights=ANYBODY):
        """Publishes; the numbers of what was published."""
        made = [each if isinstance(each, Posting) else Posting(*each) for each in postings]
        return [identity.rpartition(".")[2] for identity in self.operations.publish(rights, made)]

    def read(self, start=None, pattern="/topic/a", most=10, max_bytes=1000, rights=ANYBODY):
        """Reads: bodies, number of the cursor, whether recovered."""
        found = self.operations.read(rights, pattern, start or Start(earliest=True), most, max_bytes)
        return bodies_of(found), int(found.cursor.rpartition(".")[2]), found.recovered


def bodies_of(reading):
    return [message.body.decode() for message in reading.messages]


@pytest.fixture
def office():
    return Office()


def refused(code, call, *args, **more):
    with pytest.raises(QmqError) as caught:
        call(*args, **more)
    assert caught.value.code.name == code, caught.value
    return caught.value.detail


# Publishing


def test_a_message_comes_to_stomp_clients_as_if_one_of_them_had_sent_it(office):
    client = office.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    headers = {"content-type": "text/css", "color": "red\nblue", "receipt": "r"}
    assert office.post(("/topic/a", "é".encode(), headers)) == ["1"]
    [(command, got, body)] = client.got()
    assert (command, body.decode()) == ("MESSAGE", "é")
    assert got == {
        "subscription": "0", "message-id": "node.e.1", "destination": "/topic/a", "content-type": "text/css",
        "color": "red\nblue", "content-length": "2",
    }  # fmt: skip


def test_many_are_published_in_order(office):
    assert office.post(*[("/queue/a", str(n).encode()) for n in range(5)]) == ["1", "2", "3", "4", "5"]
    assert office.bodies("/queue/a") == list("01234")


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("bad-destination", ("/nothing/a", b"")),
        ("bad-pattern", ("/topic/*", b"")),
        ("bad-header", ("/topic/a", b"", {"priority": "high"})),
        ("bad-header", ("/topic/a", b"", {"message-id": "1"})),
        ("bad-header", ("/topic/a", b"", {"a": "nul \0"})),
        ("bad-header", ("/topic/a", b"", {"": "x"})),
        ("bad-header", ("/topic/a", b"", {"a\nb": "x"})),
        ("bad-header", ("/topic/a", b"", {"reply-to": "/temp-queue/mine"})),
        ("bad-header", ("/topic/a", b"", {}, "a key")),
        ("headers-too-large", ("/topic/a", b"", {"a": "x" * 9000})),
        ("headers-too-large", ("/topic/a", b"", {str(n): "" for n in range(100)})),
        ("body-too-large", ("/topic/a", b"x" * 101)),
        ("not-found", ("/exchange/none/key", b"")),
        ("queue-full", ("/queue/small", b"x")),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_and_the_others_with_it(code, wrong):
    office = Office(max_body=100)
    office.registry.declare("/queue/small", {"max_length": 1})
    office.publish("/queue/small", "full")
    refused(code, office.post, ("/queue/a", b"1"), wrong, ("/queue/a", b"2"))
    assert "/queue/a" not in office.registry.queues or office.bodies("/queue/a") == []
    refused(code, office.post, wrong)


def test_what_comes_again_with_its_key_is_published_once(office):
    again = Posting("/queue/a", b"1", {}, "k")
    assert office.post(again) == ["1"]
    assert office.post(again, Posting("/queue/a", b"2", {}, "k2")) == ["", "2"]
    assert office.post(Posting("/queue/a", b"3", {}, "k3"), Posting("/queue/a", b"3", {}, "k3")) == ["3", ""]
    assert office.bodies("/queue/a") == list("123")


def test_what_comes_again_needs_no_room():
    office = Office()
    office.registry.declare("/queue/a", {"max_length": 1})
    again = Posting("/queue/a", b"1", {}, "k")
    assert office.post(again) == ["1"]
    assert office.post(again, again) == ["", ""]


def test_while_memory_is_short_queues_take_nothing_and_topics_do():
    office = Office(memory=500)
    assert office.post(("/queue/a", b"x" * 400)) == ["1"]
    assert office.memory.full
    refused("memory-full", office.post, ("/queue/a", b"x"))
    assert office.post(("/topic/a", b"x")) == ["2"]


def test_envelopes_are_kept_within_a_bound(office):
    for number in range(1000):
        office.post(("/topic/a", b"", {"n": str(number)}))
    assert len(office.operations._envelopes) <= 256


# Reading


def test_reading_on_with_the_cursor_gives_everything_once(office):
    office.publish("/topic/a", *"123")
    office.publish("/topic/b", "x")
    assert office.read() == (["1", "2", "3"], 4, True)
    assert office.read(most=2) == (["1", "2"], 2, True)
    assert office.read(Start("node.e.2")) == (["3"], 4, True)
    assert office.read(max_bytes=1) == (["1"], 1, True)
    assert office.read(Start("node.e.4")) == ([], 4, True)
    assert office.read(Start()) == ([], 4, True)
    assert office.read(pattern="/topic/*") == (["1", "2", "3", "x"], 4, True)


def test_a_gap_is_said():
    office = Office(keep=(("/topic/#", Keep(messages=2)),))
    office.publish("/topic/a", *"12345")
    assert office.read(Start("node.e.1")) == ([], 5, False)
    assert office.read(Start("node.e.1", earliest=True)) == (["4", "5"], 5, False)
    assert office.read(Start("gone.e.9")) == ([], 5, False)


@pytest.mark.parametrize("destination", ["/queue/a", "/exchange/amq.fanout/x", "/temp-queue/a"])
def test_only_topics_are_read(office, destination):
    refused("bad-destination", office.operations.read, ANYBODY, destination, Start(), 1, 1)
    refused("bad-destination", office.operations.wait, ANYBODY, destination, 1, 1)
    assert office.operations.waiting == 0


# Waiting


def test_who_waits_is_told_once_and_gets_what_came_until_then(office):
    office.publish("/topic/a", "0")
    told = []
    waiter = office.operations.wait(ANYBODY, "/topic/*", 2, 1000)
    waiter.on_change = lambda: told.append(len(waiter.messages))
    office.pass_time()
    assert told == [] and office.operations.waiting == 1
    office.publish("/topic/a", *"123")
    office.pass_time()
    assert told == [2]
    reading = waiter.close()
    assert (bodies_of(reading), reading.cursor, reading.recovered) == (["1", "2"], "node.e.3", True)
    assert office.operations.waiting == 0 and not office.hub._audiences
    assert office.read(Start(reading.cursor)) == (["3"], 4, True)


def test_who_waited_in_vain_has_the_cursor_that_it_had(office):
    waiter = office.operations.wait(ANYBODY, "/topic/a", 2, 1000)
    office.publish("/topic/b", "x")
    office.pass_time()
    reading = waiter.close()
    assert (reading.messages, reading.cursor) == ([], "node.e.0")
    assert waiter.close() == reading and office.operations.waiting == 0


def test_what_comes_is_bounded_in_octets_too(office):
    waiter = office.operations.wait(ANYBODY, "/topic/a", 10, 4)
    office.publish("/topic/a", "123", "456", "789")
    office.pass_time()
    reading = waiter.close()
    assert (bodies_of(reading), reading.cursor) == (["123", "456"], "node.e.2")


def test_who_has_missed_something_reads_on_from_before_it(office):
    told = []
    waiter = office.operations.wait(ANYBODY, "/topic/a", 10, 1000)
    waiter.on_change = lambda: told.append(True)
    waiter.hang_up(QmqError("slow-consumer"))
    office.publish("/topic/a", "1")
    office.pass_time()
    reading = waiter.close()
    assert (told, reading.messages, reading.cursor) == ([True], [], "node.e.0")


def test_all_who_wait_share_the_frames(office):
    class Counting(Frameless):
        encoded = 0

        def encode(self, message):
            Counting.encoded += 1
            return message.body * 2

    waiters = [office.operations.wait(ANYBODY, "/topic/a", 5, 1000, Counting()) for _ in range(3)]
    office.publish("/topic/a", "1", "2")
    office.pass_time()
    assert [waiter.frames for waiter in waiters] == [[b"11", b"22"]] * 3
    assert Counting.encoded == 2


def test_what_was_published_in_this_very_pass_is_not_lost(office):
    waiter = office.operations.wait(ANYBODY, "/topic/a", 5, 1000)
    office.publish("/topic/a", "1")
    assert bodies_of(waiter.close()) == ["1"]


def test_no_more_wait_than_may():
    office = Office(max_waiting=2)
    first, _ = (office.operations.wait(ANYBODY, "/topic/a", 1, 1000) for _ in range(2))
    refused("too-many-connections", office.operations.wait, ANYBODY, "/topic/a", 1, 1)
    first.close()
    office.operations.wait(ANYBODY, "/topic/a", 1, 1000)


# Queues


def test_a_job_is_consumed_and_settled(office):
    office.publish("/queue/a", *"12")
    claim = office.operations.consume(ANYBODY, "/queue/a", 5, 1000)
    one, two = claim.close()
    assert office.operations.settle(ANYBODY, one.token, True) is None
    assert office.operations.settle(ANYBODY, two.token, False) is None
    assert office.operations.settle(ANYBODY, one.token, True).code.name == "unknown-delivery"
    assert office.bodies("/queue/a") == ["2"]


def test_tokens_are_of_no_use_to_others(office):
    office.publish("/queue/a", "1")
    ann, eve = (Access().rights(Principal(name, Kind.USER)) for name in ("ann", "eve"))
    [one] = office.operations.consume(ann, "/queue/a", 5, 1000).close()
    assert office.operations.settle(eve, one.token, True).code.name == "unknown-delivery"
    assert office.operations.settle(ann, one.token, True) is None


def test_who_consumes_a_queue_that_is_not_there_makes_it(office):
    office.operations.consume(ANYBODY, "/queue/new", 1, 1).close()
    assert "/queue/new" in office.registry.queues
    refused("bad-destination", office.operations.consume, ANYBODY, "/topic/a", 1, 1)


def test_an_exclusive_queue_is_another_s(office):
    owner = office.client()
    owner.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a", "exclusive": "true"})
    refused("in-use", office.operations.consume, ANYBODY, "/queue/a", 1, 1)


# Rights, and the desk


def test_each_operation_asks_for_its_right(office):
    operations = office.operations
    nobody = only()
    for call in (
        lambda rights: operations.publish(rights, [Posting("/topic/a", b"")]),
        lambda rights: operations.read(rights, "/topic/a", Start(), 1, 1),
        lambda rights: operations.wait(rights, "/topic/a", 1, 1000).close(),
        lambda rights: operations.consume(rights, "/queue/a", 1, 1).abandon(),
    ):
        refused("forbidden", call, nobody)
        call(only(("publish", "/topic/a"), ("subscribe", "/topic/a"), ("consume", "/queue/a")))
    assert operations.waiting == 0 and office.hub.offset == 1


def test_the_desk_is_asked_as_by_everybody(office):
    made = office.operations.manage(ANYBODY, "declare", {"destination": "/queue/a", "max-length": 3})
    assert made["properties"]["max-length"] == 3
    refused("bad-operation", office.operations.manage, ANYBODY, "nothing", {})
    client = office.client()
    assert office.operations.manage(ANYBODY, "kick", {"name": client.session.name}) == {}
    client.refused("kicked")
    without = Operations(office.registry, office.limits, office.stats)
    refused("not-found", without.manage, ANYBODY, "stats", {})
