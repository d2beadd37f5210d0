"""Runs the table of WebSocket cases against an echo server, over real sockets.

Each case is run as it is written, and, unless it is long, once more with each
octet in a write of its own. Nothing here sleeps: a case ends with its connection,
or has failed when its time is over.
"""

from collections.abc import Iterator
from dataclasses import replace

import echo
import pytest
from rfc6455_cases import CASES, Case
from rfc6455_peer import CLOSE, PING, TEXT, Event, Outcome, Peer, frame
from rfc6455_utf8 import INVALID, VALID, first_bad

CHOPPED = 400  # octets of a case that is still sent one by one


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where an echo server listens, on the gateway's own connection."""
    with echo.running() as url:
        yield url


def octets(case: Case) -> int:
    """How much a case sends."""
    return sum(len(step) for step in case.sends if isinstance(step, bytes))


def play(url: str, case: Case, size: int = 1 << 30) -> Outcome:
    """Plays a case, each write cut into pieces of `size`; returns what the server did."""
    with Peer(url) as peer:
        for step in case.sends:
            if isinstance(step, int):
                peer.wait(step)
                continue
            for start in range(0, len(step), size):
                peer.send(step[start : start + size])
        outcome = peer.outcome()
    reset = case.rude and outcome.end == "ConnectionResetError"
    return replace(outcome, end="eof") if reset else outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(url: str, case: Case) -> None:
    assert play(url, case) == case.expected


@pytest.mark.parametrize("case", [case for case in CASES if octets(case) <= CHOPPED], ids=lambda case: case.name)
def test_case_octet_by_octet(url: str, case: Case) -> None:
    assert play(url, case, size=1) == case.expected


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_texts_are_what_they_are_listed_as() -> None:
    assert [text for texts in VALID.values() for text in texts if first_bad(text) is not None] == []
    assert [text for texts in INVALID.values() for text in texts if first_bad(text) is None] == []


def test_frames_are_those_of_the_rfc() -> None:
    # Section 5.7, the examples.
    assert frame(TEXT, b"Hello").hex(" ") == "81 85 37 fa 21 3d 7f 9f 4d 51 58"
    assert frame(PING, b"Hello").hex(" ") == "89 85 37 fa 21 3d 7f 9f 4d 51 58"
    assert frame(TEXT, b"Hello", mask=None).hex(" ") == "81 05 48 65 6c 6c 6f"
    assert frame(2, bytes(256), mask=None)[:4].hex(" ") == "82 7e 01 00"
    assert frame(2, bytes(65536), mask=None)[:10].hex(" ") == "82 7f 00 00 00 00 00 01 00 00"
    assert frame(CLOSE, mask=None).hex(" ") == "88 00"


def test_a_failing_connection_leaves_others_alone(url: str) -> None:
    with Peer(url) as good, Peer(url) as wrong:
        wrong.send(frame(3))
        assert wrong.outcome() == Outcome((), 1002)
        good.send(frame(TEXT, b"still here"))
        good.send(frame(CLOSE))
        assert good.outcome() == Outcome((Event(TEXT, b"still here"),), 0)
