"""Who may do what where."""

import pytest

from qmq.core.exchange import Exchange
from qmq.core.exchange import Kind as Matching
from qmq.errors import QmqError
from qmq.session.access import EVERYTHING, Access, Action, Rule
from qmq.session.auth import ANONYMOUS, Kind, Principal
from tests.session.talk import heard, refusal, send, subscribe
from tests.worlds import World

ALICE = Principal("alice", Kind.USER)
EDITOR = Principal("ed", Kind.TOKEN, {"role": "editor", "groups": ["a", "b"], "level": 1})
MACHINE = Principal("svc-jobs", Kind.CERTIFICATE)


def rule(allow, *on, **more):
    return Rule(frozenset(Action(name) for name in allow.split()), on, **more)


ACCESS = Access(
    [
        rule("subscribe", "/topic/news.#"),
        rule("publish subscribe", "/topic/user.{name}.#"),
        rule("publish", "/topic/news.#", claims={"role": "editor"}),
        rule("publish", "/queue/b.*", claims={"groups": "b"}),
        rule("manage", "/manage/#", claims={"level": 1}),
        rule("publish consume manage", "/queue/jobs.#", who=("svc-*", "root")),
        rule("consume", "/queue/cert", kinds=frozenset({Kind.CERTIFICATE})),
        rule("subscribe", "/topic/public", kinds=frozenset({Kind.ANONYMOUS})),
        rule("publish subscribe", "/exchange/logs/a.#", who=("alice",)),
        rule("publish", "/topic/#", who=("root",)),
        rule("publish", "/topic/q", who=("q[a]?",)),
    ],
    guarded=True,
)

DECISIONS = [
    (ALICE, "subscribe", "/topic/news.eu", True),
    (ALICE, "subscribe", "/topic/news.#", True),
    (ALICE, "subscribe", "/topic/#", False),
    (ALICE, "subscribe", "/topic/*.eu", False),
    (ALICE, "publish", "/topic/news.eu", False),
    (ALICE, "publish", "/topic/user.alice.x", True),
    (ALICE, "publish", "/topic/user.bob.x", False),
    (ALICE, "subscribe", "/topic/user.*.x", False),
    (ALICE, "subscribe", "/topic/public", False),
    (ALICE, "consume", "/queue/jobs.1", False),
    (ALICE, "manage", "/manage/stats", False),
    (ALICE, "publish", "/exchange/logs/a.b", True),
    (ALICE, "publish", "/exchange/logs", False),
    (ALICE, "publish", "/temp-queue/x.1", True),
    (EDITOR, "publish", "/topic/news.eu", True),
    (EDITOR, "publish", "/queue/b.1", True),
    (EDITOR, "publish", "/queue/c.1", False),
    (EDITOR, "manage", "/manage/stats", True),
    (MACHINE, "consume", "/queue/jobs.1", True),
    (MACHINE, "manage", "/queue/jobs.1", True),
    (MACHINE, "consume", "/queue/cert", True),
    (Principal("svc-jobs", Kind.USER), "consume", "/queue/cert", False),
    (ANONYMOUS, "subscribe", "/topic/public", True),
    (ANONYMOUS, "subscribe", "/topic/news.eu", False),
    (Principal("a.b", Kind.USER), "publish", "/topic/user.a.b.x", False),
    (Principal("*", Kind.USER), "publish", "/topic/user.x.x", False),
    (Principal("rootx", Kind.USER), "publish", "/topic/x", False),
    (Principal("q[a]?", Kind.USER), "publish", "/topic/q", True),
    (Principal("qax", Kind.USER), "publish", "/topic/q", False),
    (Principal("root", Kind.USER), "publish", "/topic/system", False),
    (Principal("root", Kind.USER), "publish", "/topic/system.peers", False),
    (Principal("root", Kind.USER), "publish", "/topic/systems", True),
    (Principal("t", Kind.TOKEN, rights={"consume": ("/queue/own.#",)}), "consume", "/queue/own.1", True),
    (Principal("t", Kind.TOKEN, rights={"consume": ("/queue/own.#",)}), "publish", "/queue/own.1", False),
]


@pytest.mark.parametrize(("principal", "action", "destination", "allowed"), DECISIONS)
def test_a_table_of_decisions(principal, action, destination, allowed):
    rights = ACCESS.rights(principal)
    for _ in range(2):  # it is remembered
        assert rights.allows(action, destination) is allowed
    if not allowed:
        with pytest.raises(QmqError, match="forbidden"):
            rights.check(action, destination)


def test_what_is_remembered_is_bounded():
    rights = ACCESS.rights(ALICE)
    for number in range(1000):
        rights.allows("subscribe", f"/topic/news.{number}")
    assert len(rights._decided) <= 256


def test_without_rules_or_users_everything_is_allowed_but_to_publish_as_the_server():
    rights = Access().rights(ANONYMOUS)
    assert rights is EVERYTHING
    for action in Action:
        assert rights.allows(action, "/queue/a")
    assert rights.allows("subscribe", "/topic/system.#")
    assert not rights.allows("publish", "/topic/system.peers")


def test_guarded_without_rules_nothing_is_allowed():
    rights = Access(guarded=True).rights(ALICE)
    assert not any(rights.allows(action, "/queue/a") for action in Action)


