"""The transports of SockJS, checked as the protocol's own tests (0.3.3) check them: any conversation, all options."""

import itertools
import json
from urllib.parse import quote

import pytest

from tests.gateway.poll_peer import Http
from tests.gateway.sockjs_services import SMALL, Services
from tests.helpers import Peer, ws

_names = itertools.count()
STREAMS = {
    "xhr_streaming": ("POST", "h" * 2048 + "\n", "{}\n"),
    "eventsource": ("GET", "\r\n", "data: {}\r\n\r\n"),
    "htmlfile": ("GET", None, "<script>\np({});\n</script>\r\n"),
}


class Client:
    """Requests to the services, two connections of one session."""

    def __init__(self, services):
        self.services = services
        self.opened = []

    async def http(self):
        self.opened.append(await Http.open(self.services.port))
        return self.opened[-1]

    async def ask(self, path, body=b"", method="POST", **headers):
        http = await self.http()
        http.ask(path, body, method=method, **headers)
        return await http.answer()

    def session(self, base="/echo"):
        return f"{base}/000/session{next(_names)}"

    def close(self):
        for http in self.opened:
            http.close()


@pytest.fixture
def client(io_loop):
    """A client of the services, which run on the test's loop."""

    async def start():
        return Client(Services())

    client = io_loop.run_sync(start)
    yield client
    client.close()
    io_loop.run_sync(client.services.close)


@pytest.mark.gen_test(timeout=20)
async def test_echo_comes_back(client):
    path = client.session()
    assert (await client.ask(f"{path}/xhr"))[::2] == (200, b"o\n")
    assert (await client.ask(f"{path}/xhr_send", b'["a"]'))[::2] == (204, b"")
    assert (await client.ask(f"{path}/xhr"))[::2] == (200, b'a["a"]\n')
    for body, words in ((b'["x', b"Broken JSON encoding."), (b"", b"Payload expected.")):
        assert (await client.ask(f"{path}/xhr_send", body))[::2] == (500, words)
    assert (await client.ask(client.session() + "/xhr_send", b'["a"]'))[0] == 404


@pytest.mark.gen_test(timeout=20)
async def test_messages_sent_before_a_poll_come_as_one_array(client):
    path = client.session()
    await client.ask(f"{path}/xhr")
    kinds = ("text/plain", "T", "application/json", "application/xml", "text/xml; charset=utf-8")
    for kind in kinds:
        assert (await client.ask(f"{path}/xhr_send", b'["a"]', Content_Type=kind))[0] == 204
    array = ",".join(['"a"'] * len(kinds))
    assert (await client.ask(f"{path}/xhr"))[2] == f"a[{array}]\n".encode()


@pytest.mark.gen_test(timeout=20)
async def test_close_says_its_code_as_often_as_one_asks(client):
    path = client.session("/close")
    answers = [(await client.ask(f"{path}/xhr"))[2] for _ in range(3)]
    assert answers == [b"o\n", *[b'c[3000,"Go away!"]\n'] * 2]
    path = client.session("/close")
    answers = [(await client.ask(f"{path}/jsonp?c=x", method="GET"))[2] for _ in range(3)]
    assert answers == [b'/**/x("o");\r\n', *[b'/**/x("c[3000,\\"Go away!\\"]");\r\n'] * 2]


@pytest.mark.gen_test(timeout=20)
async def test_close_ends_a_websocket(client):
    peer = await Peer.open(client.services.port)
    await peer.upgrade(path=client.session("/close") + "/websocket")
    assert [(await peer.event())[1] for _ in "12"] == [b"o", b'c[3000,"Go away!"]']
    opcode, payload = await peer.event()
    assert (opcode, payload[:2]) == (8, (3000).to_bytes(2, "big"))
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_websocket_echoes_and_ends_at_broken_json(client):
    peer = await Peer.open(client.services.port)
    await peer.upgrade(path=client.session() + "/websocket")
    assert (await peer.event())[1] == b"o"
    await peer.send(ws(b""), ws(b'["a"]'))
    assert (await peer.event())[1] == b'a["a"]'
    await peer.send(ws(b'["a'))
    await peer.end()
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_disabled_websocket_is_told_and_is_not_there(client):
    for base, wanted in (("/echo", True), ("/disabled_websocket_echo", False)):
        _, _, body = await client.ask(f"{base}/info", method="GET")
        assert json.loads(body)["websocket"] is wanted
        status, _, _ = await client.ask(client.session(base) + "/websocket", method="GET")
        assert status == (400 if wanted else 404)


