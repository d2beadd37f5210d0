"""A real node in a process of its own, and real Chromium pages that talk to it."""

import re
from urllib.parse import urlsplit

import pytest
from browsers import start_chromium
from proxy import Nginx
from relay import PASS, Relay
from running import Gateway


@pytest.fixture
def gateway(tmp_path, request):
    """A node with the demo, stopped properly at the end; what it logs as a warning fails the test.

    A test may give it more options, as the fixture's parameter.
    """
    more = getattr(request, "param", ())
    running = Gateway(tmp_path, "--demo", "--drain", "0.5", "--limits-linger-seconds", "1", *more)
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0
    assert not [line for line in running.lines() if " WARNING " in line or " ERROR " in line or "Traceback" in line]
    running.log.close()


@pytest.fixture
def relay(gateway):
    """Makes relays to the gateway."""
    made = []

    def make(rule=lambda head: PASS):
        made.append(Relay(gateway.port, rule))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def chrome():
    """One browser for all tests."""
    driver = start_chromium()
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


class Page:
    """One tab."""

    def __init__(self, chrome, url):
        self.chrome = chrome
        self.port = urlsplit(url).port
        chrome.switch_to.new_window("tab")
        self.handle = chrome.current_window_handle
        chrome.get(url)

    def __enter__(self):
        self.chrome.switch_to.window(self.handle)
        return self.chrome

    def __exit__(self, *error):
        pass

    def run(self, script, *arguments):
        """Runs a script in the page; what it returns, a promise included, is the result."""
        with self as chrome:
            return chrome.execute_script(script, *arguments)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def state(self):
        return self.run("return document.querySelector('#state').dataset.state")

    def console(self):
        """What this node's pages wrote to their consoles as errors.

        The browser has one log for all its tabs, and a tab that an earlier test closed may still write to it.
        """
        with self as chrome:
            errors = [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
        mine = [text for text in errors if set(re.findall(r"//[\w.]+:(\d+)", text)) <= {str(self.port)}]
        return [text for text in mine if not text.startswith("chrome-error:")]  # what no page of ours can be

    def close(self):
        with self as chrome:
            chrome.close()


@pytest.fixture
def pages(chrome, gateway):
    """Opens tabs: `page = pages("/demo/chat.html")`. All are closed at the end.

    Tabs of another host name have a process of their own, so that one may hang alone.
    """
    home = chrome.window_handles[0]
    opened = []

    def open_page(path, host="127.0.0.1", url=None):
        page = Page(chrome, (url or gateway.url).replace("127.0.0.1", host) + path)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        if page.handle in chrome.window_handles:
            page.close()
    chrome.switch_to.window(home)


@pytest.fixture
def nginx(gateway, tmp_path):
    """Puts nginx before the gateway; gives the address of a relay to it."""
    made = []

    def make(more=""):
        proxy = Nginx(tmp_path, gateway.port, more)
        made.append(proxy)
        made.append(Relay(str(proxy.socket)))
        return made[-1]

    yield make
    for each in reversed(made):
        each.close()
