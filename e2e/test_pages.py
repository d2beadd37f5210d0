"""Two browser pages and a back end talk to each other; pages die and pages stop reading."""

import asyncio
import json

import pytest
from running import until
from selenium.common.exceptions import WebDriverException

from qmq.client import connect

START = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.errors = [];
window.client = connect('/stomp', {onerror: (e) => errors.push({code: e.code, detail: e.detail, retry: e.retry})});
window.sub = client.subscribe(arguments[0], (m) => got.push(m.text()), arguments[1] || {});
return await sub.ready.then((granted) => granted);
"""


def start(page, destination, bounds=None):
    """Makes a page subscribe; returns what it was granted."""
    return page.run(START, destination, bounds)


def say(page, text):
    page.run(
        "document.querySelector('#text').value = arguments[0]; document.querySelector('#form').requestSubmit()", text
    )


def said(page):
    """The chat's list: who said what."""
    return page.run(
        "return [...document.querySelectorAll('#log li')]"
        ".map((li) => [li.dataset.who, li.querySelector('.text').textContent])"
    )


def test_two_pages_and_a_back_end(gateway, pages):
    one, two = pages("/demo/chat.html"), pages("/demo/chat.html")
    for page, name in ((one, "Ada"), (two, "Grace")):
        until(lambda page=page: page.state() == "open", what="the connection light")
        page.run(
            "const n = document.querySelector('#name'); n.value = arguments[0]; n.dispatchEvent(new Event('change'))",
            name,
        )
    say(one, "hello <b>you</b>")
    until(lambda: ["Ada", "hello <b>you</b>"] in said(two), what="Ada's words on Grace's page")
    until(lambda: one.run("return document.querySelector('#log li.own').dataset.fate") == "delivered")
    say(two, "hello back")
    until(lambda: ["Grace", "hello back"] in said(one))
    gateway.command("pub", "/topic/demo.chat", json.dumps({"who": "job", "text": "from a back end", "at": 0}))
    for page in (one, two):
        until(lambda page=page: ["job", "from a back end"] in said(page))
        assert page.console() == []


def test_a_back_end_hears_a_page(gateway, pages):
    page = pages("/demo/")
    start(page, "/topic/answers")
    echo = page.run(
        "client.publish('/topic/binary', new Uint8Array([0, 255, 10])); "
        "await client.publish('/topic/answers', {deep: ['ä', 1]}); return client.state"
    )
    assert echo == "open"
    assert until(lambda: page.run("return got")) == ['{"deep":["ä",1]}']


def test_the_ticker_moves(pages):
    page = pages("/demo/ticker.html")
    until(
        lambda: page.run("return document.querySelectorAll('#prices tr[data-symbol]').length") == 5, what="five prices"
    )
    script = "return document.querySelector('#chart').toDataURL()"
    first = page.run(script)
    until(lambda: page.run(script) != first, what="a plot that changes")
    assert page.console() == []


def test_the_landing_page_shows_prices_and_leads_to_the_demos(pages):
    page = pages("/")
    until(lambda: page.run("return document.documentElement.dataset.demo") == "on")
    until(lambda: page.run("return document.querySelector('#prices .price').textContent") not in ("", "–"))
    assert page.run("return [...document.querySelectorAll('.cards a.demo')].every((a) => a.href.includes('/demo/'))")


