"""Dead letters: what they carry, where they go, which are let go, and that they do not run wild."""

import pytest

from qmq.core.exchange import Kind
from qmq.core.letters import letter_of
from qmq.core.message import Death, Envelope, Message, Origin
from qmq.core.options import Full
from qmq.errors import QmqError
from tests.core.workers import DEAD, QUEUE, Shop, Worker
from tests.worlds import World


def message(destination="/queue/a", headers=None, **more):
    return Message(Envelope(destination, headers or {}, **more), b"body", True, Origin("n", "e"), 1)


def history(letter):
    return [(death.queue, death.reason, death.destination, death.count) for death in letter.deaths]


def died(deaths, queue, reason, target="/queue/b"):
    """The letter after one more death; None if it is let go."""
    envelope = Envelope("/queue/a", {}, deaths=deaths)
    return letter_of(Message(envelope, b"", True, Origin("n", "e"), 1), queue, target, reason)


class TestWhatTheyCarry:
    def test_why_and_where(self):
        letter = letter_of(message("/exchange/x/k", {"own": "1"}, priority=3), "/queue/a", DEAD, "expired")
        assert letter.destination == DEAD
        assert letter.headers == {
            "own": "1",
            "x-first-death-queue": "/queue/a",
            "x-first-death-reason": "expired",
            "x-last-death-queue": "/queue/a",
            "x-last-death-reason": "expired",
            "x-death-count": "1",
            "x-original-destination": "/exchange/x/k",
        }
        assert (letter.priority, letter.ttl) == (3, None)
        assert history(letter) == [("/queue/a", "expired", "/exchange/x/k", 1)]

    def test_its_time_is_over_and_does_not_count_again(self):
        letter = letter_of(message(headers={"expiration": "5"}, ttl=5), "/queue/a", DEAD, "expired")
        assert (letter.ttl, "expiration" in letter.headers) == (None, False)

    def test_the_first_stays_and_the_last_changes(self):
        letter = letter_of(message("/queue/a"), "/queue/a", "/queue/b", "rejected")
        letter = letter_of(message("/queue/b", letter.headers, deaths=letter.deaths), "/queue/b", "/queue/a", "expired")
        letter = letter_of(
            message("/queue/a", letter.headers, deaths=letter.deaths), "/queue/a", "/queue/b", "rejected"
        )
        assert letter.headers == {
            "x-first-death-queue": "/queue/a",
            "x-first-death-reason": "rejected",
            "x-last-death-queue": "/queue/a",
            "x-last-death-reason": "rejected",
            "x-death-count": "3",
            "x-original-destination": "/queue/a",
        }
        assert history(letter) == [("/queue/b", "expired", "/queue/b", 1), ("/queue/a", "rejected", "/queue/a", 2)]

    def test_the_first_is_the_first_even_if_it_happens_again(self):
        """The history is sorted by the last time, so that its first entry need not be the first death."""
        letter = letter_of(message("/topic/t"), "/queue/a", "/queue/b", "rejected")
        for queue, target, reason in [("/queue/b", "/queue/a", "expired"), ("/queue/a", "/queue/b", "rejected")]:
            letter = letter_of(message(queue, letter.headers, deaths=letter.deaths), queue, target, reason)
        assert letter.headers["x-first-death-queue"] == "/queue/a"
        assert letter.headers["x-original-destination"] == "/topic/t"

    def test_a_publisher_cannot_invent_a_history(self):
        forged = {"x-first-death-queue": "/queue/z", "x-death-count": "9", "x-original-destination": "/queue/z"}
        letter = letter_of(message(headers=forged), "/queue/a", DEAD, "expired")
        assert letter.headers["x-first-death-queue"] == letter.headers["x-original-destination"] == "/queue/a"
        assert letter.headers["x-death-count"] == "1"


