"""Pages that ask and pages that work: a Python back end answers, and no job is lost with the page that had it."""

import asyncio
import contextlib
import json
import threading

import pytest
from running import until

from qmq.client import connect

START = """
const {connect} = await import('/qmq.mjs');
window.got = [];
window.errors = [];
window.client = connect('/stomp', {onerror: (e) => errors.push({code: e.code, detail: e.detail})});
"""

ASK = (
    START
    + """
const ask = (body) => client.request('/queue/sums', body, {timeout: 10000}).then((m) => m.json());
return await Promise.all(arguments[0].map(ask));
"""
)

WORK = (
    START
    + """
window.sub = client.subscribe('/queue/jobs', (m) => got.push(m), {ack: 'client-individual', prefetch: arguments[0]});
return await sub.ready;
"""
)

SEEN = "return got.map((m) => [m.text(), m.redelivered])"


@contextlib.contextmanager
def back_end(gateway, destination, answer):
    """A worker in Python that answers requests, in a thread of its own."""
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def serve():
        async with await connect(gateway.url) as client:
            work = await client.subscribe(destination, {"ack": "client-individual"})
            ready.set()
            async for message in work:
                await message.reply(answer(message))
                await message.ack()

    def run():
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(serve())
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def inspect(gateway, queue):
    return json.loads(gateway.command("manage", "inspect", f"destination={queue}"))


def test_a_page_asks_and_a_back_end_answers(gateway, pages):
    page, other = pages("/demo/"), pages("/demo/", "localhost")
    with back_end(gateway, "/queue/sums", lambda message: {"sum": sum(message.json())}):
        asked = [[number, 1] for number in range(50)]
        assert page.run(ASK, asked) == [{"sum": number + 1} for number in range(50)]
        assert other.run(ASK, [[2, 3]]) == [{"sum": 5}]
    assert page.run("return errors") == other.run("return errors") == []


def test_a_back_end_asks_and_a_page_answers(gateway, pages):
    page = pages("/demo/")
    page.run(
        START + "const sub = client.subscribe('/queue/title', (m) => m.reply(document.title + m.text()));"
        "return await sub.ready"
    )
    assert gateway.command("request", "/queue/title", "!") == "Demos – QMQ!\n"


def test_a_page_asks_the_gateway_itself(pages):
    page = pages("/demo/")
    script = """
    const found = await client.request('/manage/list', {match: 'none'});
    const wrong = await client.request('/manage/nonsense');
    return [found.json().queues, wrong.headers.code, wrong.json().code];
    """
    assert page.run(START + script) == [[], "bad-operation", "bad-operation"]


def test_a_request_that_nobody_answers_times_out_and_its_work_is_done_for_nobody(gateway, pages):
    page = pages("/demo/")
    ask = """
    const [to, timeout] = arguments;
    return await client.request(to, [1], {timeout}).catch((e) => [e.code, e.retry, e.detail]);
    """
    assert page.run(START + ask, "/topic/sums", 200) == ["request-timeout", True, "none from /topic/sums in 200 ms"]
    assert page.run(ask, "/exchange/amq.direct/sums", 10000) == ["no-consumer", True, "/exchange/amq.direct/sums"]
    assert page.run(ask, "/queue/sums", 3000) == ["no-consumer", True, "/queue/sums"]
    until(lambda: inspect(gateway, "/queue/sums")["messages"] == 0, what="the request to expire")
    with back_end(gateway, "/queue/sums", lambda message: {"sum": sum(message.json())}):
        assert page.run(ASK, [[2, 2]]) == [{"sum": 4}]


def test_requests_end_with_the_connection(gateway, pages):
    page = pages("/demo/")
    page.run(START + "window.asked = client.request('/queue/nobody', 'x').catch((e) => e.code)")
    until(lambda: "/queue/nobody" in gateway.command("manage", "list"), what="the request to arrive")
    assert gateway.stop() == 0
    assert page.run("return await asked") == "connection-lost"
    assert page.run("return errors[0].code") == "shutting-down"


