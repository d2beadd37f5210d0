"""The HTTP side of `/poll`: who may open and go on with a session, and requests that are wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.poll_peer import CONNECT, Http, Poller, problem

PAGE = "https://page.example"


@pytest.mark.gen_test(timeout=20)
async def test_opening_tells_the_session_and_how_long_a_receive_is_held(start_node, http):
    node = await start_node({"limits.poll_hold_seconds": 7})
    peer = await http(node)
    peer.ask("/poll", CONNECT)
    status, headers, body = await peer.answer()
    assert (status, headers["content-type"], headers["cache-control"]) == (
        200, "application/json", "no-store, no-transform"
    )  # fmt: skip
    found = json.loads(body)
    assert (set(found), found["hold"]) == ({"session", "hold"}, 7000)
    assert len(found["session"]) in (24, 26)  # with several threads it begins with the number of one
    peer.ask("/poll", CONNECT)
    assert json.loads((await peer.answer())[2])["session"] != found["session"]


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_foreign_origins_get_nothing_and_leave_nothing(start_node, http):
    node = await start_node()
    peer = await http(node)
    for path in ("/poll", "/poll/x/receive?ack=0", "/poll/x/send?seq=1&ack=0", "/poll/x/close"):
        for method in ("POST", "OPTIONS"):
            peer.ask(path, CONNECT, method=method, Origin="https://evil.example")
            status, headers, body = await peer.answer()
            assert (status, problem(body)) == (403, "bad-origin")
            assert ("access-control-allow-origin" in headers) == (method == "POST")  # who asks may read why not
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_allowed_origins_may_read_every_answer(start_node, http):
    node = await start_node({"allowed_origins": (PAGE,)})
    poller = await Poller.open(node, Origin=PAGE)
    peer = await http(node)
    requests = {
        f"{poller.path}/receive?ack=0": 200, f"{poller.path}/send?seq=1&ack=0": 204,
        f"{poller.path}/send?seq=9&ack=0": 409, "/poll/none/close": 404,
    }  # fmt: skip
    for path, wanted in requests.items():
        peer.ask(path, b"\n", Origin=PAGE)
        status, headers, _ = await peer.answer()
        assert (status, headers["access-control-allow-origin"]) == (wanted, PAGE.lower())
        assert (headers["access-control-allow-credentials"], headers["vary"]) == ("true", "origin")
    peer.ask("/poll", method="OPTIONS", Origin=PAGE)
    status, headers, _ = await peer.answer()
    assert (status, headers["access-control-allow-methods"]) == (204, "post")
    poller.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_session_belongs_to_the_origin_that_opened_it(start_node, http):
    node = await start_node({"allowed_origins": (PAGE, "https://other.example")})
    poller = await Poller.open(node, Origin=PAGE)
    peer = await http(node)
    for more in ({}, {"Origin": "https://other.example"}):
        peer.ask(f"{poller.path}/receive?ack=0", **more)
        status, _, body = await peer.answer()
        assert (status, problem(body)) == (404, "unknown-session")
    poller.close()


@pytest.mark.gen_test(timeout=20)
async def test_no_room_and_no_origin(start_node, http):
    node = await start_node({"limits.connections": 1})
    poller = await Poller.open(node)
    peer = await http(node)
    peer.ask("/poll", CONNECT)
    status, headers, body = await peer.answer()
    assert (status, problem(body), headers["retry-after"]) == (503, "too-many-connections", "5")
    poller.close()
    node = await start_node({"require_origin": True})
    peer = await http(node)
    peer.ask("/poll", CONNECT)
    assert (await peer.answer())[0] == 403


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("receive", 400, "bad-request"), ("receive?ack=x", 400, "bad-request"), ("receive?ack=-1", 400, "bad-request"),
        ("receive?ack=", 400, "bad-request"), (f"receive?ack={'9' * 40}", 400, "bad-request"),
        ("receive?ack=999999", 409, "bad-sequence"), ("send?seq=1", 400, "bad-request"),
        ("send?ack=0", 400, "bad-request"), ("send?seq=%C2%B2&ack=0", 400, "bad-request"),
        ("send?seq=3&ack=0", 409, "bad-sequence"), ("other", 404, "not-found"), ("", 404, "not-found"),
    ],
)  # fmt: skip
@pytest.mark.gen_test(timeout=20)
async def test_wrong_requests_are_told_and_change_nothing(start_node, http, path, status, code):
    node = await start_node()
    poller = await Poller.open(node)
    peer = await http(node)
    peer.ask(f"{poller.path}/{path}", b"garbage")
    found, _, body = await peer.answer()
    assert (found, problem(body)) == (status, code)
    await poller.login()
    poller.close()


@pytest.mark.gen_test(timeout=20)
async def test_other_methods(start_node, http):
    node = await start_node()
    poller = await Poller.open(node)
    peer = await http(node)
    for path in ("/poll", f"{poller.path}/receive?ack=0"):
        for method in ("GET", "PUT", "DELETE"):
            peer.ask(path, method=method)
            status, _, body = await peer.answer()
            assert (status, problem(body)) == (405, "bad-method")
    poller.close()


@pytest.mark.gen_test(timeout=60)
async def test_any_path_query_and_body_is_answered(start_node, witness):
    node = await start_node()
    seen = await witness(node)
    cases = []

    @settings(max_examples=150, database=None)
    @given(
        st.sampled_from(["", "/ID", "/x", "/ID/receive", "/ID/send", "/ID/close"]),
        st.text("seqack=&?123456789streamxyz%-", max_size=20),
        st.binary(max_size=60),
    )
    def collect(path, query, body):
        cases.append((path, query, body))

    collect()
    poller = await Poller.open(node)
    for path, query, body in cases:
        if not poller.up.writer.is_closing() and path.endswith("close"):
            poller.close()
            poller = await Poller.open(node)
        peer = await Http.open(poller.port)
        poller.up.ask(f"{poller.path}/send?seq={poller.seq}&ack=0")  # it is there still, or was ended for what it said
        if (await poller.up.answer())[0] == 404:
            poller.close()
            poller = await Poller.open(node)
        peer.ask(f"/poll{path.replace('/ID', poller.path.removeprefix('/poll'))}?{query.replace('%', '%25')}", body)
        status, _ = await peer.head()
        assert status in (200, 204, 400, 404, 409), (status, path, query, body)
        peer.cut()
    poller.close()
    await seen.well()
