"""Exchanges: what each kind matches, which bindings are the same, and where routes end."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.exchange import PREDECLARED, Binding, Exchange, Kind, _Rule, check_exchange_name, route
from qmq.errors import QmqError


def nothing(name):
    """A registry that must not be asked."""
    raise AssertionError(name)


def queues(exchange, key="", headers=None, find=nothing):
    return route(exchange, key, headers or {}, find).queues


def make(kind, *bindings):
    exchange = Exchange("x", kind)
    for binding in bindings:
        assert exchange.bind(*binding)
    return exchange


def chain(*names, kind=Kind.FANOUT):
    """Exchanges each of which is bound to the next one."""
    exchanges = [Exchange(name, kind) for name in names]
    for one, next_one in pairwise(exchanges):
        one.bind(next_one)
    return exchanges


class TestKinds:
    def test_direct(self):
        exchange = make(Kind.DIRECT, ("q", "a"), ("r", "a"), ("s", "b"), ("t", ""), ("u", "*"), ("v", "a.#"))
        assert queues(exchange, "a") == ["q", "r"]
        assert queues(exchange, "b") == ["s"]
        assert queues(exchange, "") == ["t"]
        assert queues(exchange, "*") == ["u"]
        assert queues(exchange, "a.b") == []

    def test_fanout(self):
        exchange = make(Kind.FANOUT, ("q", "a"), ("r", ""), ("q", "b"))
        assert queues(exchange, "z") == queues(exchange, "a") == ["q", "r"]

    def test_topic(self):
        exchange = make(Kind.TOPIC, ("q", "a.*"), ("r", "#"), ("s", "a.b"), ("t", "a"), ("q", "*.b"))
        assert sorted(queues(exchange, "a.b")) == ["q", "r", "s"]
        assert sorted(queues(exchange, "a")) == ["r", "t"]
        assert queues(exchange, "") == ["r"]

    def test_topic_takes_any_key(self):
        exchange = make(Kind.TOPIC, ("q", "a..b"), ("r", "a.*.b"), ("s", "x*"))
        assert sorted(queues(exchange, "a..b")) == ["q", "r"]
        assert (queues(exchange, "x*"), queues(exchange, "xy")) == (["s"], [])

    def test_headers_ignore_the_key(self):
        exchange = make(Kind.HEADERS, ("q", "a", {"k": "1"}), ("r", "b", {"k": "1"}), ("s", "a", {"k": "2"}))
        assert queues(exchange, "a", {"k": "1"}) == ["q", "r"]

    @pytest.mark.parametrize("kind", Kind)
    def test_without_bindings(self, kind):
        routed = route(exchange := Exchange("x", kind), "a", {"a": "1"}, nothing)
        assert (routed.queues, list(routed.exchanges)) == ([], [exchange])

    @pytest.mark.parametrize("kind", Kind)
    def test_one_copy_per_queue(self, kind):
        exchange = make(kind, ("q", "a"), ("q", "a", {"k": "1"}), ("q", "a", {"k": None}), ("q", "", {}))
        assert queues(exchange, "a", {"k": "1"}) == exchange.match("a", {"k": "1"}) == ["q"]


HEADERS = [
    # what a binding wants, headers that match, headers that do not
    ({}, [{}, {"a": "1"}], []),
    ({"a": "1"}, [{"a": "1", "b": "2"}], [{}, {"a": "2"}]),
    ({"a": "1", "b": "2"}, [{"a": "1", "b": "2", "c": "3"}], [{"a": "1"}, {"a": "1", "b": "1"}]),
    ({"x-match": "all", "a": "1", "b": "2"}, [{"a": "1", "b": "2"}], [{"b": "2"}]),
    ({"x-match": "any", "a": "1", "b": "2"}, [{"b": "2"}, {"a": "1", "b": "1"}], [{}, {"a": "2", "b": "1"}]),
    ({"x-match": "all"}, [{}, {"a": "1"}], []),
    ({"x-match": "any"}, [], [{}, {"a": "1"}, {"x-match": "any"}]),
    # names that begin with x-
    ({"x-a": "1"}, [{}], []),
    ({"x-match": "any", "x-a": "1"}, [], [{"x-a": "1"}]),
    ({"x-match": "all-with-x", "x-a": "1"}, [{"x-a": "1"}], [{}]),
    ({"x-match": "all-with-x", "x-match-b": "1"}, [{"x-match-b": "1"}], [{}]),
    ({"x-match": "any-with-x", "x-a": "1", "b": "2"}, [{"x-a": "1"}, {"b": "2"}], [{}]),
    ({"x-match": "all-with-x"}, [{}], []),
    ({"x-match": "any-with-x"}, [], [{"x-match": "any-with-x"}]),
    ({"xa": "1"}, [], [{}]),
    # no value: the header must be there
    ({"a": None}, [{"a": "1"}, {"a": None}], [{}, {"b": None}]),
    ({"x-match": "any", "a": None, "b": "1"}, [{"a": 5}], [{"b": 5}]),
    # values of different types
    ({"a": 1}, [{"a": 1}, {"a": 1.0}, {"a": "1"}], [{"a": True}, {"a": None}, {"a": "1.0"}]),
    ({"a": "1"}, [{"a": 1}, {"a": b"1"}, {"a": Decimal(1)}], [{"a": 1.0}, {"a": True}]),
    ({"a": True}, [{"a": True}, {"a": "true"}], [{"a": "True"}, {"a": 1}, {"a": "1"}, {"a": False}]),
    ({"a": "false"}, [{"a": False}], [{"a": True}, {"a": 0}, {"a": None}]),
    ({"a": 0}, [{"a": 0}], [{"a": False}, {"a": ""}]),
    ({"a": b"x"}, [{"a": b"x"}, {"a": "x"}], [{"a": "b'x'"}]),
    ({"a": ""}, [{"a": ""}, {"a": None}], [{}]),
    ({"a": "None"}, [], [{"a": None}]),
    ({"a": [1, {"b": 2}]}, [{"a": [1, {"b": 2}]}], [{"a": [1, {"b": 3}]}, {"a": [1]}]),
]


@pytest.mark.parametrize("wanted, matching, others", HEADERS)
def test_headers_table(wanted, matching, others):
    exchange = make(Kind.HEADERS, ("q", "", wanted))
    for headers in matching:
        assert queues(exchange, "", headers) == ["q"], headers
    for headers in others:
        assert queues(exchange, "", headers) == [], headers


@pytest.mark.parametrize("mode", ["", "ALL", "some", 1, None, True, b"all", ["all"], "x" * 1000])
def test_a_bad_x_match(mode):
    exchange = make(Kind.HEADERS, ("q", "", {"a": "1"}))
    with pytest.raises(QmqError) as error:
        exchange.bind("q", "", {"x-match": mode})
    assert error.value.code.name == "bad-header"
    assert len(error.value.detail) < 150
    assert (len(exchange), queues(exchange, "", {"a": "1"})) == (1, ["q"])
    assert not exchange.unbind("q", "", {"x-match": mode})


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.HEADERS])
def test_only_headers_exchanges_look_at_x_match(kind):
    assert queues(make(kind, ("q", "a", {"x-match": "some"})), "a") == ["q"]


class TestBindings:
    @pytest.mark.parametrize("kind", Kind)
    def test_twice_the_same(self, kind):
        exchange = make(kind, ("q", "a", {"l": [1, {"b": [2]}], "k": "1"}))
        assert not exchange.bind("q", "a", {"k": "1", "l": [1, {"b": [2]}]})
        assert len(exchange) == 1
        assert exchange.unbind("q", "a", {"k": "1", "l": [1, {"b": [2]}]})
        assert not exchange.unbind("q", "a", {"k": "1", "l": [1, {"b": [2]}]})
        assert len(exchange) == 0

    def test_asking_for_them(self):
        exchange = make(Kind.DIRECT, ("q", "a"), ("q", "b", {"k": 1}))
        assert exchange.is_bound("q", "a")
        assert exchange.is_bound("q", "b", {"k": 1})
        assert not exchange.is_bound("q", "b")
        assert exchange.leads_to("q")
        assert not exchange.leads_to("r")
        exchange.unbind("q", "a")
        assert exchange.leads_to("q")
        exchange.unbind("q", "b", {"k": 1})
        assert not exchange.leads_to("q")

    @pytest.mark.parametrize("kind", Kind)
    def test_one_of_several_keys(self, kind):
        exchange = make(kind, ("q", "a"), ("q", "b"), ("r", "a"))
        assert exchange.unbind("q", "a")
        assert set(queues(exchange, "a")) == ({"r"} if kind in (Kind.DIRECT, Kind.TOPIC) else {"q", "r"})
        assert "q" in queues(exchange, "b")
        assert exchange.unbind("q", "b")
        assert "q" not in queues(exchange, "b")

    @pytest.mark.parametrize("kind", Kind)
    @pytest.mark.parametrize("key", ["a", "#"])
    def test_several_arguments_with_one_key(self, kind, key):
        bindings = [("q", key, {"k": number}) for number in range(4)]
        exchange = make(kind, *bindings)
        for number, binding in enumerate(bindings):
            assert queues(exchange, key, {"k": 3}) == ["q"], number
            assert exchange.unbind(*binding)
        assert queues(exchange, key, {"k": 3}) == []

    @pytest.mark.parametrize(
        "one, other, same",
        [
            ({}, {}, True),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            ({"a": [1, 2]}, {"a": [2, 1]}, False),
            ({"a": []}, {"a": {}}, False),
            ({"a": 1}, {"a": True}, False),
            ({"a": 1}, {"a": 1.0}, False),
            ({"a": 1}, {"a": "1"}, False),
            ({"a": b"1"}, {"a": "1"}, False),
            ({"a": float("nan")}, {"a": float("nan")}, True),
            ({"a": bytearray(b"1")}, {"a": bytearray(b"1")}, True),
            ({"a": ["float", "1.0"]}, {"a": 1.0}, False),
            ({"a": None}, {}, False),
            ({"a": {"b": {"c": [None]}}}, {"a": {"b": {"c": [None]}}}, True),
        ],
    )
    def test_when_arguments_are_the_same(self, one, other, same):
        assert (Binding("q", "", one) == Binding("q", "", other)) is same
        assert make(Kind.FANOUT, ("q", "", one)).bind("q", "", other) is not same

    def test_their_order_and_arguments_can_be_read(self):
        given = {"k": [1]}
        exchange = make(Kind.TOPIC, ("q", "b", given), ("q", "a"), ("r", "#"))
        given["k"] = 2
        assert exchange.bindings == [Binding("q", "b", {"k": [1]}), Binding("q", "a"), Binding("r", "#")]
        assert dict(exchange.bindings[0].arguments) == {"k": [1]}
        with pytest.raises(TypeError):
            exchange.bindings[0].arguments["k"] = 3

    @pytest.mark.parametrize("kind", Kind)
    def test_drop(self, kind):
        exchange = make(kind, ("q", "a"), ("r", "a"), ("q", "b"), ("q", "a", {"k": 1}), ("q", "#"))
        exchange.drop("q")
        exchange.drop("nobody")
        assert exchange.bindings == [Binding("r", "a")]
        assert queues(exchange, "a", {"k": 1}) == ["r"]
        assert exchange.bind("q", "a")

    def test_what_auto_delete_needs_to_know(self):
        exchange = Exchange("x", Kind.DIRECT, auto_delete=True)
        assert (exchange.auto_delete, exchange.had_bindings, len(exchange)) == (True, False, 0)
        exchange.unbind("q")
        exchange.drop("q")
        assert not exchange.had_bindings
        exchange.bind("q")
        exchange.bind("q", "a")
        assert (exchange.had_bindings, len(exchange)) == (True, 2)
        exchange.drop("q")
        assert (exchange.had_bindings, len(exchange)) == (True, 0)

    def test_a_binding_refused_is_no_binding(self):
        exchange = Exchange("x", Kind.HEADERS)
        with pytest.raises(QmqError):
            exchange.bind("q", "", {"x-match": "some"})
        assert (exchange.had_bindings, exchange.bindings) == (False, [])

    def test_what_an_exchange_says_of_itself(self):
        exchange = Exchange("x", Kind.TOPIC, internal=True, durable=True, alternate="y")
        assert (exchange.internal, exchange.durable, exchange.alternate, exchange.auto_delete) == (
            True,
            True,
            "y",
            False,
        )
        assert repr(exchange) == "<topic exchange 'x', 0 bindings>"
        assert exchange != Exchange("x", Kind.TOPIC)


class TestRoutes:
    def test_from_exchange_to_exchange(self):
        first, second = Exchange("first", Kind.TOPIC), Exchange("second", Kind.DIRECT)
        first.bind("q", "#")
        first.bind(second, "a.*")
        second.bind("q", "a.b")
        second.bind("r", "a.b")
        routed = route(first, "a.b", {}, nothing)
        assert (routed.queues, list(routed.exchanges)) == (["q", "r"], [first, second])
        assert list(route(first, "b", {}, nothing).exchanges) == [first]

    def test_a_circle(self):
        one, two, three = chain("one", "two", "three")
        three.bind(one)
        two.bind("q")
        three.bind("r")
        for start in (one, two, three):
            routed = route(start, "", {}, nothing)
            assert (set(routed.queues), set(routed.exchanges)) == ({"q", "r"}, {one, two, three})

    @pytest.mark.parametrize("kind", Kind)
    def test_bound_to_itself(self, kind):
        exchange = make(kind, ("q", "a"))
        exchange.bind(exchange, "a")
        assert queues(exchange, "a") == ["q"]

    def test_two_ways_to_one_exchange(self):
        top, left, right, bottom = (Exchange(name, Kind.FANOUT) for name in "tlrb")
        for one, other in [(top, left), (top, right), (left, bottom), (right, bottom)]:
            one.bind(other)
        bottom.bind("q")
        routed = route(top, "", {}, nothing)
        assert (routed.queues, list(routed.exchanges)) == (["q"], [top, left, right, bottom])

    def test_a_long_chain(self):
        exchanges = chain(*map(str, range(10_000)))
        exchanges[-1].bind("q")
        routed = route(exchanges[0], "", {}, nothing)
        assert (routed.queues, list(routed.exchanges)) == (["q"], exchanges)

    def test_a_queue_may_be_any_object(self):
        marks = [object(), object()]
        assert queues(make(Kind.FANOUT, *[(mark,) for mark in marks])) == marks

    def test_unbinding_an_exchange(self):
        first, second = chain("first", "second")
        first.bind("q")
        second.bind("r")
        assert queues(first) == ["q", "r"]
        first.drop(second)
        assert queues(first) == ["q"]


class TestAlternates:
    def alternates(self, *names):
        """Exchanges, each of which has the next one as its alternate; and how they are found."""
        known = {
            name: Exchange(name, Kind.DIRECT, alternate=after)
            for name, after in zip(names, [*names[1:], ""], strict=True)
        }
        return known, known.get

    def test_only_if_nothing_matches(self):
        known, find = self.alternates("one", "two")
        known["one"].bind("q", "a")
        known["two"].bind("r", "a")
        known["two"].bind("r", "b")
        assert queues(known["one"], "a", find=find) == ["q"]
        assert queues(known["one"], "b", find=find) == ["r"]
        assert queues(known["one"], "c", find=find) == []

    def test_a_long_chain(self):
        known, find = self.alternates(*map(str, range(10_000)))
        known["9999"].bind("q", "a")
        routed = route(known["0"], "a", {}, find)
        assert (routed.queues, list(routed.exchanges)) == (["q"], list(known.values()))

    @pytest.mark.parametrize("names", ["1", "12", "123"])
    def test_a_circle(self, names):
        known, find = self.alternates(*names)
        known[names[-1]].alternate = "1"
        routed = route(known["1"], "a", {}, find)
        assert (routed.queues, list(routed.exchanges)) == ([], list(known.values()))

    def test_a_missing_one(self):
        assert queues(Exchange("x", Kind.FANOUT, alternate="y"), find={}.get) == []

    def test_the_headers_go_with_it(self):
        first = Exchange("x", Kind.TOPIC, alternate="y")
        second = make(Kind.HEADERS, ("q", "", {"k": "1"}))
        assert queues(first, "a", {"k": "1"}, {"y": second}.get) == ["q"]

    def test_an_exchange_that_leads_nowhere_is_a_match(self):
        first, second = chain("first", "second")
        first.alternate = "third"
        assert queues(first, find=nothing) == []
        second.alternate = "third"
        assert queues(first, find={"third": make(Kind.FANOUT, ("q",))}.get) == ["q"]


@pytest.mark.parametrize("name", ["a", "été", "a b", "x" * 127, "amq", "amqp.x", "AMQ.x", "é" * 127])
def test_good_names(name):
    assert check_exchange_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 128, "a\n", "\0", "\x7f", "\x85", "amq.", "amq.topic", "😀" * 64, "\ud800" * 99]
)
def test_bad_names(name):
    with pytest.raises(QmqError) as error:
        check_exchange_name(name)
    assert error.value.code.name == "bad-destination"


def test_the_predeclared():
    assert PREDECLARED == {
        "amq.direct": Kind.DIRECT,
        "amq.fanout": Kind.FANOUT,
        "amq.topic": Kind.TOPIC,
        "amq.headers": Kind.HEADERS,
        "amq.match": Kind.HEADERS,
    }


VALUES = st.sampled_from(
    ["1", "1.0", "true", "x", "", 1, 1.0, 2.5, True, False, b"x", None, Decimal("1.00"), "nan", 10**30, float(10**30)]
)
TABLES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["all", "any"]), TABLES), max_size=12), TABLES, st.data())
def test_headers_are_found_as_if_each_binding_were_looked_at(bindings, headers, data):
    exchange, all_ = Exchange("x", Kind.HEADERS), {}
    for number, (mode, wanted) in enumerate(bindings):
        exchange.bind(f"q{number}", "", {"x-match": mode, **wanted})
        all_[f"q{number}"] = {"x-match": mode, **wanted}
    for target in data.draw(st.lists(st.sampled_from(sorted(all_)), unique=True)) if all_ else ():
        exchange.unbind(target, "", all_.pop(target))
    expected = {target for target, arguments in all_.items() if _Rule(arguments).matches(headers)}
    assert set(exchange.match("", headers)) == expected


def test_headers_that_nobody_wants_cost_nothing(monkeypatch):
    exchange, looks = Exchange("x", Kind.HEADERS), []
    for number in range(5000):
        exchange.bind("q", "", {"a": str(number), "x-match": "any"})
        exchange.bind("r", "", {"a": "same", "b": str(number)})
    really = _Rule.matches
    monkeypatch.setattr(_Rule, "matches", lambda self, headers: looks.append(1) or really(self, headers))
    assert exchange.match("", {"a": "none", "b": "none"}) == []
    assert exchange.match("", {"a": "7", "c": "x"}) == ["q"]
    assert exchange.match("", {"a": "same", "b": "9"}) == ["r"]
    assert len(looks) < 10
    for number in range(5000):
        exchange.unbind("q", "", {"a": str(number), "x-match": "any"})
        exchange.unbind("r", "", {"a": "same", "b": str(number)})
    assert not exchange._table._marked
