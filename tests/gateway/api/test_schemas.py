"""What the API's schemas say is what the core says."""

import orjson
import pytest
from worlds import World

from qmq.core import options
from qmq.gateway.api.schemas import DELIVERY, EXCHANGE, MESSAGE, NEW_MESSAGE, PROPERTIES, QUEUE
from qmq.session.desk import Asker
from qmq.session.rest import JSON, show
from qmq.session.schema import compiled


@pytest.fixture
def world():
    return World(desk=True)


def test_every_property_of_a_queue_is_there_with_a_default_that_fits():
    assert set(PROPERTIES) == {options.header_of(name) for name in options.FIELDS}
    for name, value in options.as_dict(options.QueueOptions()).items():
        compiled(PROPERTIES[name])(orjson.loads(orjson.dumps(value)), name)


def test_queues_and_exchanges_are_shown_as_is_said(world):
    queue = world.desk.do("declare", {"destination": "/queue/a"}, Asker())
    compiled(QUEUE)(orjson.loads(orjson.dumps(queue)), "")
    assert set(queue) == set(QUEUE["properties"])
    world.desk.do("bind", {"source": "amq.topic", "destination": "/queue/a", "key": "x"}, Asker())
    exchange = world.desk.do("inspect", {"destination": "/exchange/amq.topic"}, Asker())
    compiled(EXCHANGE)(orjson.loads(orjson.dumps(exchange)), "")
    assert set(exchange) == set(EXCHANGE["properties"])


def test_messages_are_shown_as_is_said(world):
    world.publish("/queue/a", "x", headers={"content-type": "text/css", "color": "red"})
    [claimed] = world.registry.claims.open(world.registry.queues["/queue/a"], "ann", 1, 100).close()
    compiled(MESSAGE)(orjson.loads(JSON.encode(claimed.message)), "")
    compiled(DELIVERY)(orjson.loads(show(claimed)), "")


def test_what_comes_in_has_the_fields_of_what_goes_out():
    assert set(MESSAGE["properties"]) - {"id"} == set(NEW_MESSAGE["properties"]) - {"idempotencyKey"}