class TestWhereTheyGo:
    @pytest.mark.parametrize(
        "target, destination, address",
        [
            ("/queue/dead", "/queue/a", "/queue/dead"),
            ("/topic/dead.x", "/queue/a", "/topic/dead.x"),
            ("/exchange/x/k", "/queue/a", "/exchange/x/k"),
            ("/exchange/x", "/queue/a.b", "/exchange/x/a.b"),
            ("/exchange/x", "/topic/t.u", "/exchange/x/t.u"),
            ("/exchange/x", "/exchange/y/k/l", "/exchange/x/k/l"),
            ("/exchange/x/", "/exchange/y/k", "/exchange/x/k"),
            ("/exchange/x", "/exchange/y", "/exchange/x/"),
        ],
    )
    def test_addresses(self, target, destination, address):
        assert letter_of(message(destination), "/queue/q", target, "expired").destination == address

    def test_to_a_topic(self):
        world = World()
        world.registry.bind("amq.topic", DEAD, "dead.#")
        world.registry.declare(QUEUE, {"dead_letter": "/topic/dead.a", "message_ttl": 1000})
        world.publish(QUEUE, "x")
        world.pass_time(1)
        world.pass_time()
        assert world.bodies(DEAD) == ["x"]

    def test_to_the_exchange_of_topics_with_its_own_key(self):
        world = World()
        world.registry.bind("amq.topic", DEAD, "jobs.#")
        world.registry.bind("amq.topic", QUEUE, "jobs.*")
        world.registry.declare("/queue/b", {"dead_letter": "/exchange/amq.topic", "message_ttl": 1000})
        world.publish("/queue/b", "x")
        world.registry.declare("/queue/jobs.b", {"dead_letter": "/exchange/amq.topic", "message_ttl": 1000})
        world.publish("/queue/jobs.b", "y")
        world.pass_time(1)
        world.pass_time()
        assert (world.bodies(DEAD), world.bodies(QUEUE)) == (["y"], ["y"])
        assert world.stats["dead_letters"] == 2

    def test_through_an_internal_exchange(self):
        world = World()
        world.registry.declare_exchange("dlx", Kind.FANOUT, internal=True)
        world.registry.bind("dlx", DEAD)
        world.registry.declare(QUEUE, {"dead_letter": "/exchange/dlx", "message_ttl": 1000})
        world.publish(QUEUE, "x")
        world.pass_time(1)
        world.pass_time()
        assert world.bodies(DEAD) == ["x"]
        with pytest.raises(QmqError, match="clients may not publish"):
            world.publish("/exchange/dlx/", "y")

    @pytest.mark.parametrize("target", ["nowhere", "/queue/", "/queue/a.*", "/topic/#", "/exchange/", "/queue/a b"])
    def test_not_to_what_is_no_destination(self, target):
        with pytest.raises(QmqError):
            World().registry.declare(QUEUE, {"dead_letter": target})

    @pytest.mark.parametrize("target", ["/exchange/none/k", "/queue/full", "/temp-queue/gone"])
    def test_what_cannot_be_delivered_is_counted(self, target):
        shop = Shop("a", dead_letter=target)
        full = shop.registry.declare("/queue/full", {"max_length": 1})
        shop.publish(full.name, "x")
        Worker(shop.queue).nack("a", requeue=False)
        shop.pass_time()
        lost = "messages_unroutable" if target.startswith("/temp-queue") else "dead_letters_lost"
        assert shop.stats[lost] == 1


class TestCircles:
    def test_from_a_queue_to_itself(self):
        for reason in ("expired", "maxlen"):
            assert died((), "/queue/a", reason, "/queue/a") is None
        assert died((), "/queue/a", "rejected", "/queue/a") is not None

    def test_over_several_queues(self):
        deaths = (Death("/queue/a", "expired", "/queue/a"), Death("/queue/b", "maxlen", "/queue/b"))
        assert died(deaths, "/queue/a", "expired") is None
        assert died(deaths, "/queue/b", "delivery_limit") is None
        assert died(deaths, "/queue/c", "expired") is not None

    def test_a_consumer_that_refuses_makes_it_a_way(self):
        deaths = (Death("/queue/a", "rejected", "/queue/a"), Death("/queue/b", "expired", "/queue/b"))
        assert died(deaths, "/queue/a", "rejected") is not None
        assert died(deaths, "/queue/a", "expired") is not None

    def test_a_refusal_long_ago_does_not(self):
        """Else two full queues would send each other their messages for ever, because somebody refused them once."""
        deaths = (Death("/queue/z", "rejected", "/queue/z"), Death("/queue/a", "maxlen", "/queue/a"))
        assert died(deaths, "/queue/a", "maxlen") is None
        assert died((Death("/queue/b", "expired", ""), *deaths), "/queue/b", "expired", DEAD) is not None

    def test_retrying_after_a_while(self):
        world = World()
        world.registry.declare(QUEUE, {"dead_letter": "/queue/later"})
        world.registry.declare("/queue/later", {"dead_letter": QUEUE, "message_ttl": 1000})
        world.publish(QUEUE, "x")
        worker = Worker(world.registry.queues[QUEUE])
        for _ in range(5):
            worker.nack("x", requeue=False)
            world.pass_time()
            world.pass_time(1)
            world.pass_time()
        assert worker.take() == ["x"] * 6
        [entry] = worker.consumer.unsettled.values()
        assert entry.message.envelope.headers["x-death-count"] == "10"
        assert world.stats["dead_letters_in_circles"] == 0

    def test_waiting_in_a_circle_ends(self):
        world = World()
        world.registry.declare(QUEUE, {"dead_letter": "/queue/b", "message_ttl": 1000})
        world.registry.declare("/queue/b", {"dead_letter": QUEUE, "message_ttl": 1000})
        world.publish(QUEUE, "x")
        for _ in range(10):
            world.pass_time(1)
        assert (world.stats["dead_letters_in_circles"], world.memory.used) == (1, 0)


