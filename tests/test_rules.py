"""What the configuration says about queues, exchanges and bindings: checked, tried out, and heeded."""

import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from qmq.cli import cli
from qmq.config import load, make
from qmq.core.exchange import Kind
from qmq.core.options import FIELDS, Full
from qmq.core.store import Keep
from qmq.errors import ConfigError
from qmq.rules import history_rules, rules_of
from tests.worlds import World

# A value of each kind, as text and as it is meant.
VALUES = {int: ("17", 17), bool: ("true", True), str: ("/queue/b", "/queue/b"), Full: ("drop-head", Full.DROP_HEAD)}


def world_of(values):
    return World(rules=rules_of(make(values)))


def wrong(section, *tables, **more):
    """What is said about the tables of one section, once it is certain that it is one line that names the section."""
    with pytest.raises(ConfigError) as error:
        config = make({section: tables, **more})
        (history_rules if section == "topics" else rules_of)(config)
    text = str(error.value)
    assert "\n" not in text
    number = re.match(rf"\[\[{section}\]\] number ([0-9]+): (.+)", text)
    assert number, text
    return int(number[1]), number[2]


def test_nothing_is_said_by_default():
    rules = rules_of(make({}))
    assert (rules.queues, rules.exchanges, rules.bindings, rules.auto_create) == ([], [], [], True)


def test_limits_are_passed_on():
    limits = {"limits.queues": 2, "limits.exchanges": 7, "limits.bindings": 3}
    rules = rules_of(make({**limits, "auto_create": False}))
    assert (rules.max_queues, rules.max_exchanges, rules.max_bindings, rules.auto_create) == (2, 7, 3, False)


def test_topics_keep_what_is_said_about_their_names_and_else_a_little():
    tables = ({"match": "/topic/a.*", "history_seconds": 7}, {"match": "/topic/#", "history_messages": 0})
    assert history_rules(make({"topics": tables})) == [
        ("/topic/a.*", Keep(1000, 1 << 20, 7)), ("/topic/#", Keep(0, 1 << 20, 300.0)), ("/topic/#", Keep())
    ]  # fmt: skip
    assert history_rules(make({})) == [("/topic/#", Keep())]


def test_queues_get_what_is_said_about_their_names():
    tables = [{"match": "/queue/jobs.#", "max_length": 5, "durable": True}, {"match": "/queue/*.now", "max_length": 7}]
    registry = world_of({"queues": tables}).registry
    options = registry.declare("/queue/jobs.now").options
    assert (options.max_length, options.durable) == (7, True)
    assert registry.declare("/queue/jobs").options.max_length == 5
    assert registry.declare("/queue/other").options.max_length == FIELDS["max_length"].default


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "exclusive"])
def test_every_property_is_a_key_and_a_value_may_be_text(name):
    text, value = VALUES[type(FIELDS[name].default)]
    for written in (text, value):
        [(match, properties)] = rules_of(make({"queues": [{"match": "/queue/a", name: written}]})).queues
        assert (match, properties) == ("/queue/a", {name: value})
    assert isinstance(properties[name], Full) is (name == "overflow")


def test_exchanges_and_bindings_are_there_from_the_start():
    exchanges = [
        {"name": "orders", "kind": "topic", "alternate": "amq.fanout"},
        {"name": "inner", "kind": "fanout", "internal": True, "auto_delete": False},
        {"name": "plain"},
    ]
    bindings = [
        {"source": "orders", "destination": "/queue/invoices", "key": "order.*.paid"},
        {"source": "/exchange/orders", "destination": "/exchange/inner", "key": "#"},
        {
            "source": "amq.headers",
            "destination": "/queue/red",
            "arguments": {"x-match": "any", "colour": "red", "n": 1},
        },
        {"source": "amq.topic", "destination": "/queue/all", "key": "#"},
    ]
    world = world_of({"exchanges": exchanges, "bindings": bindings})
    found = world.registry.exchanges
    assert (found["orders"].kind, found["orders"].alternate) == (Kind.TOPIC, "amq.fanout")
    assert (found["inner"].internal, found["plain"].kind) == (True, Kind.DIRECT)
    world.publish("/exchange/orders/order.1.paid", "1")
    world.publish("/exchange/amq.headers", "2", headers={"colour": "red"})
    world.publish("/topic/x", "3")
    assert [world.bodies(f"/queue/{name}") for name in ("invoices", "red", "all")] == [["1"], ["2"], ["3"]]


def test_a_bound_queue_has_the_properties_of_its_name():
    bindings = [{"source": "amq.fanout", "destination": "/queue/a"}]
    world = world_of({"queues": [{"match": "/queue/#", "max_length": 3}], "bindings": bindings, "auto_create": False})
    assert world.registry.queues["/queue/a"].options.max_length == 3


