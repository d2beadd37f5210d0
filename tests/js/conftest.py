"""A browser and a server of files, for the tests of the browser client.

The server gives out the repository as it lies there, and for each test file a
page that runs it. It listens on the loopback only, on any free port. The
browser is started once for all tests, and neither is started if no test asks.
"""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest
from browsers import start_chromium

ROOT = Path(__file__).resolve().parents[2]
BASE = "node_modules/google-closure-library/closure/goog"
DEPS = "build/closure-deps.js"

PAGE = """<!doctype html>
<title>{file}</title>
<script>var CLOSURE_UNCOMPILED_DEFINES = {{'goog.ENABLE_DEBUG_LOADER': true}};</script>
<script src="/{base}/base.js"></script>
<script src="/{deps}"></script>
<script>goog.require('goog.testing.jsunit');</script>
<script>goog.require('{module}');</script>
"""


def page_for(file: str) -> str:
    """The page that runs one *_test.js."""
    source = (ROOT / file).read_text(encoding="utf-8")
    module = re.search(r"^goog\.module\('([\w.]+)'\)", source, re.MULTILINE)
    assert module, f"{file} is no goog.module"
    return PAGE.format(file=file, base=BASE, deps=DEPS, module=module[1])


class Handler(http.server.SimpleHTTPRequestHandler):
    """The repository's files, and /run?FILE for the page of a test."""

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/run":
            self._answer("text/html; charset=utf-8", page_for(url.query).encode())
        elif url.path == "/favicon.ico":
            # A browser asks for it by itself, and a 404 is a line in its console.
            self._answer("image/x-icon", b"")
        else:
            super().do_GET()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def closure_deps() -> None:
    """Tells the debug loader which module lies in which file."""
    command = [ROOT / "node_modules/.bin/closure-make-deps", "-r", "closure/qmq", "-e", "**/deps.js", "-r", "tests/js"]
    command += ["-f", f"{BASE}/deps.js", "--closure-path", BASE]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (ROOT / DEPS).parent.mkdir(exist_ok=True)
    (ROOT / DEPS).write_text(made.stdout, encoding="utf-8")


@pytest.fixture(scope="session")
def site(closure_deps):
    """The address of the file server."""
    handler = functools.partial(Handler, directory=str(ROOT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium that keeps its console for get_log."""
    driver = start_chromium()
    yield driver
    driver.quit()
