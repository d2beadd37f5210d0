"""The JSON API on one loop: which request is for which operation of the table in `table`.

It is the target of a Tornado rule. What becomes of a request is in `request`, what an
operation does in `calls`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router

from qmq.errors import QmqError
from qmq.gateway.api import calls
from qmq.gateway.api.calls import Answer
from qmq.gateway.api.request import Call
from qmq.gateway.api.table import OPERATIONS, PREFIX, Operation
from qmq.gateway.gateway import Gateway
from qmq.gateway.hold import Hold
from qmq.session.schema import compiled

_NAME = "{name}"


class Route:
    """An operation, ready to be done: its checks, and who does it."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.act: Callable[[Call], Answer | None] = getattr(calls, operation.name)
        self.body = compiled(operation.body) if operation.body is not None else None
        self.query = {each.name: each for each in operation.parameters if each.place == "query"}
        self.headers = [each for each in operation.parameters if each.place == "header"]
        self.names = [each.name for each in operation.parameters if each.place == "path"]
        self.required = [each.name for each in operation.parameters if each.required and each.place == "query"]
        self.checks = {each.name: compiled(each.schema) for each in operation.parameters}


class Api(Router):
    """The API on one loop; as the target of a Tornado rule it answers all below `/api/v1/`.

    Args:
        gateway: What all connections of the loop share.

    Attributes:
        holds: The requests that wait.
        max_body: Octets of a request's body: the largest message fits in, in base64.

    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.operations = gateway.operations
        self.holds: dict[Hold, None] = {}
        self.max_body = 2 * gateway.config.limits.body + (64 << 10)
        self._plain: dict[str, dict[str, Route]] = {}
        self._named: list[tuple[tuple[str, ...], dict[str, Route]]] = []
        for operation in OPERATIONS:
            self._add(operation)
        gateway.releases.append(self._release)

    def _add(self, operation: Operation) -> None:
        path = PREFIX + operation.path
        if "{" not in path:
            self._plain.setdefault(path, {})[operation.method] = Route(operation)
            return
        parts = tuple(path.split("/"))
        methods = next((methods for known, methods in self._named if known == parts), None)
        if methods is None:
            methods = {}
            self._named.append((parts, methods))
        methods[operation.method] = Route(operation)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        return Call(self, request)

    def methods(self, path: str) -> tuple[dict[str, Route], list[str]]:
        """What can be done at a path, and the parts of it that are parameters.

        Raises:
            QmqError: `not-found`.

        """
        found = self._plain.get(path)
        if found is not None:
            return found, []
        parts = path.split("/")
        for known, methods in self._named:
            if len(parts) == len(known) and all(map(_fits, known, parts)):
                return methods, [part for mine, part in zip(known, parts, strict=True) if mine == _NAME]
        raise QmqError("not-found", path[:200])

    def _release(self) -> None:
        """Answers those who wait with what they have."""
        for hold in list(self.holds):
            hold.end()


def _fits(known: str, part: str) -> bool:
    return known in (part, _NAME)