def example_of(document, tables, tmp_path):
    """The configuration that a guide shows, put together."""
    text = (Path(__file__).parents[1] / "docs" / document).read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == tables
    file = tmp_path / "qmq.toml"
    file.write_text("\n".join(examples), "utf-8")
    return load({}, str(file), {})


def test_the_examples_of_the_documentation_are_right(tmp_path):
    rules = rules_of(example_of("queues.md", 2, tmp_path))
    assert len(rules.queues) == len(rules.exchanges) == len(rules.bindings) == 1
    assert history_rules(example_of("history.md", 1, tmp_path))[0] == ("/topic/prices.#", Keep(100, 65536, 60.0))


@pytest.mark.parametrize(
    "name", ["/exchange/amq.topic", "/exchange/amq.topic/a", "/exchange/e", "/topic/a", "/queue/b", ""]
)
def test_dead_letters_may_go_anywhere(name):
    assert rules_of(make({"queues": [{"match": "/queue/a", "dead_letter": name}]})).queues[0][1] == {
        "dead_letter": name
    }


Q, LONG = {"match": "/queue/a"}, "/queue/" + "x" * 249
QUEUES = {
    "no match": ({}, "match is missing"),
    "match of a number": ({"match": 1}, "match must be a string, not 1"),
    **{
        f"match of {match!r}": ({"match": match}, f"match must be a pattern such as /queue/jobs.#, not {match!r}")
        for match in ("", "jobs", "/topic/a", "/queue/", "/queue/a..b", "/queue/a*", "/queue/a b", LONG)
    },
    "unknown key": ({**Q, "colour": 1}, "there is no key 'colour'"),
    "key as in headers": ({**Q, "max-length": 1}, "there is no key 'max-length'"),
    "exclusive": ({**Q, "exclusive": True}, "exclusive is for clients: the configuration owns nothing"),
    **{
        f"max_length of {value!r}": (
            {**Q, "max_length": value}, f"max_length must be a whole number of at least 1, not {str(value)!r}"
        )
        for value in (0, -1, 1.5, True, "x", "", "²", [], {}, 10**15)
    },
    "max_priority": ({**Q, "max_priority": 256}, "max_priority is at most 255, not 256"),
    "overflow": ({**Q, "overflow": "x"}, "overflow must be one of reject-publish, drop-head, not 'x'"),
    "durable": ({**Q, "durable": 2}, "durable must be true or false, not '2'"),
    "dead_letter of a number": ({**Q, "dead_letter": 1}, "dead_letter must be a destination, not '1'"),
    "dead_letter elsewhere": ({**Q, "dead_letter": "/nowhere"}, "dead_letter: '/nowhere' is none of /topic/ /queue/"),
    "dead_letter of a pattern": ({**Q, "dead_letter": "/topic/*"}, "dead_letter: wildcards are for subscriptions"),
}  # fmt: skip
E = {"name": "e"}
EXCHANGES = {
    "no name": ({}, "name is missing"),
    "name of a number": ({"name": 1}, "name must be a string, not 1"),
    "empty name": ({"name": ""}, "name: an exchange's name has 1 to 127 characters"),
    "long name": ({"name": "x" * 128}, "an exchange's name has 1 to 127 characters"),
    "line end": ({"name": "a\nb"}, "name: 'a\\nb' has control characters"),
    "the server's": ({"name": "amq.mine"}, "'amq.mine': names that begin with amq. are the server's"),
    "kind": ({**E, "kind": "x"}, "kind must be one of direct, fanout, topic, headers, not 'x'"),
    "kind of a number": ({**E, "kind": 1}, "kind must be a string, not 1"),
    "alternate": ({**E, "alternate": 1}, "alternate must be a string, not 1"),
    "internal": ({**E, "internal": 1}, "internal must be a boolean, not 1"),
    "auto_delete": ({**E, "auto_delete": "true"}, "auto_delete must be a boolean, not 'true'"),
    "durable": ({**E, "durable": True}, "there is no key 'durable'"),
}
B = {"source": "amq.direct", "destination": "/queue/a"}
BINDINGS = {
    "no source": ({"destination": "/queue/a"}, "source is missing"),
    "no destination": ({"source": "amq.direct"}, "destination is missing"),
    "source of a number": ({**B, "source": 1}, "source must be a string, not 1"),
    "unknown source": ({**B, "source": "none"}, "there is no exchange 'none'"),
    "unknown exchange": ({**B, "destination": "/exchange/none"}, "there is no exchange 'none'"),
    "destination of a number": ({**B, "destination": 1}, "destination must be a string, not 1"),
    "a topic": ({**B, "destination": "/topic/a"}, "destination must be a queue or an exchange, not '/topic/a'"),
    "a reply's": ({**B, "destination": "/temp-queue/a"}, "destination must be a queue or an exchange, not"),
    "a pattern": ({**B, "destination": "/queue/*"}, "destination: '/queue/*': only topics have patterns"),
    "key": ({**B, "key": 1}, "key must be a string, not 1"),
    "arguments": ({**B, "arguments": []}, "arguments must be a table, not []"),
    "an argument": ({**B, "arguments": {"a": []}}, "arguments.a must be a string, number or boolean, not []"),
    "x-match": (
        {**B, "source": "amq.headers", "arguments": {"x-match": "some"}},
        "x-match is 'some', which is none of",
    ),
    "unknown key": ({**B, "colour": 1}, "there is no key 'colour'"),
}