def test_no_label_of_the_tickers_axis_is_cut(chrome, pages):
    page = pages("/health/live")
    with page:
        chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
          window.starts = {};
          const draw = CanvasRenderingContext2D.prototype.fillText;
          CanvasRenderingContext2D.prototype.fillText = function(text, x, y) {
            const width = this.measureText(text).width;
            starts[text] = this.textAlign === 'right' ? x - width : this.textAlign === 'center' ? x - width / 2 : x;
            draw.call(this, text, x, y);
          };"""})  # fmt: skip
        chrome.get(chrome.current_url.replace("/health/live", "/demo/ticker.html"))
    until(lambda: [text for text in page.run("return Object.keys(starts)") if text.startswith("+")], what="a label")
    page.run("window.starts = {}")
    starts = until(lambda: page.run("return starts"), what="the next picture")
    assert min(starts.values()) >= 1, starts


@pytest.mark.parametrize("path", ["/", "/demo/", "/demo/chat.html", "/demo/ticker.html", "/demo/jobs.html"])
def test_pages_fit_a_phone_and_log_nothing(chrome, pages, path):
    page = pages("/health/live")
    with page:
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chrome.get(chrome.current_url.replace("/health/live", path))
    until(lambda: page.run("return document.readyState") == "complete")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    assert page.console() == []


@pytest.mark.parametrize("death", ["its process dies", "its tab is closed"])
def test_a_killed_page_disturbs_nobody(chrome, pages, death):
    survivor, victim = pages("/demo/"), pages("/demo/", "localhost")
    start(survivor, "/topic/shared")
    start(victim, "/topic/shared")
    if death == "its process dies":
        with victim, pytest.raises(WebDriverException):
            chrome.get("chrome://crash")
    victim.close()
    survivor.run(
        "for (let i = 0; i < 100; i++) client.publish('/topic/shared', String(i));"
        "await client.publish('/topic/shared', 'end')"
    )
    until(lambda: survivor.run("return got.length") == 101)
    assert survivor.run("return got") == [*map(str, range(100)), "end"]
    assert survivor.run("return errors") == []


# Keeps a page's own thread waiting until something is published to wake it: what it is sent fills its
# browser's buffers, then the kernel's, and then waits in the server. Those buffers hold tens of megabytes.
HANG = """
await client.subscribe('/topic/hang', () => {
  for (let answer = {messages: []}; !answer.messages.length;) {
    const request = new XMLHttpRequest();
    request.open('GET', '/api/v1/messages?destination=/topic/wake&from=earliest&wait=20', false);
    request.send();
    answer = JSON.parse(request.responseText);
  }
}).ready;
"""


def hang(gateway, page):
    """Lets a page hang; no script can be run in it until `wake`."""
    page.run(HANG)
    gateway.command("pub", "/topic/hang", "now")


def wake(gateway):
    """Lets the pages that hang go on."""
    gateway.command("pub", "/topic/wake", "now")


def flood(gateway, destination, count, last="x" * 65536):
    """A back end publishes `count` messages of 64 KiB; returns when the gateway has them."""

    async def run():
        async with await connect(gateway.url) as client:
            headers = {"symbol": "ACME"}
            for _ in range(count - 1):
                await client.publish(destination, "x" * 65536, headers, receipt=False)
            await client.publish(destination, last, headers)

    asyncio.run(run())


def test_a_page_that_stops_reading_is_dropped_with_its_reason_and_others_are_not(gateway, pages):
    reader, stuck = pages("/demo/"), pages("/demo/", "localhost")
    start(reader, "/topic/flood", {"maxBytes": 16 << 20, "maxMessages": 100_000})
    granted = start(stuck, "/topic/flood", {"maxMessages": 10, "overflow": "disconnect"})
    assert granted["maxMessages"] == 10
    stuck.run("window.ended = new Promise((resolve) => client.onerror = (e) => resolve([e, got.length]))")
    hang(gateway, stuck)
    sent = 0
    while not any("slow-consumer" in line for line in gateway.lines()):
        flood(gateway, "/topic/flood", 100)
        sent += 100
        until(lambda sent=sent: reader.run("return got.length") == sent, what="all messages on the page that reads")
        assert sent < 4000
    assert reader.run("return errors") == []
    wake(gateway)
    reason = stuck.run("const [e, had] = await ended; return {code: e.code, detail: e.detail, retry: e.retry, had}")
    assert reason["code"] == "slow-consumer"
    assert "max-messages of /topic/flood is 10" in reason["detail"]
    assert reason["retry"] is True
    assert reason["had"] < sent  # when it was told; it may have come back and got the rest by now


def test_a_page_that_stops_reading_and_conflates_gets_the_latest(gateway, pages):
    stuck = pages("/demo/", "localhost")
    start(stuck, "/topic/quotes", {"maxMessages": 5, "overflow": "conflate", "conflateKey": "symbol"})
    hang(gateway, stuck)
    flood(gateway, "/topic/quotes", 1500, "last")
    wake(gateway)
    until(lambda: stuck.run("return got.at(-1)") == "last", seconds=20, what="the latest quote")
    assert stuck.run("return got.length") < 1500
    assert stuck.run("return errors") == []


def test_a_stopping_node_says_so(gateway, pages):
    page = pages("/demo/")
    start(page, "/topic/any")
    assert gateway.stop() == 0
    [error] = until(lambda: page.run("return errors"))
    assert (error["code"], error["retry"]) == ("shutting-down", True)


def test_a_wrong_request_is_explained_to_the_page_that_made_it(pages):
    good, bad = pages("/demo/"), pages("/demo/")
    start(good, "/topic/fine")
    start(bad, "/topic/fine")
    reason = bad.run("return await client.publish('/topic/*', 'x').catch((e) => ({code: e.code, detail: e.detail}))")
    assert reason["code"] == "bad-pattern"
    assert "wildcards" in reason["detail"]
    assert good.run("await client.publish('/topic/fine', 'still here'); return client.state") == "open"
    until(lambda: good.run("return got") == ["still here"])
