"""The ready file: what a node listens on, for whoever has started it and waits.

It is there only while the node accepts connections. It is read and written at once, so it
is no business of an event loop's own thread.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qmq.errors import ConfigError


def write(file: str, name: str, listen: Sequence[Any]) -> None:
    """Writes it; does nothing without a name for the file.

    Args:
        file: Its path.
        name: Of the node.
        listen: Scheme, host and port of each address.

    Raises:
        ConfigError: If it cannot be written.

    """
    if not file:
        return
    path = Path(file)
    temporary = path.with_name(path.name + ".new")  # so that nobody ever reads half of it
    try:
        temporary.write_text(json.dumps({"name": name, "pid": os.getpid(), "listen": listen}) + "\n", "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"ready_file: cannot write {path}: {error.strerror}") from error


def remove(file: str, own: bool = False) -> None:
    """Removes it; does nothing if it is not there, or is no regular file.

    Args:
        file: Its path; none if empty.
        own: Whether it stays if another process has written it.

    """
    path = Path(file)
    with suppress(OSError, ValueError, AttributeError):  # where it cannot be removed, writing it says why
        if file and path.is_file() and not (own and json.loads(path.read_bytes()).get("pid") != os.getpid()):
            path.unlink()