T = {"match": "/topic/a"}
TOPICS = {
    "no match": ({}, "match is missing"),
    **{
        f"match of {match!r}": ({"match": match}, f"match must be a pattern such as /topic/prices.#, not {match!r}")
        for match in ("", "a", "/queue/a", "/topic/", "/topic/a..b", "/topic/a*", "/exchange/amq.topic/a")
    },
    **{
        f"{key} of {value!r}": ({**T, key: value}, f"{key} must be a {kind}, not {value!r}")
        for key, kind, values in (
            ("history_messages", "whole number of at least 0", (-1, 1.5, True, "1", None)),
            ("history_bytes", "whole number of at least 0", (-1, 1.5, False, [])),
            ("history_seconds", "number of at least 0.1", (0, -1.0, True, "1", math.inf, math.nan)),
        )
        for value in values
    },
    "unknown key": ({**T, "history": 1}, "there is no key 'history'"),
}


@pytest.mark.parametrize(
    "section, right, name",
    [
        *(("topics", T, name) for name in TOPICS),
        *(("queues", Q, name) for name in QUEUES),
        *(("exchanges", {"name": "right"}, name) for name in EXCHANGES),
        *(("bindings", B, name) for name in BINDINGS),
    ],
)
def test_what_is_wrong_is_one_line_with_section_number_and_key(section, right, name):
    tables = {"queues": QUEUES, "exchanges": EXCHANGES, "bindings": BINDINGS, "topics": TOPICS}
    table, told = tables[section][name]
    number, text = wrong(section, right, table)
    assert (number, told in text) == (2, True), text


def test_exchanges_that_contradict_each_other():
    number, told = wrong("exchanges", {**E, "kind": "topic"}, E)
    assert (number, told) == (2, "kind of exchange e is topic, direct was asked for")


def test_more_than_the_limits_allow():
    assert wrong("exchanges", *({"name": f"e{number}"} for number in range(3)), **{"limits.exchanges": 7})[0] == 3
    two = [B, {**B, "destination": "/queue/b"}]
    assert wrong("bindings", *two, **{"limits.bindings": 1}) == (2, "1 are allowed")
    assert wrong("bindings", *two, **{"limits.queues": 1}) == (2, "1 are allowed")


def test_a_queue_that_would_not_appear_cannot_be_bound():
    assert wrong("bindings", B, auto_create=False)[1].startswith("/queue/a is not configured")


def test_trying_out_leaves_the_tables_as_they_are():
    tables = ({"match": "/queue/a", "max_length": 1},)
    config = make({"queues": tables})
    assert rules_of(config).queues == rules_of(config).queues
    assert config.queues == tables == ({"match": "/queue/a", "max_length": 1},)


@pytest.mark.parametrize("place", ["file", "flag", "environment"])
def test_check_config_says_it(tmp_path, place):
    file = tmp_path / "qmq.toml"
    file.write_text('[[bindings]]\nsource = "none"\ndestination = "/queue/a"\n')
    tables = '[{"source": "none", "destination": "/queue/a"}]'
    arguments = {"file": ["--config", str(file)], "flag": ["--bindings", tables], "environment": []}[place]
    environ = {"QMQ_BINDINGS": tables} if place == "environment" else {}
    done = CliRunner().invoke(cli, ["check-config", *arguments], env=environ)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == "[[bindings]] number 1: there is no exchange 'none'"
    assert done.output == ""


def test_check_config_prints_the_tables():
    done = CliRunner().invoke(cli, ["check-config", "--queues", '[{"match": "/queue/#", "durable": true}]'])
    assert 'queues = [{"match": "/queue/#", "durable": true}]\n' in done.output
