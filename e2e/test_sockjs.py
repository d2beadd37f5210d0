"""Stock clients as they are, sockjs-client with @stomp/stompjs: on each transport, and refused in a foreign page."""

from pathlib import Path

import pytest
from running import until

MODULES = Path(__file__).parents[1] / "node_modules"
LIBRARIES = ("sockjs-client/dist/sockjs.js", "@stomp/stompjs/bundles/stomp.umd.js")
TRANSPORTS = ("websocket", "xhr-streaming", "xhr-polling", "eventsource")

START = """
const [url, transports] = arguments;
window.got = [];
window.ended = [];
window.opened = 0;
window.client = new StompJs.Client({
  webSocketFactory: () => window.socket = new SockJS(url, null, {transports}),
  reconnectDelay: 200,
  onConnect: () => {
    opened++;
    client.subscribe('/topic/e2e', (m) => got.push([m.headers.number, m.body]), {receipt: 'there'});
    client.watchForReceipt('there', () => window.ready = true);
  },
  onWebSocketClose: (e) => ended.push([e.code, e.reason]),
});
client.activate();
"""

PUBLISH = """
for (const [number, body] of arguments[0]) {
  client.publish({destination: '/topic/e2e', body, headers: {number: String(number)}});
}
"""

BODIES = [
    "plain",
    "zwei ü €",
    "\U0001f600",
    "a\u2028b\u200c\uffff",
    '"quotes" \\ and\nlines',
    "\0NUL\0",
    "%41 100% %",
    "a%20b",
    "",
    "x" * 50_000,
]


def start(page, url, transports):
    for library in LIBRARIES:
        page.run((MODULES / library).read_text("utf-8"))
    page.run(START, url, transports)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_stock_clients_get_all_that_is_said_in_order(gateway, pages, transport):
    page = pages("/")
    start(page, "/sockjs", [transport])
    until(lambda: page.run("return window.ready"), what="the subscription")
    assert page.run("return socket.transport") == transport
    wanted = [[str(number), body] for number, body in enumerate(BODIES * 3)]
    for number in range(0, len(wanted), len(BODIES)):
        page.run(PUBLISH, wanted[number : number + len(BODIES)])
    until(lambda: page.run("return got.length") >= len(wanted), what="all messages")
    assert page.run("return got") == wanted
    page.run("return client.deactivate()")
    assert page.run("return ended") == [[1000, "Normal closure"]]


LARGE = """
const body = '%é'.repeat(arguments[0] / 3 | 0);
client.publish({destination: '/topic/e2e', body, headers: {number: 'large'}});
window.large = body;
"""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_large_body_comes_as_it_was_sent(gateway, pages, transport):
    page = pages("/")
    start(page, "/sockjs", [transport])
    until(lambda: page.run("return window.ready"), what="the subscription")
    page.run(LARGE, 1_000_000)
    until(lambda: page.run("return got.length"), what="the message")
    assert page.run("return got[0][1] === large")
    page.run("return client.deactivate()")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_they_come_back_after_the_gateway_was_killed(gateway, pages, transport):
    page = pages("/")
    start(page, "/sockjs", [transport])
    until(lambda: page.run("return window.ready"), what="the subscription")
    gateway.kill()
    until(lambda: page.run("return ended.length"), what="the close")
    page.run("window.ready = false")
    gateway.start_again()
    until(lambda: page.run("return opened > 1 && window.ready"), what="the client to be back")
    page.run(PUBLISH, [[1, "again"]])
    until(lambda: page.run("return got.length"), what="the message")


def test_without_websocket_the_stock_client_streams(gateway, pages):
    page = pages("/")
    page.run("delete window.WebSocket")
    start(page, "/sockjs", None)
    until(lambda: page.run("return window.ready"), what="the subscription")
    assert page.run("return socket.transport") == "xhr-streaming"


QMQ = """
const {connect, WebSocketTransport} = await import('/qmq.mjs');
const {transport} = await import('/qmq-sockjs.mjs');
window.got = [];
window.recovered = [];
window.client = connect('/stomp', {transports: [WebSocketTransport, transport(SockJS)]});
window.sub = client.subscribe('/topic/e2e', (m) => got.push([...m.bytes()]), {onrecovered: (ok) => recovered.push(ok)});
await sub.ready;
return client.transport;
"""


def test_qmqs_own_client_takes_it_if_the_page_names_it(gateway, pages, relay):
    between = relay()
    page, other = pages("/", url=between.url), pages("/")
    for each in (page, other):
        each.run((MODULES / LIBRARIES[0]).read_text("utf-8"))
    assert page.run("delete window.WebSocket; window.WebSocket = undefined;" + QMQ) == "sockjs"
    assert other.run(QMQ) == "websocket"
    bodies = [[0, 255, 10, 10, 0], list(range(256)), [*"ä\n\n€ text".encode()], []]
    for number, body in enumerate(bodies):
        sender = (page, other)[number % 2]
        sender.run("await client.publish('/topic/e2e', new Uint8Array(arguments[0]))", body)
    between.down()
    other.run("await client.publish('/topic/e2e', 'while away')")
    between.down(False)
    bodies.append([*b"while away"])
    for each in (page, other):
        until(lambda each=each: each.run("return got.length") == len(bodies), what="all bodies")
        assert each.run("return got") == bodies
    assert page.run("return recovered") == [True]
    assert page.run("return client.transport") == "sockjs"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_foreign_page_gets_in_by_no_transport(gateway, pages, transport):
    page = pages("", url="about:blank")  # whose origin is null
    start(page, f"{gateway.url}/sockjs", [transport])
    until(lambda: page.run("return ended.length"), what="the refusal")
    page.run("return client.deactivate()")
    assert page.run("return opened") == 0