@pytest.mark.parametrize(
    ("kind", "key", "allowed"),
    [
        (Matching.DIRECT, "a.b", True),
        (Matching.TOPIC, "a.#", True),
        (Matching.DIRECT, "b", False),
        (Matching.FANOUT, "a.b", False),
        (Matching.HEADERS, "a.b", False),
    ],
)
def test_exchanges_that_look_at_no_key_are_not_opened_by_one(kind, key, allowed):
    rights = ACCESS.rights(ALICE)
    if allowed:
        rights.check_source(Exchange("logs", kind), key)
    else:
        with pytest.raises(QmqError, match="forbidden"):
            rights.check_source(Exchange("logs", kind), key)


def test_rights_show_no_more_than_whose_they_are():
    assert repr(ACCESS.rights(EDITOR)) == "<rights of token 'ed'>"
    assert repr(EVERYTHING) == "<rights of anonymous: everything>"


# As a STOMP client meets it


@pytest.fixture
def world():
    return World(desk=True)


@pytest.fixture
def client(world):
    def client(*rules):
        client = world.client()
        client.session.rights = Access(rules, guarded=True).rights(ALICE)
        return client

    return client


def test_publishing(world, client):
    listener = world.client()
    subscribe(listener, "/topic/news")
    alice = client(rule("publish", "/topic/news"))
    for _ in range(3):
        send(alice, "/topic/news")
    assert len(heard(listener)) == 3
    send(alice, "/topic/other")
    assert refusal(alice, "forbidden") == "user 'alice' may not publish /topic/other"
    assert not world.client().got()


@pytest.mark.parametrize("way", ["plain", "transaction", "reply-to", "key", "receipt"])
@pytest.mark.parametrize("destination", ["/topic/no", "/queue/no", "/exchange/amq.topic/no", "/exchange/amq.direct/no"])
def test_publishing_what_is_forbidden_in_every_way(world, client, way, destination):
    alice = client(rule("publish", "/topic/yes"))
    if way == "transaction":
        alice.frame("BEGIN", {"transaction": "t"})
    more = {"transaction": {"transaction": "t"}, "reply-to": {"reply-to": "/temp-queue/r"}}.get(way, {})
    more |= {"key": {"idempotency-key": "k"}, "receipt": {"receipt": "r"}}.get(way, {})
    alice.frame("SEND", {"destination": destination, **more}, b"x")
    assert "may not publish" in refusal(alice, "forbidden")
    assert "/queue/no" not in world.registry.queues


SUBSCRIPTIONS = [
    ("/topic/no", {}, "subscribe"),
    ("/topic/#", {}, "subscribe"),
    ("/topic/#", {"ack": "client"}, "subscribe"),
    ("/exchange/amq.topic/#", {}, "subscribe"),
    ("/exchange/amq.fanout/a", {}, "subscribe"),
    ("/queue/no", {}, "consume"),
    ("/topic/yes", {"x-queue-name": "q"}, "consume"),
    ("/topic/yes", {"x-queue-name": "mine"}, "manage"),
    ("/queue/mine", {"dead-letter": "/topic/no"}, "publish"),
    ("/queue/mine", {"dead-letter": "/exchange/amq.direct"}, "publish"),
    ("/temp-queue/mine", {"dead-letter": "/exchange/amq.topic"}, "publish"),
]


@pytest.mark.parametrize(("destination", "headers", "action"), SUBSCRIPTIONS)
def test_subscribing_to_what_is_forbidden(world, client, destination, headers, action):
    alice = client(
        rule("subscribe", "/topic/yes"),
        rule("subscribe", "/exchange/amq.fanout/a"),
        rule("consume", "/queue/mine"),
        rule("publish", "/exchange/amq.direct/a"),
    )
    alice.frame("SUBSCRIBE", {"id": "1", "destination": destination, **headers})
    assert f"may not {action}" in refusal(alice, "forbidden")
    assert not world.registry.queues
    assert not any(exchange.bindings for exchange in world.registry.exchanges.values())


def test_own_temporary_queues_need_no_rule(world, client):
    alice, worker = client(rule("publish", "/queue/jobs")), client(rule("consume", "/queue/jobs"))
    worker.frame("SUBSCRIBE", {"id": "1", "destination": "/queue/jobs"})
    send(alice, "/queue/jobs", reply_to="/temp-queue/r")
    ((_, headers, _),) = worker.got()
    send(worker, headers["reply-to"], "answer")
    assert alice.messages() == ["answer"]


def test_the_desk_answers_only_where_the_client_may_publish(world, client):
    alice = client(rule("manage", "/manage/#"))
    send(alice, "/manage/list", "", reply_to="/queue/no")
    assert "may not publish /queue/no" in refusal(alice, "forbidden")


@pytest.mark.parametrize("exchange", ["amq.topic", "mine"])
def test_nobody_publishes_as_the_server(world, exchange):
    world.registry.declare_exchange("mine")
    world.registry.bind("mine", "/exchange/amq.topic", "system.peers")
    listener, client = world.client(), world.client()
    subscribe(listener, "/topic/system.#")
    send(client, f"/exchange/{exchange}/system.peers")
    refusal(client, "forbidden")
    assert heard(listener) == []


def test_dead_letters_do_not_go_to_the_servers_topics(world):
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "1", "destination": "/queue/q", "dead-letter": "/topic/system.peers"})
    refusal(client, "forbidden")