@pytest.mark.gen_test(timeout=20)
async def test_cookies_are_set_for_session_urls_where_asked_for(client):
    status, headers, body = await client.ask("/cookie_needed_echo/info", method="GET")
    assert json.loads(body)["cookie_needed"] is True and "set-cookie" not in headers
    for base, wanted in (("/echo", False), ("/cookie_needed_echo", True)):
        for name in ("xhr", "xhr_streaming", "eventsource", "htmlfile?c=x", "jsonp?c=x"):
            method = "POST" if name.startswith("xhr") else "GET"
            http = await client.http()
            http.ask(f"{client.session(base)}/{name}", method=method)
            status, headers = await http.head()
            assert status == 200
            assert headers.get("set-cookie", "").lower() == ("jsessionid=dummy; path=/" if wanted else ""), name
    path = client.session("/cookie_needed_echo")
    for name in ("xhr", "xhr_send"):
        _, headers, _ = await client.ask(f"{path}/{name}", b'["x"]', Cookie="JSESSIONID=abcdef")
        assert headers["set-cookie"].lower() == "jsessionid=abcdef; path=/"


async def _stream(client, path, transport):
    """A stream after its prelude and its first frame, and what reads the next frame."""
    method, prelude, form = STREAMS[transport]
    http = await client.http()
    http.ask(f"{path}/{transport}?c=x", method=method, Connection="keep-alive")
    status, headers = await http.head()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    kept = b""

    async def read(text):
        nonlocal kept
        wanted = text.encode()
        while len(kept) < len(wanted):
            piece = await http.chunk()
            assert piece is not None, kept
            kept += piece
        assert kept.startswith(wanted), (kept[:200], wanted[:200])
        kept = kept[len(wanted) :]

    if prelude is None:
        while (found := kept.find(b"\r\n\r\n")) < 0:
            kept += await http.chunk()
        kept = kept[found + 4 :]
    else:
        await read(prelude)

    async def frame(text):
        await read(
            form.replace("{!r}", "{}").format(json.dumps(text)) if transport == "htmlfile" else form.format(text)
        )

    async def ended():
        return not kept and await http.chunk() is None

    await frame("o")
    return frame, ended


@pytest.mark.parametrize("transport", ["xhr_streaming", "eventsource", "htmlfile"])
@pytest.mark.gen_test(timeout=20)
async def test_streamed_response_ends_after_its_limit(client, transport):
    path = client.session()
    frame, ended = await _stream(client, path, transport)
    text = "x" * 128
    for _ in range(-(-(SMALL - 9) // (len(f'a["{text}"]') + (12 if transport == "eventsource" else 0)))):
        assert (await client.ask(f"{path}/xhr_send", json.dumps([text]).encode()))[0] == 204
        await frame(f'a["{text}"]')
    assert await ended()
    assert (await client.ask(f"{path}/xhr_send", b'["y"]'))[0] == 204
    assert (await client.ask(f"{path}/xhr"))[2] == b'a["y"]\n'


@pytest.mark.gen_test(timeout=20)
async def test_eventsource_escapes_percent_signs_only(client):
    path = client.session()
    frame, _ = await _stream(client, path, "eventsource")
    said = ["%41 100% %", "a%20b", "\u2028", "\U0001f600", "\0", "  \n\r "]
    assert (await client.ask(f"{path}/xhr_send", json.dumps(said).encode()))[0] == 204
    await frame("a" + json.dumps(said, separators=(",", ":")).replace("%", "%25"))


@pytest.mark.gen_test(timeout=20)
async def test_htmlfile_lets_no_message_end_its_script(client):
    path = client.session()
    http = await client.http()
    http.ask(f"{path}/htmlfile?c=x", method="GET", Connection="keep-alive")
    await http.head()
    assert (await client.ask(f"{path}/xhr_send", b'["</script><script>alert(1)</script>"]'))[0] == 204
    seen = b""
    while b"alert" not in seen:
        seen += await http.chunk()
    assert seen.partition(b"alert")[2].count(b"</script>") == 1  # its own


@pytest.mark.parametrize("name", ["_/_", "1/1", "abcdefgh_i-j%20/abcdefg_i-j%20"])
@pytest.mark.gen_test(timeout=20)
async def test_any_value_names_a_session(client, name):
    assert (await client.ask(f"/echo/{name}/xhr"))[2] == b"o\n"


@pytest.mark.gen_test(timeout=20)
async def test_form_of_jsonp_send_is_read(client):
    path = client.session()
    assert (await client.ask(f"{path}/jsonp?c=%63allback", method="GET"))[2] == b'/**/callback("o");\r\n'
    form = "application/x-www-form-urlencoded"
    for body, kind, status, words in (
        (f"d={quote(json.dumps(['abc']))}", form, 200, b"ok"),
        ('["%61bc"]', "text/plain", 200, b"ok"),
        ("d=%5B%22x", form, 500, b"Broken JSON encoding."),
        ("p=p", form, 500, b"Payload expected."),
    ):
        assert (await client.ask(f"{path}/jsonp_send", body.encode(), Content_Type=kind))[::2] == (status, words)
    answer = (await client.ask(f"{path}/jsonp?c=x", method="GET"))[2]
    assert answer == b'/**/x("a[\\"abc\\",\\"%61bc\\"]");\r\n'
