"""The ready file: whole or not there, and never what it is not."""

import json
import os

import pytest

from qmq import ready
from qmq.errors import ConfigError

LISTEN = [{"scheme": "http", "host": "::1", "port": 1}]


def test_it_says_who_listens_where(tmp_path):
    file = tmp_path / "ready"
    ready.write(str(file), "n", LISTEN)
    assert json.loads(file.read_text()) == {"name": "n", "pid": os.getpid(), "listen": LISTEN}
    assert list(tmp_path.iterdir()) == [file]
    ready.remove(str(file), own=True)
    assert not file.exists()


def test_no_name_is_no_file():
    ready.write("", "n", LISTEN)
    ready.remove("")


def test_file_that_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match="No such file or directory"):
        ready.write(str(tmp_path / "no" / "ready"), "n", LISTEN)


@pytest.mark.parametrize("text", ['{"pid": 1}', "{}", "[]", "garbage", ""])
def test_file_of_another_process_stays_unless_the_run_begins(tmp_path, text):
    file = tmp_path / "ready"
    file.write_text(text)
    ready.remove(str(file), own=True)
    assert file.exists()
    ready.remove(str(file))
    assert not file.exists()


def test_what_is_no_regular_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        ready.remove(str(path))
        ready.remove(str(path), own=True)
    assert (tmp_path / "pipe").exists()
