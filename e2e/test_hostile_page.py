"""A page of another origin in a real browser, whose user has cookies for the node, tries every way in.

The hostile page is served from another port of the same machine: to cookies that is the same
site, so the browser adds them to whatever it sends; only the origin tells the two apart. It is
tried from another host name, too, which is another site altogether.
"""

import json
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
from running import until

PAGE = b"<!doctype html><meta charset=utf-8><title>hostile</title><h1>You have won</h1>"

# Each gives what it got: 'refused', or that it can read so, is what all of them must give. In `at` is the node's URL.
TRIES = {
    "WebSocket": """
        return new Promise((done) => {
          const socket = new WebSocket(at.replace('http', 'ws') + '/stomp', ['v12.stomp']);
          socket.onopen = () => done('open');
          socket.onerror = () => done('refused');
        });""",
    "SockJS over WebSocket": """
        return new Promise((done) => {
          const socket = new WebSocket(at.replace('http', 'ws') + '/sockjs/000/h1/websocket');
          socket.onmessage = () => done('open');
          socket.onerror = () => done('refused');
        });""",
    "EventSource": """
        return new Promise((done) => {
          const source = new EventSource(at + '/api/v1/stream?destination=/topic/a', {withCredentials: true});
          source.onopen = () => done('open');
          source.onerror = () => { source.close(); done('refused'); };
        });""",
    "SockJS eventsource": """
        return new Promise((done) => {
          const source = new EventSource(at + '/sockjs/000/h2/eventsource', {withCredentials: true});
          source.onopen = () => done('open');
          source.onerror = () => { source.close(); done('refused'); };
        });""",
    "fetch that streams": """
        return fetch(at + '/poll', {method: 'POST', credentials: 'include', body: 'CONNECT\\n\\n\\0'})
            .then((answer) => 'answered ' + answer.status, () => 'refused');""",
    "fetch of messages": """
        return fetch(at + '/api/v1/messages?destination=/topic/a', {credentials: 'include'})
            .then((answer) => 'answered ' + answer.status, () => 'refused');""",
    "fetch that asks before": """
        return fetch(at + '/api/v1/publish', {method: 'POST', credentials: 'include',
            headers: {'Content-Type': 'application/json'}, body: '{"destination":"/topic/a","body":"stolen"}'})
            .then((answer) => 'answered ' + answer.status, () => 'refused');""",
    "blind fetch to publish": """
        return fetch(at + '/api/v1/publish', {method: 'POST', mode: 'no-cors', credentials: 'include',
            headers: {'Content-Type': 'text/plain'}, body: '{"destination":"/topic/a","body":"stolen"}'})
            .then((answer) => answer.type === 'opaque' ? 'refused' : 'answered', () => 'refused');""",
    "blind fetch to poll": """
        return fetch(at + '/poll', {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'CONNECT\\n\\n\\0'})
            .then((answer) => answer.type === 'opaque' ? 'refused' : 'answered', () => 'refused');""",
    "blind fetch to SockJS": """
        return fetch(at + '/sockjs/000/h3/xhr', {method: 'POST', mode: 'no-cors', credentials: 'include'})
            .then((answer) => answer.type === 'opaque' ? 'refused' : 'answered', () => 'refused');""",
    "beacon": """
        navigator.sendBeacon(at + '/poll', 'CONNECT\\n\\n\\0');
        await new Promise((done) => setTimeout(done, 300));
        return 'refused';""",
    "picture": """
        return new Promise((done) => {
          const picture = new Image();
          picture.onload = () => done('open');
          picture.onerror = () => done('refused');
          picture.src = at + '/api/v1/messages?destination=/topic/a';
        });""",
    "script": """
        window.got = [];
        return new Promise((done) => {
          const script = document.createElement('script');
          script.onload = () => done(got.length ? 'open' : 'refused');
          script.onerror = () => done('refused');
          script.src = at + '/sockjs/000/h4/jsonp?c=got.push';
          document.body.append(script);
        });""",
    "frame": """
        return new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.onload = () => {
            try { done(frame.contentDocument ? 'open' : 'refused'); } catch (e) { done('refused'); }
          };
          frame.src = at + '/demo/chat.html';
          document.body.append(frame);
        });""",
    "form": """
        return new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.name = 'target';
          document.body.append(frame);
          const form = document.createElement('form');
          Object.assign(form, {method: 'POST', action: at + '/api/v1/publish', enctype: 'text/plain'});
          form.target = 'target';
          const field = document.createElement('input');
          field.name = '{"destination":"/topic/a","body":"stolen","x":"';
          field.value = '"}';
          form.append(field);
          document.body.append(form);
          frame.onload = () => done('refused');
          form.submit();
        });""",
    "form to poll": """
        return new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.name = 'target2';
          document.body.append(frame);
          const form = document.createElement('form');
          Object.assign(form, {method: 'POST', action: at + '/poll', target: 'target2', enctype: 'text/plain'});
          const field = document.createElement('input');
          field.name = 'CONNECT\\n\\n\\0';
          form.append(field);
          document.body.append(form);
          frame.onload = () => done('refused');
          form.submit();
        });""",
    "sandboxed frame": """
        return new Promise((done) => {
          addEventListener('message', (event) => done(event.data), {once: true});
          const frame = document.createElement('iframe');
          frame.sandbox = 'allow-scripts';
          frame.srcdoc = `<script>fetch('${at}/poll', {method: 'POST', body: ''})
              .then((a) => parent.postMessage('answered ' + a.status, '*'), () => parent.postMessage('refused', '*'));
              </` + 'script>';
          document.body.append(frame);
        });""",
}