@pytest.mark.parametrize("end", ["its tab is closed", "it unsubscribes", "it goes elsewhere"])
def test_what_a_page_has_not_settled_goes_to_another_worker(gateway, pages, end):
    first, second = pages("/demo/"), pages("/demo/", "localhost")
    assert first.run(WORK, 3)["prefetch"] == 3
    for number in range(4):
        gateway.command("pub", "/queue/jobs", str(number))
    until(lambda: first.run("return got.length") == 3, what="three jobs")
    first.run("await got[0].ack()")
    until(lambda: first.run("return got.length") == 4, what="one more for one that is done")
    second.run(WORK, 10)
    assert second.run("return got.length") == 0
    if end == "it unsubscribes":
        first.run("await sub.unsubscribe()")
        assert first.run("return await got[1].ack().catch((e) => e.code)") == "unknown-delivery"
        assert first.run("return client.state") == "open"
    elif end == "its tab is closed":
        first.close()
    else:
        with first as chrome:
            chrome.get(gateway.url + "/health/live")
    until(lambda: second.run("return got.length") == 3, what="the jobs of the one that is gone")
    assert second.run(SEEN) == [["1", True], ["2", True], ["3", True]]
    second.run("await Promise.all(got.map((m) => m.ack()))")
    queue = inspect(gateway, "/queue/jobs")
    assert (queue["messages"], queue["unsettled"], queue["acked"]) == (0, 0, 4)
    assert second.run("return errors") == []


def test_a_page_gives_jobs_back_and_gives_them_up(gateway, pages):
    page = pages("/demo/")
    page.run(WORK, 1)
    gateway.command("pub", "/queue/jobs", "x")
    until(lambda: page.run(SEEN) == [["x", False]])
    page.run("await got[0].nack()")
    until(lambda: page.run(SEEN) == [["x", False], ["x", True]])
    wrong = "return await got[0].nack().catch((e) => [e.code, e.detail])"
    assert page.run(wrong) == ["unknown-delivery", "It is settled, or was given back"]
    page.run("await got[1].nack({requeue: false})")
    assert inspect(gateway, "/queue/jobs")["messages"] == 0
    assert page.run("return client.state") == "open"


def hand_in(page, text):
    page.run(
        "document.querySelector('#text').value = arguments[0]; document.querySelector('#form').requestSubmit()", text
    )


def asked(page):
    """What became of the jobs that a page handed in, the last one first."""
    script = "return [...document.querySelectorAll('#asked li')].map((li) => [li.dataset.fate || '', li.textContent])"
    return page.run(script)


def test_the_jobs_page(gateway, pages):
    boss, one, two = (pages("/demo/jobs.html", host) for host in ("127.0.0.1", "127.0.0.1", "localhost"))
    for page in (boss, one, two):
        until(lambda page=page: page.state() == "open", what="the connection light")
    one.run("document.querySelector('#work').click()")
    hand_in(boss, "<b>ton</b> a ekil")
    until(lambda: "“<b>ton</b> a ekil”" in one.text("#job"), what="the job on the page that works")
    two.run("document.querySelector('#work').click()")
    assert one.text("#work") == "Stop working"
    one.close()
    until(lambda: "which came back" in two.text("#job"), what="the job on the other page")
    until(lambda: asked(boss)[0][0] == "done", what="the job to be done")
    assert asked(boss)[0][1].startswith("like a >b/<not>b<by Page ")
    until(lambda: two.text("#done") == "1")
    gateway.command("pub", "/queue/demo.jobs", "no job")
    until(lambda: inspect(gateway, "/queue/demo.jobs")["unsettled"] == 0)
    two.run("document.querySelector('#work').click()")
    assert two.text("#job") == "This page does no work."
    assert boss.console() == two.console() == []


def test_the_jobs_page_fits_a_phone(chrome, pages):
    page = pages("/health/live")
    with page:
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chrome.get(chrome.current_url.replace("/health/live", "/demo/jobs.html"))
    until(lambda: page.state() == "open")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    assert page.console() == []
