"""A request to the JSON API, from its first octet to its answer.

It sits on Tornado's server, below its request handlers, which would cost as much again as
all the rest. A request is checked in the order of its octets: address, method, origin and
types before its body is read, and the body as it comes. What is wrong is answered with
problem JSON. What an operation does is in `calls`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from http.client import responses
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError

from qmq.errors import QmqError
from qmq.gateway.api.calls import Answer
from qmq.gateway.api.table import AGAINST_CACHES, LAST_EVENT, LAST_EVENT_ID
from qmq.gateway.body import Body
from qmq.gateway.handlers import preflight, problem, problem_headers, shared_with_page
from qmq.gateway.hold import Hold, Pause
from qmq.gateway.standing import date
from qmq.session import rest
from qmq.session.access import EVERYTHING, Rights
from qmq.session.auth import ANONYMOUS, Principal
from qmq.session.schema import from_text

if TYPE_CHECKING:
    from qmq.gateway.api.router import Api, Route

log = logging.getLogger("qmq.gateway")

_MAX_PARAMETERS = 32
_PAUSE = 0.01  # seconds for which a publisher waits for its answer while threads are behind

# What every answer says.
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Server": "qmq",
}


class Call(HTTPMessageDelegate):
    """One request, from its first line to its answer.

    Attributes:
        api: Whose it is.
        request: What Tornado knows of it; its body is not there.
        given: Its parameters, checked.
        body: The value of its body, checked.
        rights: What the caller may do.

    """

    def __init__(self, api: Api, request: HTTPServerRequest) -> None:
        self.api = api
        self.request = request
        self.given: dict[str, Any] = {}
        self.body: Any = None
        self.rights: Rights = EVERYTHING
        self.hold: Hold | None = None
        self._route: Route | None = None
        self._more: dict[str, str] = {}  # headers of the answer
        self._error: QmqError | None = None
        self._answered = False
        self._delay = 0.0  # seconds for which the answer is held back

    # Reading

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        """Checks what can be checked before the body comes."""
        assert isinstance(start_line, RequestStartLine)
        connection: Any = self.request.connection
        connection.context.had_request = True
        self._octets = Body(self.api.max_body, connection)
        try:
            if self.request.method != "OPTIONS":
                self._note_origin()  # whoever is refused may read why
            self.api.gateway.door.origins.check(self.request)
            if self.request.method == "OPTIONS":
                self._note_origin()
            self._find(start_line.method)
            self._check_types(headers)
        except QmqError as error:
            self._error = error

    def _find(self, method: str) -> None:
        if not self.api.gateway.ready:
            raise QmqError("shutting-down")
        methods, names = self.api.methods(self.request.path)
        self._route = methods.get("GET" if method == "HEAD" else method)
        if self._route is None:
            self._more["Allow"] = ", ".join([*methods, "OPTIONS"])
            if method != "OPTIONS":
                raise QmqError("bad-method", f"{self.request.path[:200]} answers {', '.join(methods)}")
            return
        for name, value in zip(self._route.names, names, strict=True):
            self._give(name, _unquoted(value, name))

    def _check_types(self, headers: HTTPHeaders) -> None:
        if self._route is None or self._route.body is None:
            return  # whatever comes is thrown away
        try:
            self._octets.begin(headers)
        except QmqError:
            self._more["Accept-Encoding"] = "gzip"
            raise
        kind = headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise QmqError("unsupported-type", f"Content-Type must be application/json, not {kind[:64]!r}")

    def data_received(self, chunk: bytes) -> None:
        """Takes a piece of the body; throws it away once it is of no use."""
        if self._error is None and not self._answered:
            self._octets.feed(chunk)

    def finish(self) -> None:
        """All has come."""
        if self._answered:
            return
        early, self._error = self._error, None  # its traceback leads to this very object
        if early is not None:
            self.refuse(early)
            return
        try:
            if self._route is None:  # OPTIONS
                self.respond(Answer(b"", 204))
                return
            self._take_parameters(self._route)
            if self._route.body is not None:
                self._take_body(self._route)
        except QmqError as error:
            self.refuse(error)
            return
        if self._shows_credentials():
            assert self._route is not None
            if self._route.operation.name == "consume":
                self._notice_its_end()  # who has gone is given no jobs; whatever else it has said, is done
            self._task = asyncio.ensure_future(self._act_as_somebody())
        else:
            self._act_as(ANONYMOUS)

    def _take_parameters(self, route: Route) -> None:
        query = self.request.query
        if query:
            try:
                pairs = parse_qsl(
                    query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MAX_PARAMETERS
                )
            except ValueError:
                raise QmqError("bad-field", f"the query is no list of at most {_MAX_PARAMETERS} parameters") from None
            for name, text in pairs:
                if name == "access_token":
                    continue
                known = route.query.get(name)
                if known is None:
                    if self._comes_by_itself(route, name, text):
                        continue
                    raise QmqError("bad-field", f"{name[:64]!r} is none of {', '.join(route.query) or 'no parameters'}")
                if name in self.given:
                    raise QmqError("bad-field", f"{name} is there twice")
                self._give(name, from_text(known.schema, text, name))
        for name in route.required:
            if name not in self.given:
                raise QmqError("bad-field", f"{name} is missing")
        for each in route.headers:
            value = self.request.headers.get(each.name)
            if value or (value is not None and each.name not in self.given):
                self._give(each.name, value)

    def _comes_by_itself(self, route: Route, name: str, text: str) -> bool:
        """Whether a library has added a parameter, of which the program that asks may know nothing.

        That against caches is passed over. Stand-ins for EventSource say by one where they go on, since they can
        set no header, or do not.
        """
        if name.lower().replace("-", "").replace("_", "") in LAST_EVENT and LAST_EVENT_ID in route.checks:
            if text and LAST_EVENT_ID not in self.given:
                self._give(LAST_EVENT_ID, text)
            return True
        return self.request.method in ("GET", "HEAD") and (name in AGAINST_CACHES or name.startswith("evs_"))

    def _give(self, name: str, value: Any) -> None:
        assert self._route is not None
        self._route.checks[name](value, name)
        self.given[name] = value

    def _take_body(self, route: Route) -> None:
        self.body = rest.parse(self._octets.whole())
        assert route.body is not None
        route.body(self.body, "")

    # Doing

    def _shows_credentials(self) -> bool:
        """Whether it is worth asking who it is."""
        headers = self.request.headers
        if "Authorization" in headers or "Cookie" in headers or "access_token" in self.request.query:
            return True
        return isinstance(getattr(getattr(self.request.connection, "stream", None), "socket", None), ssl.SSLSocket)

    async def _act_as_somebody(self) -> None:
        try:
            principal = await self.api.gateway.logins.principal(self.request)
        except QmqError as error:
            self.refuse(error)
        else:
            self._act_as(principal)

    def _act_as(self, principal: Principal) -> None:
        try:
            self.rights = self.api.gateway.logins.rights(principal)
        except QmqError as error:
            self.refuse(error)
        else:
            self._act()

    def _act(self) -> None:
        route = self._route
        assert route is not None
        if not self._answered:  # the client may have gone while its password was tried
            self._answer_with(lambda: route.act(self))

    def _answer_with(self, make: Callable[[], Answer | None]) -> None:
        """Answers with what comes of it; with nothing yet if it has arranged for the answer to come later."""
        try:
            answer = make()
        except QmqError as error:
            self.refuse(error)
        except Exception:
            assert self._route is not None
            log.exception("%s failed", self._route.operation.name)
            self.refuse(QmqError("internal-error"))
        else:
            if answer is not None:
                self.respond(answer)

    def charge(self, messages: int) -> None:
        """Charges the client for what it publishes, if there are limits on that.

        Who is too fast, also for the node's threads, gets the answer later, so that it slows down; or is refused.

        Raises:
            QmqError: `too-fast`.

        """
        if self.api.gateway.registry.memory.crowded:  # other threads are behind with what was published
            self._delay = _PAUSE
        gateway, asked = self.api.gateway, (self.request.remote_ip or "", self._octets.size, messages)
        gateway.check_pace(*asked)
        self._delay = max(self._delay, gateway.charge(*asked))

    def wait(self, waits: Any, seconds: float, give: Callable[[], Answer]) -> None:
        """Answers later: when something has come, or the time is over.

        Args:
            waits: Has `on_change` and `abandon`.
            seconds: How long to wait.
            give: Makes the answer of what has come; may raise QmqError.

        """

        def end() -> None:
            del self.api.holds[hold]
            self.hold = None
            self._answer_with(give)

        self._notice_its_end()
        self.hold = hold = Hold(waits, seconds, end)
        self.api.holds[hold] = None

    def _notice_its_end(self) -> None:
        connection: Any = self.request.connection
        connection.set_close_callback(self.on_connection_close)

    def on_connection_close(self) -> None:
        """The client has gone."""
        self._answered = True
        if self.hold is not None:
            del self.api.holds[self.hold]
            self.hold.cancel()
            self.hold = None

    # Answering

    def respond(self, answer: Answer) -> None:
        """Sends an answer."""
        if self._answered:
            return
        delay, self._delay = self._delay, 0.0
        if delay:
            self.wait(Pause(), delay, lambda: answer)
            return
        self._answered = True
        connection: Any = self.request.connection
        headers = HTTPHeaders(self._headers(answer))
        body = answer.body if self.request.method != "HEAD" else b""
        connection.write_headers(ResponseStartLine("", answer.status, responses[answer.status]), headers, body)
        connection.finish()

    def refuse(self, error: QmqError) -> None:
        """Answers with an error."""
        self.respond(self._refusal(error))

    def take_stream(self, headers: dict[str, str]) -> IOStream | None:
        """Begins an answer that goes on; returns what the rest is to be written to, None if the client has gone."""
        self._answered = True
        connection: Any = self.request.connection
        head = self._head(Answer(b"", 200, headers, whole=False))
        stream: IOStream = connection.detach()
        try:
            stream.write(head).add_done_callback(_ignore)
        except StreamClosedError:
            return None
        stream.set_nodelay(True)
        return stream

    def _head(self, answer: Answer) -> bytes:
        self._more["Date"] = date()
        lines = [f"{name}: {value}" for name, value in self._headers(answer).items()]
        return "\r\n".join([f"HTTP/1.1 {answer.status} {responses[answer.status]}", *lines, "", ""]).encode("latin-1")

    def _refusal(self, error: QmqError) -> Answer:
        code = error.code
        self.api.gateway.stats.add(f"errors_{code.name}")
        return Answer(problem(error), code.status, problem_headers(error))

    def _headers(self, answer: Answer) -> Mapping[str, str]:
        length = {"Content-Length": str(len(answer.body))} if answer.status not in (204, 304) and answer.whole else {}
        return {**_COMMON, **self._more, **answer.headers, **length}

    def _note_origin(self) -> None:
        """Lets the page read the answer, which comes from an origin that may."""
        shared = shared_with_page(self.request)
        if not shared:
            return
        self._more.update(shared)
        if self.request.method == "OPTIONS":
            self._more.update(preflight(self.request, "GET, POST, PUT, DELETE"))
        else:
            self._more["Access-Control-Expose-Headers"] = "ETag, Preference-Applied, Retry-After"


def _ignore(future: Any) -> None:
    future.exception()  # noted: the stream's close callback follows


def _unquoted(text: str, name: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise QmqError("bad-field", f"{name} is no UTF-8") from None