@contextmanager
def hostile_site():
    """Serves the hostile page; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LISTEN = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.client = connect('/stomp');
await client.subscribe('/topic/a', (m) => got.push(m.text())).ready;
document.cookie = 'qmq=secret; path=/';
"""

LOOK = """
const reply = await client.request('/manage/connections', '{}');
await client.publish('/topic/a', 'the last');
return reply.json().connections.map((each) => each.transport);
"""


NO_DEMO = ("--no-demo",)  # a demo lets pages of this machine in


@pytest.mark.parametrize("gateway", [NO_DEMO], indirect=True)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_hostile_page_gets_nothing_and_does_nothing(gateway, pages, host):
    """Whatever it tries, no connection is made, nothing is published; all that it can read is that it is refused."""
    watch = pages("/")
    watch.run(LISTEN)
    mine = watch.run(LOOK)  # of the landing page itself, and the one that was just made
    with hostile_site() as port:
        page = pages("/", url=f"http://{host}:{port}")
        for name, script in TRIES.items():
            got = page.run(f"const at = arguments[0];\n{script}", gateway.url)
            assert (name, got) in ((name, "refused"), (name, "answered 403"))
        connections = watch.run(LOOK)  # while the page is still there, with its frames
    assert sorted(connections) == sorted(mine)
    until(lambda: watch.run("return got.length") == 2)
    assert watch.run("return got") == ["the last"] * 2


OPEN = {
    **dict.fromkeys(("WebSocket", "SockJS over WebSocket", "EventSource", "SockJS eventsource"), "open"),
    **dict.fromkeys(
        ("fetch that streams", "fetch of messages", "fetch that asks before", "sandboxed frame"), "answered 200"
    ),
}


@pytest.mark.parametrize("gateway", [("--allowed-origins", "*")], indirect=True)
def test_the_same_tries_come_in_where_they_are_allowed(gateway, pages):
    """So it is the origin that keeps them out."""
    with hostile_site() as port:
        page = pages("/", url=f"http://127.0.0.1:{port}")
        for name in OPEN:
            assert (name, page.run(f"const at = arguments[0];\n{TRIES[name]}", gateway.url)) == (name, OPEN[name])


CONNECT = """
const {connect} = await import(arguments[0] + '/qmq.mjs');
const heard = [];
const say = (text) => heard.push(text);
const client = connect(arguments[0] + '/stomp', {onstate: say, onerror: (e) => say(e.code)});
while (heard.at(-1) !== 'open' && heard.at(-1) !== 'closed') await new Promise((done) => setTimeout(done, 10));
const told = [...heard];
client.dispose();
return told;
"""


