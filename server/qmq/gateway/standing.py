"""What stands in every answer, whoever gives it: its date, who we are, and that nobody guesses at types.

Handlers say more; this is what holds for redirects and refusals, too.
"""

from __future__ import annotations

import time
from email.utils import formatdate

from tornado.httputil import HTTPHeaders

_made = (0, "")


def date() -> str:
    """Now, as `Date` has it. Made once a second."""
    global _made
    now = int(time.time())
    second, text = _made
    if second != now:
        text = formatdate(now, usegmt=True)
        _made = (now, text)
    return text


def add_standing(headers: HTTPHeaders) -> None:
    """Adds what is missing."""
    if "Date" not in headers:
        headers["Date"] = date()
    if headers.get("Server") != "qmq":
        headers["Server"] = "qmq"
    if "X-Content-Type-Options" not in headers:
        headers["X-Content-Type-Options"] = "nosniff"
