"""`/openapi.json` says what the API does: schemathesis asks for what it says, and for what it forbids.

Whatever is asked, no answer is a failure of the server, and none is one that the document
does not have. The streams are left out, as they have no end.
"""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from qmq.gateway.api.document import codes_of, document
from qmq.gateway.api.table import OPERATIONS, PREFIX
from tests.helpers import plain
from tests.processes import Serve

pytestmark = pytest.mark.one_thread("the answers know nothing of threads")

SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(document()))).exclude(operation_id="stream_messages")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node of its own process, as the questions come from threads that wait."""
    serve = Serve(
        tmp_path_factory.mktemp("node") / "ready.json", "--limits-poll-hold-seconds", "0.01", "--log-level", "warning"
    )
    yield serve
    status, _, errors = serve.stop()
    assert (status, errors) == (0, "")


@SCHEMA.parametrize()
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(node, case):
    # What fits the schemas may be refused all the same: they do not know which names are good.
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{node.port}", excluded_checks=[schemathesis.checks.positive_data_acceptance]
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_every_code_is_in_the_document(operation):
    told = document()["paths"][PREFIX + operation.path][operation.method.lower()]
    said = " ".join(each["description"] for each in told["responses"].values())
    assert all(f"`{code}`" in said for code in codes_of(operation))


def test_named_schemas_are_said_once():
    text = json.dumps(document()["paths"])
    assert text.count('"idempotencyKey"') == 0 and text.count("#/components/schemas/NewMessage") == 2


@pytest.mark.gen_test(timeout=20)
async def test_it_is_served_and_revalidated(start_node, dial):
    node = await start_node()
    peer = await dial(node)
    answer = await peer.ask(plain("/openapi.json"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == json.loads(json.dumps(document()))
    again = await peer.ask(plain("/openapi.json", If_None_Match=answer.headers["etag"]))
    assert (again.status, again.body) == (304, b"")