@pytest.mark.parametrize("gateway", [NO_DEMO], indirect=True)
def test_our_client_says_that_its_page_may_not_connect_and_stops(gateway, pages):
    """The browser says nothing of a WebSocket that is refused; the next transport can read why."""
    with hostile_site() as port:
        page = pages("/", url=f"http://127.0.0.1:{port}")
        assert page.run(CONNECT, gateway.url) == ["bad-origin", "closed"]
    refused = [line for line in gateway.lines() if "are refused" in line]
    assert len(refused) == 1
    assert f'allowed_origins = ["http://127.0.0.1:{port}"]' in refused[0]


def test_a_demo_lets_pages_of_this_machine_in(gateway, pages):
    with hostile_site() as port:
        page = pages("/", url=f"http://localhost:{port}")
        assert page.run(CONNECT, gateway.url) == ["open"]


LOAD = """
const {connect} = await import(arguments[0] + '/qmq.mjs');
await new Promise((done, failed) => {
  const script = document.createElement('script');
  Object.assign(script, {src: arguments[0] + '/qmq.js', onload: done, onerror: failed});
  document.body.append(script);
});
const closure = await fetch(arguments[0] + '/closure/qmq/client.js');
return [typeof connect, typeof qmq.connect, closure.status];
"""


def test_pages_of_all_origins_may_load_the_client(gateway, pages):
    """As a module and as a script, and its sources; whether they may connect with it is another matter."""
    with hostile_site() as port:
        page = pages("/", url=f"http://localhost:{port}")
        assert page.run(LOAD, gateway.url) == ["function", "function", 200]


SECRET = "0123456789abcdef0123456789abcdef"
_FOLDER = tempfile.TemporaryDirectory()
_KEY = Path(_FOLDER.name) / "key"
_KEY.write_text(SECRET)
_RULES = json.dumps([{"kind": "token", "allow": ["publish", "subscribe"], "on": "/topic/a"}])
BY_COOKIE = ("--tokens-keys", str(_KEY), "--tokens-cookie", "session", "--rules", _RULES)

# As whom a page of the node's own origin comes in, and one of another.
ENTER = """
const at = arguments[0];
const publish = () => fetch(at + '/api/v1/publish', {method: 'POST', credentials: 'include',
    headers: {'Content-Type': 'application/json'}, body: '{"destination":"/topic/a","body":"x"}'})
    .then((answer) => answer.json().then((told) => told.code || 'done'), () => 'refused');
const connect = () => new Promise((done) => {
  const socket = new WebSocket(at.replace('http', 'ws') + '/stomp', ['v12.stomp']);
  socket.onopen = () => socket.send('CONNECT\\naccept-version:1.2\\nhost:h\\n\\n\\0');
  socket.onmessage = (event) => { socket.close(); done((/code:(.*)/.exec(event.data) || [0, 'done'])[1]); };
  socket.onerror = () => done('refused');
});
const poll = () => fetch(at + '/poll', {method: 'POST', credentials: 'include', body: 'CONNECT\\n\\n\\0'})
    .then((answer) => answer.status === 200 ? answer.json().then((session) =>
        fetch(`${at}/poll/${session.session}/receive?ack=0`, {method: 'POST', credentials: 'include'})
            .then((told) => told.text())
            .then((told) => (/code:(.*)/.exec(told) || [0, 'done'])[1])) : 'answered ' + answer.status,
        () => 'refused');
return [await publish(), await connect(), await poll()];
"""


@pytest.mark.parametrize("gateway", [(*BY_COOKIE, *NO_DEMO), (*BY_COOKIE, "--allowed-origins", "*")], indirect=True)
def test_a_cookie_counts_for_own_pages_only(gateway, pages):
    """Not even for pages of other origins that may connect: those have to show who their user is themselves."""
    own = pages("/")
    until(lambda: own.run("return document.readyState") == "complete")
    token = jwt.encode({"sub": "ann", "exp": time.time() + 600}, SECRET, "HS256")
    own.run("document.cookie = `session=${arguments[0]}; path=/`", token)
    assert own.run(ENTER, gateway.url) == ["done"] * 3
    with hostile_site() as port:
        other = pages("/", url=f"http://127.0.0.1:{port}")
        assert f"session={token}" in other.run("return document.cookie")  # a port makes no other site
        got = other.run(ENTER, gateway.url)
        other.close()
    assert got == (["login-required"] * 3 if "*" in gateway._options else ["refused", "refused", "answered 403"])
    own.run("document.cookie = 'session=; path=/; max-age=0'")
