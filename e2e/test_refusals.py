"""One wrong call of a page is one wrong call, whatever carries it: it is rejected, and nothing else is touched."""

import json

import pytest
from numbers_page import TRANSPORTS
from running import until

OPEN = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.heard = [];
window.client = connect('/stomp', {onerror: (e) => heard.push(e.code), onstate: (state) => heard.push(state)});
window.sub = client.subscribe('/topic/numbers', (m) => got.push(m.text()));
await sub.ready;
window.code = (promise) => promise.then(() => 'ok', (error) => error.code || error.name);
return client.transport;
"""

WRONG = """
const jobs = [];
client.subscribe('/queue/jobs', (m) => jobs.push(m), {ack: 'client-individual'});
await client.publish('/queue/jobs', 'x');
await client.publish('/topic/numbers', 'before');
const many = Object.fromEntries([...Array(100).keys()].map((number) => ['h' + number, number]));
const all = {
  destination: client.publish('/nowhere', 'x'),
  name: client.publish('/topic/a b', 'x'),
  body: client.publish('/topic/numbers', 'x'.repeat(3000000)),
  bytes: client.publish('/topic/numbers', new Uint8Array(2000000)),
  blob: client.publish('/topic/numbers', new Blob(['x'.repeat(1500000)])),
  header: client.publish('/topic/numbers', 'x', {headers: {h: 'x'.repeat(100000)}}),
  headers: client.publish('/topic/numbers', 'x', {headers: many}),
  expiration: client.publish('/queue/a', 'x', {headers: {expiration: 'soon'}}),
  request: client.request('/exchange/none/a', 'x'),
  map: client.publish('/topic/numbers', new Map()),
  reserved: client.publish('/topic/system.a', 'x'),
  good: client.publish('/topic/numbers', 'behind'),
  subscription: client.subscribe('/topic/a*', () => {}, {onerror: () => {}}).ready,
  bound: client.subscribe('/topic/a', () => {}, {overflow: 'explode', onerror: () => {}}).ready,
};
const told = {};
for (const [name, promise] of Object.entries(all)) told[name] = await code(promise);
while (!jobs.length) await new Promise((resolve) => setTimeout(resolve, 10));
told.ack = await code(jobs[0].ack());
told.again = await code(jobs[0].ack());
await client.publish('/topic/numbers', 'after');
return told;
"""

TOLD = {
    "destination": "bad-destination",
    "name": "bad-pattern",
    "body": "frame-too-large",
    "bytes": "frame-too-large",
    "blob": "frame-too-large",
    "header": "headers-too-large",
    "headers": "headers-too-large",
    "expiration": "bad-header",
    "request": "not-found",
    "map": "TypeError",
    "reserved": "forbidden",
    "good": "ok",
    "subscription": "bad-pattern",
    "bound": "bad-header",
    "ack": "ok",
    "again": "unknown-delivery",
}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_wrong_calls_are_rejected_and_nothing_else_is_touched(pages, transport):
    page = pages("/demo/")
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    assert page.run(WRONG) == TOLD
    until(lambda: len(page.run("return got")) == 3)
    assert page.run("return [got, heard, client.state]") == [["before", "behind", "after"], ["open"], "open"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_waits_and_is_refused_on_the_return_is_not_said_again(gateway, pages, relay, transport):
    between = relay()
    page = pages("/demo/", url=between.url)
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    between.down()
    until(lambda: page.run("return client.state") != "open")
    page.run("""
      window.told = {};
      const note = (name, promise) => code(promise).then((what) => told[name] = what);
      note('bad', client.publish('/nowhere', 'x'));
      note('large', client.publish('/topic/numbers', 'x'.repeat(900000), {headers: {h: 'x'.repeat(10000)}}));
      note('good', client.publish('/topic/numbers', 'good'));
      const onerror = (error) => note('onerror', Promise.reject(error));
      note('subscription', client.subscribe('/topic/a*', () => {}, {onerror}).ready);
    """)
    between.down(False)
    until(lambda: len(page.run("return Object.keys(told)")) == 5, seconds=30)
    assert page.run("return told") == {
        "bad": "bad-destination", "large": "headers-too-large", "good": "ok", "subscription": "bad-pattern",
        "onerror": "bad-pattern",
    }  # fmt: skip
    until(lambda: page.run("return got") == ["good"])
    refused = refusals(gateway)
    between.down()
    until(lambda: page.run("return client.state") != "open")
    between.down(False)
    page.run("await client.publish('/topic/numbers', 'again')")
    assert refusals(gateway) == refused


def refusals(gateway):
    """How many frames the gateway has refused."""
    return json.loads(gateway.command("manage", "stats"))["counters"].get("frames_refused", 0)
