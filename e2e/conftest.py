"""A real node in a process of its own, and real Chromium pages that talk to it."""

import functools
import http.server
import threading

import pytest
from browsers import start_chromium
from page import Page
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


@pytest.fixture
def site(tmp_path):
    """Serves a folder from an origin that is not the gateway's; gives both."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "page.html").write_text("<!doctype html><title>A page</title>")
    handler = functools.partial(Files, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Files(http.server.SimpleHTTPRequestHandler):
    """A file server that is silent."""

    def log_message(self, *what):
        pass
