"""The page of the JSON API: everything in the table is on it, and nothing that a page may not have."""

import re
from html.parser import HTMLParser

import pytest

from qmq.gateway.api.page import page
from qmq.gateway.api.table import OPERATIONS, PREFIX
from tests.helpers import plain

pytestmark = pytest.mark.one_thread("the answers know nothing of threads")

_ALONE = {"meta", "link", "img"}


class Reader(HTMLParser):
    """Checks that what is opened is closed; notes ids, targets and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets, self.attributes = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.attributes |= {name for name, _ in attributes}
        self.ids += [value for name, value in attributes if name == "id"]
        self.targets += [value for name, value in attributes if name in ("href", "src")]
        if tag not in _ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole():
    reader = Reader()
    text = page().decode()
    reader.feed(text)
    assert not reader.open and len(set(reader.ids)) == len(reader.ids)
    assert {target[1:] for target in reader.targets if target.startswith("#")} <= set(reader.ids)
    assert "style" not in reader.attributes and not any(name.startswith("on") for name in reader.attributes)
    assert "<script" not in text and "{version}" not in text
    for operation in OPERATIONS:
        assert f"<code><b>{operation.method}</b> {PREFIX}{operation.path}</code>" in text
        assert all(f"<code>{each.name}</code>" in text for each in operation.parameters)


@pytest.mark.gen_test(timeout=20)
async def test_all_that_it_names_is_served(start_node, dial):
    node = await start_node()
    reader = Reader()
    reader.feed(page().decode())
    for path in sorted({"/api/", *(target for target in reader.targets if target.startswith("/"))}):
        answer = await (await dial(node)).ask(plain(path))
        assert answer.status == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
    answer = await (await dial(node)).ask(plain("/api"))
    assert (answer.status, answer.headers["location"]) == (302, "/api/")
    answer = await (await dial(node)).ask(plain("/api/"))
    assert answer.body == page() and "default-src" in answer.headers["content-security-policy"]
    assert re.fullmatch(r"text/html; charset=utf-8", answer.headers["content-type"].lower())
