"""What is quick because it is written in C, where that is to be had: JSON, and the masks of WebSocket.

An extension that was not made for a Python without a global interpreter lock turns the
lock on for everybody. So on such a Python none of these is loaded: the standard library
and our own code do the same, a little slower. They do it also where one is missing.
"""

from __future__ import annotations

import json
import math
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

# What this process does without.
left_out: list[str] = []

try:
    if FREE_THREADED:
        raise ImportError
    import orjson
except ImportError:
    left_out.append("orjson")
    orjson = None  # type: ignore[assignment]

unmask: Callable[[bytes, bytes], bytes] | None
try:
    if FREE_THREADED:
        raise ImportError
    from tornado.speedups import websocket_mask as unmask
except ImportError:
    left_out.append("tornado.speedups")
    unmask = None


def gil() -> bool:
    """Whether threads take turns."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def pretty(value: Any) -> bytes:
    """A value as JSON, laid out for readers."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def slow_dumps(value: Any) -> bytes:
    """A value as JSON; what is no finite number becomes null.

    Raises:
        TypeError: If JSON has no word for it, or it is half a character, or nested too deeply.

    """
    try:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise TypeError(str(error)) from None


def slow_loads(text: bytes | str) -> Any:
    """The value that a JSON text stands for.

    Raises:
        ValueError: If it is no JSON, or no UTF-8, or nested too deeply.

    """
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


dumps: Callable[[Any], bytes] = slow_dumps if orjson is None else orjson.dumps
loads: Callable[[bytes | str], Any] = slow_loads if orjson is None else orjson.loads
