"""Files are read whole, or not at all."""

import os

import pytest

from qmq.files import read_file


def test_contents_of_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"\xff" * 1000)
    (tmp_path / "link").symlink_to(file)
    assert read_file(str(file), 1000) == read_file(str(tmp_path / "link")) == b"\xff" * 1000


def make_pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (make_pipe, "Is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "Is no regular file"),
        (lambda path: path.symlink_to("/dev/tty"), ""),
        (lambda path: path.write_bytes(b"x" * 101), "Is larger than 100 bytes"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path, make, told):
    path = tmp_path / "path"
    make(path)
    with pytest.raises(OSError) as error:
        read_file(str(path), 100)
    assert told in error.value.strerror


def test_path_that_is_none():
    with pytest.raises(ValueError, match="null"):
        read_file("a\0b")


def test_file_that_is_being_written_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    really, calls = os.fstat, []

    def fstat(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:  # between what is read and the second look
            with file.open("ab") as opened:
                opened.write(b"y")
        return really(descriptor)

    monkeypatch.setattr("qmq.files.os.fstat", fstat)
    with pytest.raises(OSError, match="Is being written right now"):
        read_file(str(file))
