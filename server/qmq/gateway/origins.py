"""Whose pages may connect: the origins of the configuration, and those that every node knows.

A page of the node's own host may, and so may clients that are no browsers. Whoever is
refused is told so in the answer; the operator reads in the log, once for each origin,
what to add where. Where a request says that it comes from is in `handlers`.
"""

from __future__ import annotations

import logging
import re
from threading import Lock

from tornado.httputil import HTTPServerRequest

from qmq.addresses import origin_pattern
from qmq.config import Config
from qmq.errors import QmqError
from qmq.gateway.handlers import foreign_page
from qmq.logs import printable

log = logging.getLogger("qmq.gateway")

_NAMED = 100  # origins that the log names; what is made up by the thousand does not fill the disk
# Pages that developers serve to themselves. Not `null`, which any site can be by a frame in a sandbox.
_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_LOOPBACK = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in _HOSTS)


class Origins:
    """Those of one configuration; for all loops of a node.

    Args:
        config: The node's.

    Attributes:
        frames: Those that a policy can name which says who may show a page in a frame.

    """

    def __init__(self, config: Config) -> None:
        allowed = config.allowed_origins + (_LOOPBACK if config.demo else ())
        self._listed = config.allowed_origins
        self._all = "*" in allowed
        self._hosts = frozenset(map(str.lower, config.allowed_hosts))
        self.frames = [each for each in config.allowed_origins if each not in ("null", "file://")]
        self._required = config.require_origin
        patterns = [origin_pattern(each) for each in allowed if each != "*"]
        self._allowed = re.compile("|".join([each for each in patterns if each is not None]) or r"(?!)")
        self._refused: set[str] = set()
        self._lock = Lock()

    def check(self, request: HTTPServerRequest) -> None:
        """Lets pages of the same host and of the allowed origins in, and clients that are no browsers.

        Raises:
            QmqError: `bad-origin` for a foreign origin, for none where one is required, or
                if the node is called by a name that is not its own: whoever makes up a name may
                let it lead here, and then takes its pages for ours.

        """
        if self._hosts and request.host_name not in self._hosts:
            name = request.host_name
            self._note(f"host {name}", "requests to", f"to answer to that name, add {_quoted(name)} to allowed_hosts")
            raise QmqError("bad-origin", f"this node is not called {name[:100]!r}")
        if self._required and "Origin" not in request.headers:
            raise QmqError("bad-origin", "this server requires an Origin header")
        page = foreign_page(request)
        if page is None or self._all or self._allowed.fullmatch(page):
            return
        self._note(page, "pages of", self._advice(page))
        raise QmqError("bad-origin", f"{page[:100]!r} is neither this host nor on the list")

    def _advice(self, page: str) -> str:
        if page == "null":
            return (
                "browsers say null for a page that was opened as a file, and for frames in a sandbox of any site; "
                'serve the page over HTTP instead, for example with --static FOLDER; "null" in allowed_origins lets '
                "all of these in"
            )
        if origin_pattern(page) is None:
            return "it is no origin that could be allowed"
        listed = [*self._listed, page]
        return (
            f"to let them in, write allowed_origins = [{', '.join(map(_quoted, listed))}] into the configuration, or "
            f"{' '.join([f'--allowed-origins {each}' for each in listed])}"
        )

    def _note(self, name: str, kind: str, advice: str) -> None:
        """Tells the operator, once."""
        with self._lock:
            if name in self._refused or len(self._refused) > _NAMED:
                return
            self._refused.add(name)
            last = len(self._refused) > _NAMED
        if last:
            log.info("more origins are refused than are named here")
        else:
            log.info("%s %s are refused (bad-origin): %s", kind, printable(name[:100]), advice)


def _quoted(text: str) -> str:
    return f'"{printable(text[:100])}"'
