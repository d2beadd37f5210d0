"""Whatever a client says, a log line stays one line, and harmless to look at."""

import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.logs import OneLine, printable

NASTY = "a\r\n2026-01-01 CRITICAL qmq: forged\x1b[2J\0\x7f\u2028\u202e\x9b"


def record(message, *args, exc_info=None):
    return logging.LogRecord("qmq", logging.INFO, "file", 1, message, args, exc_info)


@given(st.text())
def test_what_prints_is_one_line_of_what_prints(text):
    assert printable(text).isprintable()
    assert len(printable(text).splitlines()) <= 1
    if text.isprintable():
        assert printable(text) == text


def test_characters_that_do_not_print_are_escaped():
    assert printable("zwölf Bücher 本") == "zwölf Bücher 本"
    assert printable("a\r\nb\x1b[2J\0\u2028") == "a\\r\\nb\\x1b[2J\\x00\\u2028"


@pytest.mark.parametrize(("level", "heard"), [("debug", True), ("info", False), ("warning", False)])
def test_what_clients_garble_is_no_news(level, heard):
    script = f"import logging, qmq.logs as logs; logs.setup({level!r}); logging.getLogger('tornado.general').info('x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (" INFO tornado.general: x" in done.stderr) == heard


def test_a_client_cannot_forge_a_line():
    line = OneLine("%(levelname)s %(message)s").format(
        record("session %s ended: %s", NASTY, QmqError("bad-frame", NASTY))
    )
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_not_in_a_traceback_either():
    try:
        raise ValueError(NASTY)
    except ValueError:
        text = OneLine("%(levelname)s %(message)s").format(record("failed", exc_info=sys.exc_info()))
    first, *rest = text.split("\n")
    assert first == "INFO failed"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert any("forged" in line for line in rest)


def test_a_traceback_is_put_into_words_by_the_writing_thread():
    script = """if True:
        import logging, sys, threading, qmq.logs as logs
        logs.setup("info")
        opened = []
        sys.addaudithook(lambda event, what: event == "open" and opened.append(threading.current_thread().name))
        try:
            {}["x\\ny"]
        except KeyError:
            logging.getLogger("qmq").exception("it %s", "failed")
        logging.getLogger("qmq").info("%d", "no number")
        assert "MainThread" not in opened, opened
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, *rest, last = done.stderr.splitlines()
    assert first.endswith(" ERROR qmq: it failed")
    assert all(line.startswith("    ") for line in rest)
    assert "KeyError" in rest[-1]
    assert last == "INFO qmq: cannot be put into words: TypeError"
