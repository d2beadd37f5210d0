"""jsonp and htmlfile: there when configured, with callbacks that are names, for pages that may connect."""

import json
import re
from urllib.parse import quote_plus

import pytest

from tests.gateway.sockjs_peer import CONNECT

PATH = "/sockjs/000/s1"
LEGACY = {"sockjs_legacy": True, "allowed_origins": ("https://page.example",)}


@pytest.mark.gen_test(timeout=20)
async def test_jsonp_calls_back_with_each_frame(start_node, http):
    peer = await http(await start_node(LEGACY))

    async def poll():
        peer.ask(f"{PATH}/jsonp?c=_jp.a-1", method="GET")
        status, headers, body = await peer.answer()
        assert (status, headers["content-type"]) == (200, "application/javascript; charset=utf-8")
        found = re.fullmatch(r"/\*\*/_jp\.a-1\((.*)\);\r\n", body.decode())
        return json.loads(found[1])

    async def send(body, **headers):
        peer.ask(f"{PATH}/jsonp_send", body.encode(), **headers)
        status, _, answer = await peer.answer()
        return status, answer

    assert await poll() == "o"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert await send("d=" + quote_plus(json.dumps([CONNECT])), **form) == (200, b"ok")
    assert json.loads((await poll())[1:])[0].startswith("CONNECTED\n")
    assert await send("e=1", **form) == (500, b"Payload expected.")
    assert await send("[", Content_Type="text/plain") == (500, b"Broken JSON encoding.")
    assert await send(json.dumps(["DISCONNECT\nreceipt:r\n\n\0"]), Content_Type="text/plain") == (200, b"ok")
    assert json.loads((await poll())[1:]) == ["RECEIPT\nreceipt-id:r\n\n\0"]
    assert await poll() == 'c[1000,"closed"]'


@pytest.mark.gen_test(timeout=20)
async def test_htmlfile_is_a_page_that_calls_back(start_node, http):
    node = await start_node(LEGACY)
    peer, up = await http(node), await http(node)
    peer.ask(f"{PATH}/htmlfile?c=_jp.x", method="GET")
    status, headers = await peer.head()
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-security-policy"] == "frame-ancestors 'self' https://page.example"
    page = b""
    while b'p("o")' not in page:
        page += await peer.chunk()
    head = page.partition(b"\r\n\r\n")[0]
    assert len(head) > 1024 and b"parent._jp.x;" in head
    up.ask(f"{PATH}/xhr_send", json.dumps([CONNECT]).encode())
    assert (await up.answer())[0] == 204
    page = await peer.chunk()
    found = re.fullmatch(rb"<script>\np\((.*)\);\n</script>\r\n", page)
    assert json.loads(json.loads(found[1])[1:])[0].startswith("CONNECTED\n")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("transport", ["jsonp", "htmlfile"])
@pytest.mark.parametrize("query", ["", "?c=", "?c=alert(1)//", "?c=%3Cscript%3E", "?c=a%20b", "?c=%C3%A9"])
async def test_callbacks_are_names(start_node, http, transport, query):
    node = await start_node(LEGACY)
    peer = await http(node)
    peer.ask(f"{PATH}/{transport}{query}", method="GET")
    status, _, body = await peer.answer()
    assert status == 500 and b'"callback" parameter' in body
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_the_referring_page_counts_where_browsers_send_no_origin(start_node, http):
    node = await start_node(LEGACY)
    peer = await http(node)
    fetched = {"method": "GET", "Sec-Fetch-Site": "cross-site"}
    for transport in ("jsonp", "htmlfile"):
        for referer in ({"Referer": "https://evil.example/page"}, {}):
            peer.ask(f"{PATH}/{transport}?c=x", **fetched, **referer)
            status, _, body = await peer.answer()
            assert (status, json.loads(body)["code"]) == (403, "bad-origin")
    assert node.gateway.connections == 0
    peer.ask(f"{PATH}/jsonp?c=x", **fetched, Referer="https://page.example/page")
    assert (await peer.answer())[0] == 200
    peer.ask(f"{PATH}/jsonp_send", json.dumps([CONNECT]).encode(), Origin="https://page.example")
    assert (await peer.answer())[0] == 200
