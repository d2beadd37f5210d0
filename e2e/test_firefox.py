"""The browser client in Firefox: it gets through by each transport, comes back by each, and misses nothing."""

import pytest
from firefox import Firefox
from numbers_page import OPEN, TRANSPORTS, has, publish, talks_both_ways
from running import until


@pytest.fixture(scope="session")
def firefox(tmp_path_factory):
    """One browser for all tests."""
    browser = Firefox(tmp_path_factory.mktemp("firefox"))
    yield browser
    browser.quit()


@pytest.fixture
def tab(firefox, gateway):
    """Opens a tab of the gateway that lacks something: `tab("delete window.WebSocket", url)`."""
    opened = []

    def open_tab(lacking="", url=None):
        opened.append(firefox.open(f"{url or gateway.url}/demo/", lacking))
        return opened[-1]

    yield open_tab
    for each in opened:
        each.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_takes_the_best_that_there_is(gateway, tab, transport):
    page = tab(TRANSPORTS[transport])
    assert page.run(OPEN) == transport
    talks_both_ways(gateway, page)
    assert page.run("return errors") == []
    assert page.console() == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_is_cut_costs_nothing(gateway, tab, relay, transport):
    between = relay()
    page = tab(TRANSPORTS[transport], between.url)
    assert page.run(OPEN) == transport
    publish(gateway, range(10))
    has(page, range(10))
    between.down()
    publish(gateway, range(10, 500))
    page.run("window.mine = client.publish('/topic/numbers', '500')")
    between.down(False)
    has(page, range(501))
    page.run("await mine")
    assert all(whole for whole, _ in page.run("return recovered"))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_its_network_goes_and_comes_back(gateway, tab, transport):
    page = tab(TRANSPORTS[transport])
    assert page.run(OPEN) == transport
    publish(gateway, range(5))
    has(page, range(5))
    page.offline(True)
    assert page.run("return navigator.onLine") is False
    publish(gateway, range(5, 50))
    page.run("window.mine = client.publish('/topic/numbers', '50')")
    page.offline(False)
    has(page, range(51))
    page.run("await mine")
    assert all(whole for whole, _ in page.run("return recovered"))


@pytest.mark.parametrize("way", ["script", "module", "closure", "compiled"])
def test_the_demos_connect(firefox, gateway, way):
    page = firefox.open(f"{gateway.url}/demo/ways/{way}.html")
    light = "return document.querySelector('#state').textContent"
    until(lambda: page.run(light) == "open · websocket", what="the light")
    page.run("document.querySelector('#wave').click()")
    until(lambda: page.run("return document.querySelectorAll('#waves li').length") == 1, what="the wave")
    assert page.console() == []
    page.close()
