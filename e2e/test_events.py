"""The browser's own EventSource: it gets everything, also after its connection was cut, without a line of ours."""

import json
import urllib.request

from relay import Relay
from running import until

START = """
window.got = [];
window.told = [];
window.source = new EventSource('/api/v1/stream?destination=/topic/numbers.%23&max-messages=100000');
source.onmessage = (e) => got.push([e.lastEventId, JSON.parse(e.data).body]);
for (const name of ['subscribed', 'gap']) {
  source.addEventListener(name, (e) => told.push([name, JSON.parse(e.data).recovered]));
}
source.onerror = (e) => told.push(['error', e.data ? JSON.parse(e.data).code : '']);
"""


def call(gateway, path, value=None):
    """Asks the API, as `curl` would."""
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{gateway.url}/api/v1{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def publish(gateway, numbers):
    return call(gateway, "/publish", [{"destination": "/topic/numbers.e2e", "body": number} for number in numbers])[
        "ids"
    ]


def has(page, count):
    until(lambda: page.run("return got.length") >= count, what=f"{count} messages")


def test_an_event_source_comes_back_by_itself_and_misses_nothing(gateway, pages):
    relay = Relay(gateway.port)
    try:
        page = pages("/", url=relay.url)
        page.run(START)
        until(lambda: page.run("return told.length"), what="the subscription")
        ids = publish(gateway, range(10))
        has(page, 10)
        for round_ in range(1, 4):
            relay.cut()
            ids += publish(gateway, range(10 * round_, 10 * round_ + 10))
            has(page, len(ids))
        assert page.run("return got") == [[identity, number] for number, identity in enumerate(ids)]
        told = page.run("return told")
        assert told.count(["subscribed", True]) >= 2 and ["gap", False] not in told
        page.run("source.close()")
    finally:
        relay.close()


def test_behind_nginx_as_it_comes_events_are_not_held_back(gateway, pages, nginx):
    page = pages("/", url=nginx("proxy_set_header Host $http_host;").url)
    page.run(START)
    until(lambda: page.run("return told.length"), what="the subscription")
    for number in range(3):
        publish(gateway, [number])
        has(page, number + 1)
    page.run("source.close()")


def test_after_a_restart_it_is_told_of_the_gap(gateway, pages):
    page = pages("/")
    page.run(START)
    until(lambda: page.run("return told.length"), what="the subscription")
    publish(gateway, [1])
    until(lambda: page.run("return got.length"), what="the message")
    gateway.kill()
    gateway.start_again()
    until(lambda: page.run("return told.some(([name]) => name === 'gap')"), what="the gap")
    publish(gateway, [2])
    until(lambda: page.run("return got.length") == 2, what="the message")
    page.run("source.close()")


def test_it_is_told_why_it_ends(gateway, pages):
    page = pages("/")
    page.run(START)
    until(lambda: page.run("return told.length"), what="the subscription")
    [name] = [each["name"] for each in call(gateway, "/connections")["connections"] if each["protocol"] == "events"]
    request = urllib.request.Request(f"{gateway.url}/api/v1/connections/{name}", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()
    until(lambda: page.run("return told.some(([_, code]) => code === 'kicked')"), what="the reason")
    until(lambda: page.run("return told.filter(([name]) => name === 'subscribed').length") == 2, what="it to be back")
    page.run("source.close()")


def test_a_foreign_page_hears_nothing(gateway, pages):
    page = pages("", url="about:blank")  # whose origin is null
    page.run(
        "window.opened = window.failed = 0; window.source = new EventSource(arguments[0]);"
        "source.onopen = () => opened++; source.onerror = () => failed++;",
        f"{gateway.url}/api/v1/stream?destination=/topic/numbers.%23",
    )
    until(lambda: page.run("return failed"), what="the refusal")
    assert page.run("return [opened, source.readyState]") == [0, 2]


def test_the_page_of_the_api_has_no_faults(gateway, pages):
    page = pages("/api/")
    assert page.text("h1") == "JSON over HTTP"
    assert page.run("return document.styleSheets.length") == 2
    assert page.console() == []
