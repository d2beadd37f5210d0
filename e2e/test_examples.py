"""The examples of the README and of the landing page do what they say, as they stand, in a real browser."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page import Page
from running import Gateway, until

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"


def example(language):
    """The first example of the README in a language."""
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)[1]


def page_of(gateway):
    """The README's page, for a gateway that has another port."""
    assert example("html").count(ADDRESS) == 2
    return example("html").replace(ADDRESS, gateway.url)


@pytest.fixture
def serve(tmp_path):
    """Starts a gateway with a folder of pages: `gateway = serve("--demo")`."""
    started = []
    (tmp_path / "pages").mkdir()

    def serve(*options):
        started.append(
            Gateway(tmp_path, *options, "--static", str(tmp_path / "pages"), "--listen", "stomp://127.0.0.1:0")
        )
        return started[-1]

    yield serve
    for gateway in started:
        assert gateway.stop() == 0
        gateway.log.close()


@pytest.fixture
def tab(chrome):
    """Opens tabs, and closes them at the end."""
    home, opened = chrome.current_window_handle, []

    def tab(url):
        opened.append(Page(chrome, url))
        return opened[-1]

    yield tab
    for page in opened:
        page.close()
    chrome.switch_to.window(home)


def texts(page, name):
    return page.run(
        "return Array.from(document.querySelectorAll(arguments[0] + ' li'), (li) => li.textContent)", f"#{name}"
    )


def shows_prices_and_what_it_says(page):
    symbols = {"ACME", "BOLT", "CRUX", "DUNE", "ECHO"}
    until(lambda: {text.split(" ")[0] for text in texts(page, "prices")} >= symbols, what="prices")
    assert all(re.fullmatch(r"[A-Z]+ \d+(\.\d+)?", text) for text in texts(page, "prices"))
    until(lambda: texts(page, "hello"), what="what it says itself")
    assert json.loads(texts(page, "hello")[0]) == {"from": "a page"}


def test_page_of_the_readme_shows_prices_and_what_is_said(serve, tab, tmp_path):
    gateway = serve("--demo")
    (tmp_path / "pages/hello.html").write_text(page_of(gateway))
    page = tab(f"{gateway.url}/hello.html")
    shows_prices_and_what_it_says(page)
    gateway.command("pub", "/topic/hello", '{"from": "a terminal"}')
    until(lambda: '{"from": "a terminal"}' in texts(page, "hello"))
    # The back end of the README says something, too.
    stomp = json.loads((tmp_path / "ready.json").read_text())["listen"][1]["port"]
    program = example("python").replace("127.0.0.1:61613", f"127.0.0.1:{stomp}")
    back_end = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    try:
        until(lambda: "MINE 120.5" in texts(page, "prices"), what="the price of the back end")
    finally:
        back_end.kill()
        back_end.wait()
    assert page.console() == []


def test_page_of_the_readme_may_come_from_another_port_of_this_machine(serve, tab, site):
    gateway = serve("--demo")
    folder, origin = site
    (folder / "hello.html").write_text(page_of(gateway))
    shows_prices_and_what_it_says(tab(f"{origin}/hello.html"))


@pytest.mark.parametrize("where", ["another origin", "a file"])
def test_page_that_may_not_come_hears_so_and_stops(serve, tab, site, where):
    gateway = serve()
    folder, origin = site
    (folder / "hello.html").write_text(page_of(gateway))
    opened = tab(f"{origin}/hello.html" if where == "another origin" else f"file://{folder}/hello.html")
    until(lambda: opened.run("return client.state") == "closed", what="the client to stop")
    error = opened.run("const {code, retry} = await client.closed; return [code, retry]")
    assert error == ["bad-origin", False]


def test_page_of_the_landing_page_says_hello_to_itself(serve, tab, tmp_path):
    gateway = serve("--demo")
    landing = tab(f"{gateway.url}/")
    until(lambda: gateway.url in landing.text("#page code"))
    (tmp_path / "pages/ten.html").write_text(landing.text("#page code"))
    page = tab(f"{gateway.url}/ten.html")
    until(lambda: page.run("return document.querySelectorAll('#log li').length"))
    assert json.loads(page.text("#log li")) == {"who": "my page", "text": "Hello!"}
    assert page.console() == []
