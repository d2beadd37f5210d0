"""The first command of a new user: what is missing is named before anything is done, and nothing half done stays."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("make", "sh", "id", "env", "rm", "tr", "cut", "touch", "test")


@pytest.fixture
def make(tmp_path):
    """`make` in a folder of its own, where nothing is installed, and with commands of the test's own choice."""
    for name in ("Makefile", "pyproject.toml", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in TOOLS:
        (commands / name).symlink_to(shutil.which(name))

    def run(*arguments, **scripts):
        for name, text in scripts.items():
            script = commands / name.replace("_", "-")
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        environ = {"PATH": str(commands), "HOME": str(tmp_path)}
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
        )

    return run


# As Debian has it: the module venv is there, and cannot work.
WITHOUT_ENSUREPIP = f"""
case "$*" in
  *ensurepip*) echo "No module named ensurepip" >&2; exit 1;;
  "-m venv"*) mkdir -p "$3/bin"; : > "$3/bin/python"; echo "ensurepip is not available" >&2; exit 1;;
esac
exec {sys.executable} "$@"
"""


def test_a_python_without_venv_is_told_what_to_install(make, tmp_path):
    for _ in range(2):  # and a second time
        done = make("run", python3=WITHOUT_ENSUREPIP)
        assert done.returncode != 0
        assert "sudo apt install python3-venv" in done.stderr
        assert not (tmp_path / ".venv").exists()


def test_an_environment_that_was_not_finished_is_made_again(make, tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    made = f'test "$*" = "-m venv .venv" && echo made > "$2.made"\nexec {sys.executable} -c ""'
    done = make(".venv/bin/pip", python3=made)
    assert (done.returncode, (tmp_path / "venv.made").exists()) == (0, True), done.stderr


def test_what_apt_will_install_is_said_first(make):
    present = dict.fromkeys(("npm", "curl", "chromium", "chromedriver"), "exit 0")
    done = make("told", **present)
    missing = [
        name
        for name in ("firefox-esr", "nginx-light")
        if name != "nginx-light" or not os.path.exists("/usr/sbin/nginx")
    ]
    assert done.stdout == f"This installs with apt-get, later on: {' '.join(missing)}\n"
    assert done.returncode == 0
    assert "later on" in make("--dry-run", "test").stdout.splitlines()[0]
