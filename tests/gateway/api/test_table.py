"""The table of the JSON API agrees with itself, and with the tables that it is made from."""

import re

import pytest

from qmq.errors import CODES
from qmq.gateway.api import calls
from qmq.gateway.api.table import ALWAYS, OPERATIONS, WITH_BODY
from qmq.session.schema import compiled

names = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


@names
def test_an_operation_is_whole(operation):
    assert callable(getattr(calls, operation.name))
    assert operation.help.endswith(".") and operation.path.startswith("/")
    in_path = [each.name for each in operation.parameters if each.place == "path"]
    assert re.findall(r"\{(\w+)\}", operation.path) == in_path
    assert all(each.required for each in operation.parameters if each.place == "path")
    assert (operation.answer is None) == operation.streams
    assert {each.place for each in operation.parameters} <= {"path", "query", "header"}


@names
def test_its_errors_are_known_and_named_once(operation):
    named = [*operation.errors, *ALWAYS, *WITH_BODY]
    assert len(set(named)) == len(named)
    assert set(named) <= set(CODES)


@names
def test_its_examples_are_good(operation):
    if operation.body is not None:
        compiled(operation.body)(operation.example if operation.example is not None else {}, "")
    if operation.shown is not None and operation.name != "publish":  # which may have null
        compiled(operation.answer)(operation.shown, "")


def test_no_two_do_the_same():
    assert len({(each.method, each.path) for each in OPERATIONS}) == len(OPERATIONS)
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)
