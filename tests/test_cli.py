"""The `qmq` command: one clear line for whatever is wrong, and what each does when all is right."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qmq import __version__, cli
from qmq.config import CLIENT_VARIABLES, OPTIONS
from qmq.session.passwords import hashed
from tests.helpers import Peer
from tests.processes import QMQ, Serve, one_line


def serve_wrongly(*arguments):
    """The same for what is noticed only when the server starts, in a process of its own."""
    done = subprocess.run([*QMQ, "serve", *arguments], capture_output=True, text=True, timeout=20)
    return one_line(done.returncode, done.stdout, done.stderr)


ONE_LINE = {
    "flag": (["--lisen", "x"], "--lisen"),
    "flag's value": (["--limits-body", "many"], "limits.body must be a whole number, not 'many'"),
    "flag's size": (["--limits-body", "0"], "limits.body must be at least 1, not 0"),
    "flag without value": (["--name"], "Option '--name' requires an argument."),
    "argument": (["extra"], "Got unexpected extra argument (extra)"),
    "URL": (["--listen", "127.0.0.1:80"], "listen 127.0.0.1:80: the scheme must be one of http"),
    "URL that does not end": (["--listen", "http://[::1"], "listen http://[::1: "),
    "open to all": (["--listen", "http://0.0.0.0:0"], "listen http://0.0.0.0:0: anybody could connect"),
    "file": (["--config", "/nowhere/x.toml"], "cannot read /nowhere/x.toml: No such file or directory"),
    "directory": (["--config", "/"], "cannot read /: Is a directory"),
}


@pytest.mark.parametrize("name", ONE_LINE)
@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_wrong_option_is_one_line_and_exit_2(wrong, command, name):
    arguments, told = ONE_LINE[name]
    assert told in wrong(command, *arguments)


def test_a_time_that_is_no_number_is_one_line_and_exit_2(wrong):
    assert "drain must be" in wrong("check-config", "--drain", "nan")


def test_a_wrong_key_type_or_variable_is_one_line_and_exit_2(wrong, tmp_path):
    file = tmp_path / "qmq.toml"
    for text, told in (
        ("lisen = []", "there is no option 'lisen'"),
        ('[limits]\nbody = "x"', "limits.body must be a whole number, not 'x'"),
        ("[limits", "is not valid TOML"),
    ):
        file.write_text(text)
        assert told in wrong("serve", "--config", str(file))
    file.write_bytes(b"\xff")
    assert "is not valid TOML" in wrong("serve", "--config", str(file))
    assert wrong("serve", environ={"QMQ_DRAIN": "x"}) == "environment: QMQ_DRAIN: drain must be a number, not 'x'"


def test_variables_that_are_no_option_stop_no_start(run, tmp_path):
    told = "environment: there is no option 'QMQ_NAMES'; is it QMQ_NAME?\n"
    status, _, errors = run("check-config", environ={"QMQ_NAMES": "x"})
    assert (status, errors) == (0, f"qmq: {told}")
    server = Serve(tmp_path / "ready", "--drain", "0.1", environ={**os.environ, "QMQ_NAMES": "x"})
    status, _, errors = server.stop()
    assert status == 0
    assert errors.count("\n") == errors.count(" WARNING ") + errors.count(" INFO ")
    assert errors.splitlines(keepends=True)[0].endswith(f" WARNING qmq: {told}")


def test_ready_file_of_an_earlier_run_is_removed_first_and_ours_at_the_end(tmp_path, wrong):
    ready = tmp_path / "ready"
    for mistake in (["--config", "/nowhere/x.toml"], ["--listen", "http://0.0.0.0:0"]):
        ready.write_text('{"pid": 1}')
        wrong("serve", "--ready-file", str(ready), *mistake)
        assert not ready.exists()
    server = Serve(ready, "--drain", "0.1")
    assert server.stop()[0] == 0
    assert not ready.exists()
    server = Serve(ready, "--drain", "0.1")
    ready.write_text('{"pid": 1}')  # as if another had been started with the same one
    assert server.stop()[0] == 0
    assert ready.exists()


def test_a_port_that_is_taken_is_one_line_and_exit_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert serve_wrongly("--listen", url) == f"cannot listen on {url}: Address already in use"


def test_an_address_that_is_not_ours_is_one_line_and_exit_2():
    told = serve_wrongly("--listen", "http://192.0.2.1:80", "--allow-anonymous")
    assert told.startswith("cannot listen on http://192.0.2.1:80: ")


def test_a_host_that_can_be_no_name_is_one_line_and_exit_2():
    url = f"http://{'x' * 64}.example:80"
    assert serve_wrongly("--listen", url, "--allow-anonymous").startswith(f"cannot listen on {url}: ")


def test_a_ready_file_that_cannot_be_written_is_one_line_and_exit_2():
    told = serve_wrongly("--listen", "http://127.0.0.1:0", "--ready-file", "/nowhere/ready")
    assert "/nowhere/ready" in told
    assert "No such file or directory" in told


def test_check_config_says_what_it_amounts_to(run, tmp_path):
    file = tmp_path / "qmq.toml"
    file.write_text('name = "file"\ndrain = 1\n[limits]\nbody = 5\nheaders = 5\nsubscriptions = 5\n')
    status, output, errors = run(
        "check-config", "--config", str(file), "--limits-body", "7", "--listen", "http://127.0.0.1:1",
        "--listen", "http://127.0.0.1:2", environ={"QMQ_LIMITS_BODY": "6", "QMQ_LIMITS_HEADERS": "6"},
    )  # fmt: skip
    assert (status, errors) == (0, "")
    found = {key: json.loads(value) for key, value in (line.split(" = ", 1) for line in output.splitlines())}
    assert list(found) == list(OPTIONS)
    assert (found["name"], found["drain"]) == ("file", 1.0)
    assert [found[f"limits.{name}"] for name in ("body", "headers", "subscriptions", "bytes")] == [7, 6, 5, 16 << 20]
    assert found["listen"] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]


@pytest.mark.parametrize("key", [option.key for option in OPTIONS.values() if option.kind is bool])
def test_every_switch_can_be_turned_off_by_flag(run, tmp_path, key):
    file, flag = tmp_path / "qmq.toml", OPTIONS[key].flag
    section, _, name = key.rpartition(".")
    user = f'[[users]]\nname = "ann"\npassword = "{hashed("x", 10)}"\n'  # for require_login
    file.write_text((f"[{section}]\n{name} = true\n" if section else f"{name} = true\n") + user)
    off = flag.replace("--", "--no-", 1)
    for arguments, value in (([], "true"), ([off], "false"), ([off, flag], "true")):
        status, output, _ = run("check-config", "--config", str(file), *arguments)
        assert (status, f"{key} = {value}\n" in output) == (0, True)


def test_variables_of_clients_mean_nothing_to_a_server(run):
    environ = dict.fromkeys(CLIENT_VARIABLES.values(), "x")
    assert run("check-config", environ=environ)[0] == 0


def test_help_names_every_option_and_its_variable():
    output = CliRunner().invoke(cli.cli, ["serve", "--help"], terminal_width=200).output
    for option in OPTIONS.values():
        assert option.flag in output
        assert f"[{option.variable}]" in output
    assert CliRunner().invoke(cli.cli, ["--version"]).output == f"qmq, version {__version__}\n"


def test_no_command_is_help_and_exit_2(run):
    status, output, errors = run()
    assert (status, output) == (2, "")
    assert "Usage: " in errors


@pytest.mark.gen_test(timeout=40)
async def test_sigterm_sends_clients_away_and_ends_with_0(tmp_path):
    file = tmp_path / "qmq.toml"
    file.write_text('name = "of-the-file"\ndemo = true\ndrain = 0.3\n')
    server = Serve(tmp_path / "ready", "--config", str(file), "--log-level", "warning")
    try:
        assert server.ready["name"] == "of-the-file"
        assert server.ready["pid"] == server.process.pid
        assert server.ready["listen"] == [{"scheme": "http", "host": "127.0.0.1", "port": server.port}]
        peers = [await Peer.open(server.port) for _ in range(3)]
        for peer in peers:
            await peer.upgrade()
            await peer.login()
        await peers[0].subscribe("/topic/demo.prices.#")
        assert (await peers[0].frame()).command == "MESSAGE"
        status, output, errors = server.stop()
        assert (status, errors) == (0, "")
        assert output == f"qmq of-the-file listens on http://127.0.0.1:{server.port}\n"
        for peer in peers:
            frames, number, reason = await peer.ended()
            assert (frames[-1].headers["code"], number, reason) == ("shutting-down", 1012, "shutting-down")
            peer.close()
    finally:
        server.close()


def test_sigint_ends_with_0_too_and_the_environment_counts(tmp_path):
    environ = {"QMQ_NAME": "of-the-env", "QMQ_DRAIN": "0.1", "PYTHONPATH": ":".join(filter(None, sys.path))}
    server = Serve(tmp_path / "ready", environ=environ)
    try:
        assert server.ready["name"] == "of-the-env"
        assert server.stop(signal.SIGINT)[0] == 0
    finally:
        server.close()


def test_the_module_can_be_run_and_ends_like_the_command():
    done = subprocess.run([*QMQ, "check-config", "--name", "a b"], capture_output=True, cwd=Path("/"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"qmq: name must be 1 to 64 letters, digits or -, not 'a b'\n"
