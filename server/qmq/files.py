"""Files that a node reads: whole, of bounded size, and only if they are files.

A pipe or a device may never end, and who reads it waits for ever; so it is refused before
anything is read. It still may take a while (a disk that is slow, a network that is gone), so
an event loop has others read.
"""

from __future__ import annotations

import os
import stat

_MAX_BYTES = 16 << 20


def read_file(file: str, max_bytes: int = _MAX_BYTES) -> bytes:
    """The contents of a regular file.

    Args:
        file: Its path.
        max_bytes: What it may have.

    Raises:
        OSError: If it cannot be read, is no regular file, is larger, or is being written right now; with
            `strerror` saying which.
        ValueError: If the path is none.

    """
    # Without waiting: to open a pipe takes as long as nobody writes to it.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as opened:
        before = os.fstat(descriptor)
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(0, "Is a directory")
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, "Is no regular file")
        data = opened.read(max_bytes + 1)
        after = os.fstat(descriptor)
    if len(data) > max_bytes:
        raise OSError(0, f"Is larger than {max_bytes} bytes")
    if len(data) != after.st_size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise OSError(0, "Is being written right now")
    return data
