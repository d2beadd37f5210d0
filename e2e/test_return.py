"""Pages that get through whatever stands in the way, and come back and miss nothing."""

import asyncio
import contextlib
import itertools
import os
import signal
import threading
import time

import pytest
from numbers_page import NO_STREAMS, NO_WEBSOCKET, OPEN, START, TRANSPORTS, account, has, publish, talks_both_ways
from relay import PASS, REFUSE, SWALLOW
from running import processes_of, until

from qmq.client import connect


@pytest.mark.parametrize(
    ("lacking", "transport"),
    [("", "websocket"), (NO_WEBSOCKET, "streaming"), (NO_WEBSOCKET + NO_STREAMS, "long-polling")],
)
def test_a_browser_without_it_takes_the_next(gateway, pages, lacking, transport):
    page = pages("/demo/")
    assert page.run(lacking + OPEN) == transport
    talks_both_ways(gateway, page)
    assert page.run("return errors") == []


def test_a_proxy_that_swallows_the_upgrade(gateway, pages, relay):
    between = relay(lambda head: SWALLOW if b"upgrade: websocket" in head.lower() else PASS)
    page = pages("/demo/", url=between.url)
    assert page.run(OPEN) == "streaming"
    talks_both_ways(gateway, page)
    page.run("client.dispose()")
    started = time.monotonic()
    assert page.run(OPEN) == "streaming"  # It is remembered, and nothing is waited for.
    assert time.monotonic() - started < 3


def test_when_everything_is_blocked_the_page_is_told_what_failed_and_why(pages, relay):
    between = relay(lambda head: REFUSE if b" /stomp" in head or b" /poll" in head else PASS)
    page = pages("/demo/", url=between.url)
    page.run(START)
    [error] = until(lambda: page.run("return errors.slice(0, 1)"))
    assert error["code"] == "connect-failed"
    detail = "websocket: no connection; streaming: Error: HTTP 403; long-polling: Error: HTTP 403"
    assert error["detail"] == detail
    assert page.run("return client.state") in ("waiting", "connecting")


@pytest.mark.parametrize(
    ("more", "transport"),
    [
        ("", "streaming"),  # As it comes from Debian: no upgrade, and it heeds X-Accel-Buffering.
        ("proxy_ignore_headers X-Accel-Buffering;", "long-polling"),
        ("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;", None),
    ],
    ids=["default", "buffering", "upgrading"],
)
def test_behind_nginx(gateway, pages, nginx, more, transport):
    page = pages("/demo/", url=nginx(f"proxy_set_header Host $http_host; {more}").url)
    assert page.run(OPEN) == (transport or "websocket")
    talks_both_ways(gateway, page)
    assert page.run("return errors") == []


@pytest.mark.parametrize("transport", ["streaming", "long-polling"])
def test_a_proxy_that_ends_connections_after_two_requests_costs_nothing(gateway, pages, nginx, transport):
    page = pages("/demo/", url=nginx("proxy_set_header Host $http_host; keepalive_requests 2;").url)
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    for number in range(12):
        page.run("await client.publish('/topic/numbers', arguments[0])", str(number))
        has(page, range(number + 1))
    assert page.run("return [errors, recovered]") == [[], []]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_is_cut_costs_nothing(gateway, pages, relay, transport):
    between = relay()
    page = pages("/demo/", url=between.url)
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    publish(gateway, range(10))
    has(page, range(10))
    between.down()
    publish(gateway, range(10, 500))
    page.run("window.mine = client.publish('/topic/numbers', '500')")
    between.down(False)
    has(page, range(501))
    page.run("await mine")
    assert all(whole for whole, _ in page.run("return recovered"))


def test_the_gateway_is_killed_and_comes_back(gateway, pages):
    page, other = pages("/demo/"), pages("/demo/", "localhost")
    for each in (page, other):
        assert each.run(OPEN) == "websocket"
    publish(gateway, range(5))
    has(page, range(5))
    gateway.kill()
    until(lambda: page.run("return client.state") != "open")
    page.run("window.mine = client.publish('/topic/numbers', '5')")
    gateway.start_again()
    page.run("await mine")
    for each in (page, other):
        until(lambda each=each: each.run("return recovered.length"), seconds=30)
        assert each.run("return recovered[0]") == [False, 5]  # Its past is gone, and they are told.
        assert each.run("return client.transport") == "websocket"
    until(lambda: 5 in page.run("return got"))
    publish(gateway, [6])
    until(lambda: other.run("return got.at(-1)") == 6)


@pytest.fixture
def offline(chrome):
    """Takes the browser's network away from a page, and gives it back."""

    def switch(page, is_offline):
        with page:
            if is_offline:
                chrome.set_network_conditions(offline=True, latency=0, throughput=-1)
            else:
                chrome.delete_network_conditions()

    yield switch
    chrome.delete_network_conditions()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_browsers_network_goes_and_comes_back(gateway, pages, offline, transport):
    page = pages("/demo/")
    page.run(TRANSPORTS[transport] + OPEN)
    publish(gateway, range(5))
    has(page, range(5))
    offline(page, True)
    publish(gateway, range(5, 50))
    if transport == "long-polling":  # Chromium lets what is under way go on.
        until(lambda: page.run("return client.state") != "open", seconds=30)
    page.run("window.mine = client.publish('/topic/numbers', '50')")
    offline(page, False)
    has(page, range(51))
    page.run("await mine")
    assert all(page.run("return recovered.map(([isWhole]) => isWhole)"))


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
def test_a_page_that_was_put_away_has_everything(chrome, gateway, pages, transport):
    page = pages("/demo/")
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    with page:
        chrome.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "frozen"})
    publish(gateway, range(100))
    with page:
        chrome.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "active"})
    has(page, range(100))


