"""What pages that come back have in common in these tests: they subscribe to numbers, and account for each of them."""

import asyncio
import itertools

from running import until

from qmq.client import connect

START = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.errors = [];
window.recovered = [];
window.states = [];
window.client = connect('/stomp', {
  onerror: (e) => errors.push({code: e.code, detail: e.detail}),
  onstate: (state) => states.push(state + ' ' + client.transport),
});
window.sub = client.subscribe('/topic/numbers', (m) => got.push(Number(m.text())), {
  onrecovered: (isWhole) => recovered.push([isWhole, got.length]), maxMessages: 100000, maxBytes: 16 << 20,
});
"""
OPEN = START + "await sub.ready; return client.transport"
NO_WEBSOCKET = "delete window.WebSocket; window.WebSocket = undefined;"
NO_STREAMS = "window.ReadableStream = undefined;"
TRANSPORTS = {"websocket": "", "streaming": NO_WEBSOCKET, "long-polling": NO_WEBSOCKET + NO_STREAMS}


def publish(gateway, numbers, pause=0.0):
    """A back end publishes numbers."""

    async def run():
        async with await connect(gateway.url) as client:
            for number in numbers:
                await client.publish("/topic/numbers", str(number), receipt=False)
                if pause:
                    await asyncio.sleep(pause)
            await client.publish("/topic/end", "")

    asyncio.run(run())


def has(page, numbers):
    """Waits until the page has exactly these, in order."""
    numbers = list(numbers)
    until(lambda: page.run("return got.length") >= len(numbers), seconds=30, what=f"{len(numbers)} messages")
    assert page.run("return got") == numbers


def talks_both_ways(gateway, page):
    publish(gateway, range(3))
    has(page, range(3))
    page.run("await client.publish('/topic/numbers', '3'); await client.publish('/topic/numbers', 'x'.repeat(300000))")
    until(lambda: page.run("return got.length") == 5)


def account(page, total):
    """Every number is there once and in order, or the page was told of the gap."""
    got, recovered = page.run("return got"), page.run("return recovered")
    assert got == sorted(set(got))
    gaps = [at for at, (before, after) in enumerate(itertools.pairwise([-1, *got])) if after != before + 1]
    told = {at for whole, at in recovered if not whole}
    assert set(gaps) <= told, (gaps, told)
    assert got[-1] == total - 1
