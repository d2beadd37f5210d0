"""The demo that includes the client in four ways: each connects, they hear each other, and what is missing is said."""

import pytest
from relay import PASS, REFUSE
from running import until

WAYS = {
    "script": "Plain script",
    "module": "ES module",
    "closure": "Closure, uncompiled",
    "compiled": "Closure, compiled",
}


def open_way(pages, name, **where):
    return pages(f"/demo/ways/{name}.html", **where)


def light(page):
    return page.text("#state")


def waves(page):
    """Who waved, the first one first."""
    return page.run("return [...document.querySelectorAll('#waves li')].map((li) => li.firstChild.data).reverse()")


def test_all_four_connect_and_hear_each_other(pages):
    opened = {name: open_way(pages, name) for name in WAYS}
    for name, page in opened.items():
        until(lambda page=page: light(page) == "open · websocket", what=name)
        page.run("document.querySelector('#wave').click()")
    for name, page in opened.items():
        until(lambda page=page: sorted(waves(page)) == sorted(WAYS.values()), what=f"all waves on {name}")
        assert page.console() == []
    late = open_way(pages, "compiled")
    until(lambda: sorted(waves(late)) == sorted(WAYS.values()), what="what was waved before")


@pytest.mark.parametrize("name", WAYS)
def test_the_light_tells_what_becomes_of_the_connection(gateway, pages, name):
    page = open_way(pages, name)
    until(lambda: light(page) == "open · websocket")
    gateway.kill()
    until(lambda: page.state() in ("waiting", "connecting"), what="the light")
    assert page.run("return document.querySelector('#reason').checkVisibility()")
    assert page.text("#reason") != ""
    gateway.start_again()
    until(lambda: light(page) == "open · websocket", what="the light again")
    assert not page.run("return document.querySelector('#reason').checkVisibility()")


@pytest.mark.parametrize("name", WAYS)
def test_each_fits_a_phone(chrome, pages, name):
    page = pages("/health/live")
    with page:
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chrome.get(chrome.current_url.replace("/health/live", f"/demo/ways/{name}.html"))
    until(lambda: light(page) == "open · websocket")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    assert page.console() == []


def test_without_the_library_the_uncompiled_page_says_what_it_lacks(pages, relay):
    between = relay(lambda head: REFUSE if b"/closure/goog/" in head else PASS)
    page = open_way(pages, "closure", url=between.url)
    until(lambda: light(page) == "not loaded")
    assert "base.js of the Closure Library" in page.text("#reason")
    assert page.run("return document.querySelector('#wave').disabled")
    assert all("base.js" in line or "goog is not defined" in line for line in page.console())
