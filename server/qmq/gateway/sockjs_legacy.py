"""SockJS transports for browsers that can neither XHR across origins nor stream it: jsonp and htmlfile.

They are not there unless `sockjs_legacy` says so: what they send runs as a script in
the page. The name of the page's callback is checked.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from sockjs.tornado import transports
from sockjs.tornado.proto import json_encode
from sockjs.tornado.util import asynchronous

from qmq.gateway.flow import Flowing
from qmq.gateway.sockjs_transports import Answering, Receiving, Sending, let_frame

_CALLBACK = re.compile(r"[\w.-]+", re.ASCII)

# Old browsers show nothing of a page, and run none of it, before a kilobyte of it is there.
_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"></head><body>
<script>
var c = parent.%s;
c.start();
function p(d) { c.message(d); }
window.onload = function() { c.stop(); };
</script>
""" + " " * 1024 + "\r\n\r\n"  # fmt: skip


def rules(of_session: str) -> list[tuple[str, Any]]:
    """Patterns of URLs and their handlers."""
    return [
        (f"{of_session}jsonp", Jsonp),
        (f"{of_session}jsonp_send", JsonpSend),
        (f"{of_session}htmlfile", HtmlFile),
    ]


class _CallingBack(Receiving):
    """A request that names a function of the page."""

    callback = ""

    async def prepare(self) -> None:
        await super().prepare()
        self.callback = self.get_query_argument("c", "")
        if not self._finished and not _CALLBACK.fullmatch(self.callback):
            self.set_status(500)
            self.finish('invalid "callback" parameter' if self.callback else '"callback" parameter required')


class Jsonp(_CallingBack, Answering, transports.JSONPTransport):
    """A script for each frame."""

    def answer_of(self, message: str) -> bytes:
        self.set_header("Content-Type", "application/javascript; charset=UTF-8")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")  # those who may not were refused
        # The comment keeps what follows from being taken for the start of another kind of file.
        return f"/**/{self.callback}({json_encode(message)});\r\n".encode()


class HtmlFile(Flowing, _CallingBack, transports.HtmlFileTransport):
    """A page that never ends, with a script for each frame."""

    @asynchronous  # type: ignore[untyped-decorator]  # it is finished by the session
    def get(self, session_id: str) -> None:
        let_frame(self)
        self.preflight()
        self.handle_session_cookie()
        self.disable_cache()
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.write(_PAGE % self.callback)
        self.flush()
        if not self._attach_session(session_id):
            self.finish()
        elif self.session is not None:
            self.session.flush()

    def send_pack(self, message: str, binary: bool = False) -> None:
        if not self.active:
            return
        self.active = False
        self.notify_sent(len(message))
        text = json_encode(message).replace("<", r"\u003c")  # no message ends the script
        self.write(f"<script>\np({text});\n</script>\r\n")
        self.flush().add_done_callback(self.send_complete)


class JsonpSend(Sending, transports.JSONPSendHandler):
    """What goes with jsonp: a form."""

    def payload(self) -> str | bytes:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return self.request.body
        name, _, value = self.request.body.decode("utf-8", "replace").partition("=")
        return unquote_plus(value) if name == "d" else ""

    def answer(self) -> None:
        self.finish("ok")
