"""Full collections: when the loop rests, or memory has grown and it is short."""

import pytest

from qmq import collector
from qmq.collector import Collector, resident
from tests.helpers import until


class Node:
    """What a collector sees of a node; the passes of each look go up by so many."""

    def __init__(self, monkeypatch):
        self.passes = self.busy = 0
        self.bytes = 100 << 20
        self.made = []
        monkeypatch.setattr(collector, "_PERIOD", 0.005)
        monkeypatch.setattr(collector.gc, "collect", lambda: self.made.append(self.passes))

    def look(self):
        self.passes += self.busy
        return self.passes


@pytest.fixture
def node(monkeypatch):
    return Node(monkeypatch)


async def looks(node, count):
    seen, really = [], node.look
    node.look = lambda: seen.append(1) or really()
    await until(lambda: len(seen) >= count)


@pytest.mark.gen_test(timeout=20)
async def test_resting_loop_is_collected_once(node):
    own = Collector(lambda: node.look(), lambda: node.bytes)
    await looks(node, 5)
    assert len(node.made) == 1
    node.busy = 5  # a few messages
    await looks(node, 3)
    node.busy = 0
    await looks(node, 3)
    own.stop()
    assert len(node.made) > 1


@pytest.mark.gen_test(timeout=20)
async def test_busy_loop_is_left_alone_unless_memory_has_grown(node):
    node.busy = 1000
    own = Collector(lambda: node.look(), lambda: node.bytes)
    await looks(node, 5)
    assert node.made == []
    node.bytes += 65 << 20
    await looks(node, 3)
    assert len(node.made) == 1
    own.stop()


@pytest.mark.gen_test(timeout=20)
async def test_busy_loop_is_left_alone_if_a_collection_takes_long(node):
    node.busy = 1000
    own = Collector(lambda: node.look(), lambda: node.bytes)
    own._took = 0.02
    node.bytes += 650 << 20
    await looks(node, 5)
    own.stop()
    assert node.made == []


def test_resident_memory_is_told():
    assert 10 << 20 < resident() < 100 << 30
