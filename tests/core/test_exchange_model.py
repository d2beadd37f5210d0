"""Random graphs of exchanges, and a reference that knows nothing of tables, trees or order."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.exchange import Exchange, Kind, route

NUMBERS = st.integers(0, 4)
WORDS = st.lists(st.sampled_from(["a", "b", "*", "#", ""]), max_size=3).map(".".join)
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b", "x-c"]), st.sampled_from(["1", 1, None, True]), max_size=2)
MODES = st.sampled_from([{}, {"x-match": "any"}, {"x-match": "all-with-x"}, {"x-match": "any-with-x"}])
TARGETS = st.one_of(NUMBERS, st.sampled_from(["q", "r", "s"]))
BINDINGS = st.tuples(NUMBERS, TARGETS, WORDS, st.builds(lambda one, other: one | other, ARGUMENTS, MODES))
EXCHANGES = st.lists(
    st.tuples(st.sampled_from(Kind), st.sampled_from(["", "0", "2", "4", "gone"])), min_size=5, max_size=5
)
TAKEN_OUT = st.lists(st.one_of(st.integers(0, 20), TARGETS.map(str)), max_size=3)


def topic_matches(pattern, key):
    """The meaning of a topic exchange's pattern, on lists of words."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(topic_matches(pattern[1:], key[skipped:]) for skipped in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and topic_matches(pattern[1:], key[1:])


def headers_match(wanted, headers):
    mode = wanted.get("x-match", "all")
    hits = [
        name in headers and (value is None or str(value).lower() == str(headers[name]).lower())
        for name, value in wanted.items()
        if name != "x-match" and ("with-x" in mode or not name.startswith("x-"))
    ]
    return any(hits) if "any" in mode else all(hits)


def binding_matches(kind, wanted_key, wanted, key, headers):
    def split(text):
        return text.split(".") if text else []

    return {
        Kind.DIRECT: wanted_key == key,
        Kind.FANOUT: True,
        Kind.TOPIC: topic_matches(split(wanted_key), split(key)),
        Kind.HEADERS: headers_match(wanted, headers),
    }[kind]


def reach(nodes, bindings, start, key, headers):
    """Everything that a message reaches: looks at all bindings again and again until nothing is added."""
    reached, before = {start}, set()
    while reached != before:
        before = set(reached)
        for number in before - {"q", "r", "s"}:
            kind, alternate = nodes[number]
            hits = {
                target
                for source, target, *wanted in bindings
                if source == number and binding_matches(kind, *wanted, key, headers)
            }
            reached |= hits or ({int(alternate)} if alternate.isdigit() else set())
    return reached


@given(EXCHANGES, st.lists(BINDINGS, max_size=20), TAKEN_OUT, WORDS, ARGUMENTS)
def test_routes_are_those_found_the_slow_way(nodes, bindings, taken_out, key, headers):
    exchanges = [Exchange(str(number), kind, alternate=alternate) for number, (kind, alternate) in enumerate(nodes)]
    places = {str(number): exchange for number, exchange in enumerate(exchanges)}

    def target_of(target):
        return places.get(str(target), target)

    for source, target, *wanted in bindings:
        exchanges[source].bind(target_of(target), *wanted)
    for each in taken_out:
        if isinstance(each, str):
            for exchange in exchanges:
                exchange.drop(target_of(each))
            bindings = [binding for binding in bindings if str(binding[1]) != each]
        elif each < len(bindings):
            source, target, *wanted = gone = bindings[each]
            assert exchanges[source].unbind(target_of(target), *wanted)
            bindings = [binding for binding in bindings if repr(normal(binding)) != repr(normal(gone))]
    for start, exchange in enumerate(exchanges):
        routed = route(exchange, key, headers, places.get)
        reached = reach(nodes, bindings, start, key, headers)
        assert len(routed.queues) == len(set(routed.queues))
        assert set(routed.queues) | {int(each.name) for each in routed.exchanges} == reached
        assert next(iter(routed.exchanges)) is exchange


def normal(binding):
    source, target, key, wanted = binding
    return source, target, key, sorted(wanted.items(), key=repr)
