"""A path that dies without ending: whatever carries the client, it notices by itself, comes back and misses nothing."""

import subprocess
from pathlib import Path

import pytest
from numbers_page import TRANSPORTS, has, publish
from page import Page
from relay import Relay
from running import Gateway, until

ROOT = Path(__file__).resolve().parents[1]

OPEN = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.errors = [];
window.client = connect('/stomp', {heartBeat: arguments[0], onerror: (e) => errors.push(e.code + ': ' + e.detail)});
window.sub = client.subscribe('/topic/numbers', (m) => got.push(Number(m.text())), {maxMessages: 100000});
await sub.ready;
return client.transport;
"""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_page_notices_and_comes_back(gateway, pages, relay, transport):
    between = relay()
    page = pages("/demo/", url=between.url)
    assert page.run(TRANSPORTS[transport] + OPEN, 600) == transport
    publish(gateway, range(5))
    has(page, range(5))
    # To have nothing to say is no reason to leave, for several intervals.
    page.run("await new Promise((resolve) => setTimeout(resolve, 2000))")
    assert page.run("return errors") == []
    between.silence()
    publish(gateway, range(5, 50))
    page.run("window.mine = client.publish('/topic/numbers', '50')")
    until(lambda: page.run("return errors.length"), seconds=10, what="the page to notice")
    has(page, range(51))
    page.run("await mine")
    assert page.run("return errors")[0].startswith("connection-lost")


def test_page_whose_timers_are_held_back_notices_when_it_is_shown(gateway, pages, relay):
    between = relay()
    page = pages("/demo/", url=between.url)
    page.run("""
      const set = window.setTimeout;
      window.setTimeout = (callback, delay) => set(callback, delay > 100 ? 60000 + delay : delay);
    """)
    assert page.run(OPEN, 300) == "websocket"
    publish(gateway, range(5))
    has(page, range(5))
    between.silence()
    publish(gateway, range(5, 20))
    page.run("await new Promise((resolve) => { const channel = new MessageChannel(); const end = Date.now() + 600;"
             "channel.port1.onmessage = () => Date.now() < end ? channel.port2.postMessage(0) : resolve();"
             "channel.port2.postMessage(0); })")  # fmt: skip
    assert page.run("return errors") == []
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.run("return errors") == ["connection-lost: Nothing came for too long"]
    page.run("window.dispatchEvent(new Event('online'))")  # the pause before the next try is such a timer, too
    has(page, range(20))


WORKER = """
importScripts('URL/qmq.js');
qmq.connect('URL/stomp', {
  heartBeat: 300, onerror: (e) => postMessage(e.code), onstate: (state) => postMessage(state),
});
"""


def test_worker_notices(tmp_path, chrome, site):
    folder, origin = site
    gateway = Gateway(tmp_path, "--allowed-origins", origin)
    between = Relay(gateway.port)
    (folder / "worker.js").write_text(WORKER.replace("URL", between.url))
    home = chrome.current_window_handle
    page = Page(chrome, f"{origin}/page.html")
    try:
        page.run("window.heard = []; new Worker('worker.js').onmessage = (event) => heard.push(event.data)")
        until(lambda: page.run("return heard.join()") == "open")
        between.silence()
        until(lambda: page.run("return heard.join()") == "open,connection-lost,waiting,connecting,open")
    finally:
        page.close()
        chrome.switch_to.window(home)
        between.close()
        gateway.stop()
        gateway.log.close()


NODE = """
globalThis.WebSocket ||= require('ws');
const {connect, WebSocketTransport, StreamingTransport, LongPollingTransport} = require(process.argv[2]);
const kind = {websocket: WebSocketTransport, streaming: StreamingTransport, 'long-polling': LongPollingTransport};
const client = connect(process.argv[3], {heartBeat: 300, transports: [kind[process.argv[4]]],
  onerror: (e) => console.log(e.code), onstate: (state) => console.log(state)});
process.stdin.on('data', () => {}).on('end', () => client.dispose());
"""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_node_notices_and_ends_when_it_is_done(gateway, relay, transport):
    between = relay()
    command = ["node", "-e", NODE, "-", str(ROOT / "js/dist/qmq.js"), f"{between.url}/stomp", transport]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as node:
        lines = [node.stdout.readline().strip()]
        between.silence()
        while lines.count("open") < 2 and (line := node.stdout.readline()):
            lines.append(line.strip())
        assert lines[:3] == ["open", "connection-lost", "waiting"]
        node.stdin.close()
        assert node.stdout.readline() == "closed\n"
        if transport == "websocket":  # fetch of node keeps its connections, and node with them, for some seconds
            assert node.wait(10) == 0
        node.terminate()
