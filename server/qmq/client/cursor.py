"""How far a subscription has got: the id of the last message of each origin. See docs/history.md."""

from __future__ import annotations


class Cursor:
    """A position in topics.

    Attributes:
        text: As the header `cursor` has it; empty if nothing is known.

    """

    __slots__ = ("_ids", "text")

    def __init__(self, text: str = "") -> None:
        self.text = ""
        self._ids: dict[str, str] = {}
        for id in text.split(","):
            self.advance(id)

    def advance(self, id: str) -> None:
        """Notes a message that came; an id that is none changes nothing."""
        origin, _, rest = id.partition(".")
        if rest.count(".") != 1:
            return
        ids = self._ids
        ids[origin] = id
        # Nearly always there is one origin.
        self.text = id if len(ids) == 1 else ",".join(ids.values())