class TestPasses:
    def test_they_are_published_in_the_next_pass(self):
        shop = Shop("a", dead_letter=DEAD)
        Worker(shop.queue).nack("a", requeue=False)
        assert (shop.dead, len(shop.registry._letters), len(shop.timers)) == ([], 1, 2)
        shop.pass_time()
        assert (shop.dead, len(shop.registry._letters)) == (["a rejected"], 0)
        assert shop.stats["dead_letters"] == 1

    def test_many_take_several_passes(self):
        shop = Shop(*["x"] * 2500, dead_letter=DEAD)
        worker = Worker(shop.queue, 2500)
        for tag in range(1, 2501):
            worker.consumer.nack(tag, requeue=False)
        found = []
        for _ in range(4):
            shop.pass_time()
            found.append(len(shop.registry.queues[DEAD]))
        assert found == [1000, 2000, 2500, 2500]

    def test_queues_that_displace_each_others_messages_come_to_rest(self):
        """Each letter that made another one used to ask for two passes instead of one."""
        world = World()
        one = {"max_length": 1, "overflow": Full.DROP_HEAD}
        world.registry.declare(QUEUE, {"dead_letter": "/queue/b", **one})
        world.registry.declare("/queue/b", {"dead_letter": QUEUE, **one})
        first = world.registry.declare("/queue/refused", {"dead_letter": QUEUE})
        world.publish("/queue/refused", *"abcdef")
        worker = Worker(first)
        worker.nack(*"abcdef", requeue=False)
        for _ in range(50):
            world.pass_time()
            assert len(world.timers) <= 2
        assert len(world.registry._letters) == 0
        assert world.stats["dead_letters_in_circles"] == 4
        assert (len(world.bodies(QUEUE)), len(world.bodies("/queue/b"))) == (1, 1)

    def test_of_a_queue_that_is_gone_meanwhile(self):
        shop = Shop("a", dead_letter=DEAD)
        Worker(shop.queue).nack("a", requeue=False)
        shop.registry.delete(QUEUE)
        shop.pass_time()
        assert shop.dead == ["a rejected"]


class TestRequestsThatNoConsumerTakes:
    def ask(self, world, client, **headers):
        """A request of a client with a second to live."""
        more = {"reply-to": "/temp-queue/r", "correlation-id": "7", "expiration": "1000", **headers}
        client.frame("SEND", {"destination": "/queue/asked", **more}, b"x")

    def test_its_client_is_told(self):
        world = World()
        client = world.client()
        self.ask(world, client)
        world.pass_time(0.5)
        assert client.got() == []
        world.pass_time(0.6)
        world.pass_time()
        [(command, headers, body)] = client.got()
        assert (command, headers["code"], headers["correlation-id"], body) == ("MESSAGE", "no-consumer", "7", b"")
        assert headers["request-destination"] == "/queue/asked"
        assert world.stats["requests_declined"] == 1

    def test_one_that_was_delivered_is_its_consumers_affair(self):
        world = World()
        client, worker = world.client(), world.client()
        worker.frame("SUBSCRIBE", {"destination": "/queue/asked", "id": "w", "ack": "client-individual"})
        self.ask(world, client)
        [(_, headers, _)] = worker.got()
        worker.frame("NACK", {"id": headers["ack"]})
        worker.frame("UNSUBSCRIBE", {"id": "w"})
        world.pass_time(2)
        world.pass_time()
        assert client.got() == []

    def test_one_that_becomes_a_dead_letter_is_not_over(self):
        world = World()
        client = world.client()
        client.frame("SUBSCRIBE", {"destination": "/queue/asked", "id": "q", "dead-letter": "/queue/dead"})
        client.frame("UNSUBSCRIBE", {"id": "q"})
        self.ask(world, client)
        world.pass_time(2)
        world.pass_time()
        assert client.got() == []
        assert world.bodies("/queue/dead") == ["x"]

    def test_only_an_address_of_the_requester_is_told(self):
        world = World()
        client, other = world.client(), world.client()
        other.frame("SUBSCRIBE", {"destination": "/queue/other", "id": "o"})
        self.ask(world, client, **{"reply-to": "/queue/other"})
        world.pass_time(2)
        world.pass_time()
        assert other.got() == []