@pytest.fixture
def asleep(chrome):
    """Puts the whole browser to sleep, as the lid of a laptop does: nothing of it runs, timers and network included."""

    @contextlib.contextmanager
    def sleep():
        browser = processes_of(chrome.service.process.pid)[1:]  # the first is the driver's
        for pid in browser:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(browser):
                os.kill(pid, signal.SIGCONT)

    return sleep


# Minutes pass for the gateway in these seconds: it gives clients up much sooner than usual.
HASTY = ["--limits-ping-seconds", "0.5", "--limits-poll-gone-seconds", "1", "--limits-poll-hold-seconds", "0.5"]


@pytest.mark.parametrize("gateway", [HASTY], indirect=True, ids=["hasty"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_laptop_that_slept_until_it_was_given_up_has_everything(gateway, pages, relay, asleep, transport):
    between = relay()
    page = pages("/demo/", url=between.url)
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    publish(gateway, range(5))
    has(page, range(5))
    until(lambda: gateway.connections() == 1)
    with asleep():
        if transport == "streaming":  # here the kernel still takes what comes; of a laptop that slept nothing would
            between.down()
        publish(gateway, range(5, 100))
        until(lambda: gateway.connections() == 0, what="the gateway to give it up")
        publish(gateway, range(100, 200))
        between.down(False)
    page.run("window.mine = client.publish('/topic/numbers', '200')")
    has(page, range(201))
    page.run("await mine")
    assert page.run("return recovered.length") >= 1
    assert all(page.run("return recovered.map(([isWhole]) => isWhole)"))


@pytest.mark.parametrize("gateway", [HASTY], indirect=True, ids=["hasty"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_tab_in_the_background_stays_connected(gateway, pages, transport):
    page = pages("/demo/")
    assert page.run(TRANSPORTS[transport] + OPEN) == transport
    page.run("""
      window.seen = [];
      client.subscribe('/topic/questions', (m) => {
        seen.push(document.visibilityState);
        client.publish('/topic/answers', m.text());
      });
    """)
    page.run("await client.publish('/topic/numbers', '0')")  # the subscription was before it
    pages("/health/live")  # another tab, which hides it

    async def ask():
        async with await connect(gateway.url) as client:
            answers = aiter(await client.subscribe("/topic/answers"))
            for number in range(4):
                await client.publish("/topic/questions", str(number))
                async with asyncio.timeout(10):
                    assert (await anext(answers)).text() == str(number)
                await asyncio.sleep(1.2)  # twice the time after which a client is gone that says nothing

    asyncio.run(ask())
    assert page.run("return seen") == ["hidden"] * 4
    assert page.run("return [states.filter((s) => !s.startsWith('open')), recovered, errors]") == [[], [], []]


def test_two_tabs_come_back_each_for_itself(gateway, pages, relay):
    between = relay()
    one = pages("/demo/", url=between.url)
    assert one.run(OPEN) == "websocket"
    two = pages("/demo/", url=between.url)
    assert two.run(OPEN) == "websocket"
    between.down()
    publish(gateway, range(100))
    for number, page in enumerate((one, two), 100):
        page.run("window.mine = client.publish('/topic/numbers', arguments[0])", str(number))
    between.down(False)
    for page in (one, two):
        page.run("await mine")
        until(lambda page=page: page.run("return got.length") >= 102, what="all numbers")
        got = page.run("return got")
        assert (got[:100], sorted(got[100:])) == (list(range(100)), [100, 101])
    one.close()
    publish(gateway, [102])
    until(lambda: two.run("return got.at(-1)") == 102, what="what came after the other was closed")


def test_a_page_gets_back_to_the_better_way_when_it_is_open_again(gateway, pages, relay):
    rule = {"swallow": True}
    between = relay(lambda head: SWALLOW if rule["swallow"] and b"upgrade: websocket" in head.lower() else PASS)
    page = pages("/demo/", url=between.url)
    assert page.run(OPEN) == "streaming"
    rule["swallow"] = False

    def restart():
        before = page.run("return states.length")
        gateway.kill()
        gateway.start_again()
        until(lambda: page.run("return states.slice(arguments[0]).some((s) => s.startsWith('open'))", before))
        return page.run("return client.transport")

    assert restart() == "streaming"  # what worked is remembered for five minutes
    page.run("const now = Date.now; Date.now = () => now() + 301000")
    assert restart() == "websocket"
    publish(gateway, [7])
    until(lambda: page.run("return got.at(-1)") == 7)


def test_a_thousand_messages_a_second_with_a_reconnect_every_second(gateway, pages, relay):
    seconds, rate = 60, 1000
    between = relay()
    opened = [pages("/demo/", url=between.url) for _ in range(2)]
    opened[0].run(OPEN)
    opened[1].run(NO_WEBSOCKET + OPEN)
    done = threading.Event()

    async def pour():
        async with await connect(gateway.url) as client:
            began = time.monotonic()
            for number in range(seconds * rate):
                await client.publish("/topic/numbers", str(number), receipt=False)
                ahead = began + number / rate - time.monotonic()
                if ahead > 0.002:
                    await asyncio.sleep(ahead)
            await client.publish("/topic/end", "")
        done.set()

    source = threading.Thread(target=lambda: asyncio.run(pour()))
    source.start()
    cuts = itertools.count()
    while not done.wait(1.0):
        between.cut()
        next(cuts)
    source.join()
    for page in opened:
        until(lambda page=page: page.run("return got.at(-1)") == seconds * rate - 1, seconds=30, what="the last one")
        account(page, seconds * rate)
    assert next(cuts) >= 50
    assert opened[0].run("return recovered.length") >= 30
    assert opened[1].run("return recovered.length") == 0  # Its session outlives the connections that it goes over.
