"""The commands that are clients: what they print, and the one line for whatever is wrong."""

import asyncio
import base64
import contextlib
import json
import signal
import socket
import subprocess
import threading

import pytest
from click.testing import CliRunner

from qmq import cli
from qmq.client import blocking, connect
from qmq.errors import CODES
from qmq.session import passwords
from qmq.session.desk import OPERATIONS
from tests.processes import QMQ, Serve


@pytest.mark.parametrize("command", ["pub", "sub", "request", "manage"])
def test_a_server_that_is_not_there_is_one_line_and_exit_1(wrong, command):
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    told = wrong(command, "/topic/a", "--url", f"ws://127.0.0.1:{port}", status=1)
    assert told.startswith("connect-failed: The server could not be reached: ")


NO_ADDRESSES = [
    "ftp://x",
    "nonsense",
    "ws://",
    "ws://[::1",
    "ws://127.0.0.1:99999",
    "ws://127.0.0.1:x",
    f"ws://{'x' * 64}.x",
]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_is_none_is_one_line_and_exit_1(wrong, url):
    assert wrong("pub", "/topic/a", "x", "--url", url, status=1).startswith("connect-failed: ")


@pytest.mark.parametrize("header", ["x", ":x", ""])
def test_a_header_without_name_or_colon_is_one_line_and_exit_2(wrong, header):
    assert wrong("sub", "/topic/a", "--header", header) == f"--header must be NAME:VALUE, not {header!r}"


@pytest.mark.parametrize("command", [["sub", "/topic/a"], ["pub", "/topic/a", "x"]])
def test_secret_file_that_is_missing_is_one_line_and_exit_2(wrong, command):
    for option in ("--token-file", "--passcode-file"):
        assert wrong(*command, option, "/nowhere/x") == "cannot read /nowhere/x: No such file or directory"


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "x"])
def test_a_timeout_that_is_none_is_one_line_and_exit_2(wrong, timeout):
    assert "--timeout" in wrong("request", "/queue/a", "x", "--timeout", timeout)


@pytest.mark.parametrize("argument", ["x", "=x", ""])
def test_an_argument_without_name_or_equals_is_one_line_and_exit_2(wrong, argument):
    assert wrong("manage", "list", argument) == f"an argument must be NAME=VALUE, not {argument!r}"


def test_an_object_that_is_no_json_is_one_line_and_exit_2(wrong):
    assert wrong("manage", "bind", "arguments={x").startswith("arguments is no JSON object: ")
    assert wrong("manage", "bind", "arguments=" + '{"x":' * 100_000).startswith("arguments is no JSON object: ")


def test_help_of_manage_names_the_operations():
    output = CliRunner().invoke(cli.cli, ["manage", "--help"]).output
    for name in OPERATIONS:
        assert f"\n  {name} " in output


def test_a_count_of_nothing_is_one_line_and_exit_2(wrong):
    assert "--count" in wrong("sub", "/topic/a", "--count", "0")


# A real server in a process of its own, for the rest.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all that only talks to it."""
    server = Serve(tmp_path_factory.mktemp("serve") / "ready", "--name", "shared")
    yield server
    server.close()


def subscribe(server, *arguments):
    """`qmq sub`, running and subscribed."""
    process = subprocess.Popen(
        [*QMQ, "sub", "--url", server.url, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr.readline().startswith(b"subscribed to ")
    return process


def finish(process):
    try:
        output, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, b"")
    return output


def test_pub_and_sub_as_text(served, run):
    process = subscribe(served, "/topic/text.*", "--count", "4")
    url = ["--url", served.url]
    assert run("pub", "/topic/text.a", "an argument", *url) == (0, "", "")
    assert run("pub", "/topic/text.a", *url, stdin="from ärgs\nto lines".encode()) == (0, "", "")
    assert run("pub", "/topic/text.b", "-", *url, stdin=b"\xff\0") == (0, "", "")
    assert run("pub", "/topic/text.c", "", *url, stdin=b"not read") == (0, "", "")
    assert finish(process).splitlines() == [
        b"/topic/text.a an argument",
        "/topic/text.a from ärgs".encode(),
        b"to lines",
        b"/topic/text.b \xff\0",
        b"/topic/text.c ",
    ]


NAMES = {
    "one destination": (["/topic/names.a"], False),
    "pattern": (["/topic/names.*"], True),
    "two destinations": (["/topic/names.a", "/topic/names.b"], True),
    "one destination with names": (["/topic/names.a", "--names"], True),
    "pattern without names": (["/topic/names.#", "--no-names"], False),
}


@pytest.mark.parametrize("name", NAMES)
def test_sub_prints_destinations_where_there_may_be_several(served, run, name):
    arguments, named = NAMES[name]
    process = subscribe(served, *arguments, "--count", "1")
    assert run("pub", "/topic/names.a", "x", "--url", served.url) == (0, "", "")
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, b"/topic/names.a x\n" if named else b"x\n")
    assert errors.count(b"subscribed to ") == errors.count(b"\n")


def test_sub_with_several_destinations_counts_all_of_them(served, run):
    process = subscribe(served, "/topic/several.a", "/queue/several.b", "--count", "3", "--no-names")
    assert process.stderr.readline() == b"subscribed to /queue/several.b\n"
    for destination, body in (("/topic/several.a", "1"), ("/queue/several.b", "2"), ("/topic/several.a", "3")):
        assert run("pub", destination, body, "--url", served.url)[0] == 0
        assert process.stdout.readline() == body.encode() + b"\n"
    assert finish(process) == b""


def test_sub_says_nothing_of_coming_back_before_it_has_subscribed(served, run):
    assert run("pub", "/topic/past", "x", "--url", served.url)[0] == 0
    process = subscribe(served, "/topic/past", "--header", "from:earliest", "--count", "1")
    assert finish(process) == b"x\n"


@pytest.mark.parametrize("command", [["request", "/queue/nobody", "x"], ["sub", "/topic/nobody"]])
def test_interrupt_is_the_end_of_sub_and_the_failure_of_others(served, command):
    process = subprocess.Popen([*QMQ, *command, "--url", served.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    name = "/topic/nobody" if command[0] == "sub" else "/queue/nobody"
    interest = {"sub": lambda: process.stderr.readline(), "request": lambda: arrived(served, name)}
    interest[command[0]]()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (output, errors.strip()) == (b"", b"")
    assert process.returncode == (0 if command[0] == "sub" else 130)


def arrived(served, queue):
    """Waits until a message is in a queue."""
    with blocking.connect(served.url) as client:
        while client.request("/manage/list", {"match": queue.removeprefix("/queue/")}).json()["queues"] == []:
            pass


def test_pub_and_sub_as_json(served, run):
    process = subscribe(served, "/topic/json.#", "--json", "--count", "3", "--header", "max-messages:10")
    url = ["--url", served.url, "--login", "me", "--passcode", "secret"]
    assert run("pub", "/topic/json.a", "tëxt", "--header", "x:a:b", *url)[0] == 0
    assert run("pub", "/topic/json.a", "{}", "--content-type", "application/json", *url)[0] == 0
    assert run("pub", "/topic/json.a", *url, stdin=b"\xff\0\n")[0] == 0
    first, second, third = map(json.loads, finish(process).splitlines())
    assert first["id"].startswith("shared.")
    assert (first["destination"], first["body"], first["headers"]["x"]) == ("/topic/json.a", "tëxt", "a:b")
    assert first["headers"]["content-type"] == "text/plain"
    assert second["headers"]["content-type"] == "application/json"
    assert (base64.b64decode(third["bodyBase64"]), "body" in third) == (b"\xff\0\n", False)
    assert "content-type" not in third["headers"]
    assert not {"subscription", "content-length", "receipt"} & set(first["headers"])


def test_an_argument_that_is_no_utf8_is_published_as_it_is(served):
    process = subscribe(served, "/topic/octets", "--count", "1")
    try:
        sent = subprocess.run([*QMQ, "pub", "/topic/octets", b"\xff\xfe", "--url", served.url], capture_output=True)
        assert (sent.returncode, sent.stdout, sent.stderr) == (0, b"", b"")
        assert finish(process) == b"\xff\xfe\n"
    finally:
        process.kill()
        process.communicate()


def test_what_the_server_refuses_is_one_line_and_exit_1(served, wrong):
    url = ["--url", served.url]
    assert wrong("pub", "/nowhere/a", "x", *url, status=1).startswith("bad-destination: ")
    assert wrong("pub", "/topic/a.*", "x", *url, status=1).startswith("bad-pattern: ")
    assert wrong("sub", "/topic/a..b", *url, status=1).startswith("bad-pattern: ")
    assert wrong("sub", "/topic/a", "--header", "overflow:x", *url, status=1).startswith("bad-header: ")
    assert wrong("pub", "/topic/a", "x", "--login", "a\nb", *url, status=1).startswith("bad-header: ")
    wrong_path = f"ws://127.0.0.1:{served.port}/nothing"
    assert "404 Not Found" in wrong("pub", "/topic/a", "x", "--url", wrong_path, status=1)


def test_text_that_is_no_utf8_is_one_line_and_exit_1(served, wrong):
    assert wrong("pub", "/topic/\udcff", "x", "--url", served.url, status=1).startswith("bad-header: ")


@pytest.fixture
def back_end(served):
    """Answers what is asked of `/queue/echo`, from a thread of its own: the body twice."""
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def answer():
        async with await connect(served.url) as client:
            work = await client.subscribe("/queue/echo")
            ready.set()
            async for message in work:
                kind = {"content-type": message.headers["content-type"]} if "content-type" in message.headers else {}
                await message.reply(message.body * 2, {"of": message.headers.get("x", ""), **kind})

    def run():
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(answer())
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield
    loop.call_soon_threadsafe(task.cancel)
    thread.join()
    loop.close()


def test_request_prints_the_reply(served, run, back_end):
    url = ["--url", served.url]
    assert run("request", "/queue/echo", "tëxt ", *url) == (0, "tëxt tëxt \n", "")
    assert run("request", "/queue/echo", "-", *url, stdin=b"a\n") == (0, "a\na\n\n", "")
    assert run("request", "/queue/echo", *url, stdin=b"") == (0, "\n", "")
    status, output, errors = run(
        "request", "/queue/echo", "1", "--json", "--header", "x:y", "--content-type", "text/csv", *url
    )
    reply = json.loads(output)
    assert (status, errors, reply["body"]) == (0, "", "11")
    assert (reply["headers"]["of"], reply["headers"]["content-type"]) == ("y", "text/csv")


def test_a_request_without_a_reply_is_one_line_and_exit_1(served, wrong):
    url = ["--url", served.url]
    told = wrong("request", "/topic/nobody", "x", "--timeout", "0.2", *url, status=1)
    assert told == "request-timeout: No reply came in time: none from /topic/nobody in 0.2 seconds"
    told = wrong("request", "/exchange/amq.direct/nobody", "x", *url, status=1)
    assert told == "no-consumer: No consumer has taken the request in its time: /exchange/amq.direct/nobody"
    assert wrong("request", "/nowhere/a", "x", *url, status=1).startswith("bad-destination: ")


def test_manage_prints_the_answer(served, run):
    url = ["--url", served.url]
    status, output, errors = run("manage", "declare", "destination=/queue/managed", "max-length=5", *url)
    assert (status, errors) == (0, "")
    assert output.startswith('{\n  "destination": "/queue/managed",\n')
    assert json.loads(output)["properties"]["max-length"] == 5
    assert run("pub", "/queue/managed", "x", *url)[0] == 0
    assert json.loads(run("manage", "list", "match=managed", *url)[1])["queues"] == [
        {"destination": "/queue/managed", "messages": 1}
    ]
    rule = ["source=amq.headers", "destination=/queue/managed", 'arguments={"x-match": "all", "kind": "a"}']
    assert json.loads(run("manage", "bind", *rule, *url)[1]) == {"new": True}
    assert json.loads(run("manage", "delete", "destination=/queue/managed", *url)[1]) == {"messages": 1}


def test_what_the_gateway_does_not_do_is_one_line_and_exit_1(served, wrong):
    url = ["--url", served.url]
    told = wrong("manage", "nonsense", *url, status=1)
    assert told.startswith("bad-operation: ")
    assert all(name in told for name in OPERATIONS)
    assert "destination is missing" in wrong("manage", "purge", *url, status=1)
    assert wrong("manage", "purge", "destination=/queue/none", *url, status=1).startswith("not-found: ")


def test_sub_takes_no_more_from_a_queue_than_it_prints(served, run):
    url = ["--url", served.url]
    for number in range(3):
        assert run("pub", "/queue/taken", str(number), *url)[0] == 0
    assert finish(subscribe(served, "/queue/taken", "--ack", "--count", "2")) == b"0\n1\n"
    assert finish(subscribe(served, "/queue/taken", "--ack", "--count", "1", "--header", "ack:client")) == b"2\n"
    queue = json.loads(run("manage", "inspect", "destination=/queue/taken", *url)[1])
    assert (queue["messages"], queue["unsettled"], queue["acked"]) == (0, 0, 3)


def test_sub_ends_with_1_when_the_server_goes_if_it_is_told_to(tmp_path):
    server = Serve(tmp_path / "ready", "--drain", "0.1")
    try:
        process = subscribe(server, "/topic/a", "--no-reconnect")
        assert server.stop()[0] == 0
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output) == (1, b"")
        assert errors.startswith(b"qmq: shutting-down: ")
        assert errors.count(b"\n") == 1
    finally:
        server.close()


def test_sub_comes_back_and_says_so(tmp_path, run):
    first, second = (Serve(tmp_path / name, "--listen", "stomp://127.0.0.1:0") for name in ("first", "second"))
    other = f"stomp://127.0.0.1:{second.ready['listen'][1]['port']}"
    try:
        process = subscribe(first, "/topic/a", "--count", "2", "--url", other)
        assert run("pub", "/topic/a", "1", "--url", first.url)[0] == 0
        assert process.stdout.readline() == b"1\n"
        first.process.kill()
        told = process.stderr.readline()
        assert told.startswith(b"connection-lost: The connection ended without a word")
        assert told.endswith(b"; trying again\n")
        assert process.stderr.readline() == b"back; something may have been missed\n"
        assert run("pub", "/topic/a", "2", "--url", other)[0] == 0
        assert finish(process) == b"2\n"
    finally:
        for each in (first, second):
            each.close()


def test_secrets_come_from_the_environment_or_a_file(tmp_path, run, wrong):
    config = tmp_path / "qmq.toml"
    user = f'[[users]]\nname = "ann"\npassword = "{passwords.hashed("right", 10)}"\n'
    config.write_text(user + '[[rules]]\nallow = "publish"\non = "/topic/a"\n')
    secret = tmp_path / "secret"
    secret.write_text("right\nnot read\n")
    server = Serve(tmp_path / "ready", "--config", str(config), "--drain", "0.1")
    try:
        pub, ann = ("pub", "/topic/a", "x"), {"QMQ_URL": server.url, "QMQ_LOGIN": "ann"}
        assert wrong(*pub, environ=ann, status=1) == f"bad-login: {CODES['bad-login'].text}"
        assert run(*pub, "--passcode-file", str(secret), environ=ann) == (0, "", "")
        assert run(*pub, environ={**ann, "QMQ_PASSCODE": "right"}) == (0, "", "")
        told = wrong(*pub, "--token-file", str(secret), environ={"QMQ_PASSCODE": "", "QMQ_LOGIN": "bob"}, status=1)
        assert told.startswith("bad-login: ")
    finally:
        server.close()


def test_every_scheme_and_a_token(tmp_path, run):
    server = Serve(tmp_path / "ready", "--listen", "stomp://127.0.0.1:0", "--drain", "0.1")
    try:
        for url in (
            f"stomp://127.0.0.1:{server.ready['listen'][1]['port']}",
            server.url,
            server.url.replace("ws", "http"),
        ):
            assert run("pub", "/topic/a", "x", "--url", url, "--token", "any") == (0, "", "")
        assert run("pub", "/topic/a", "x", "--url", "stomp://127.0.0.1:1", "--url", server.url) == (0, "", "")
    finally:
        server.close()


def test_sub_ends_quietly_when_nobody_reads_its_output(served, run):
    process = subscribe(served, "/topic/pipe")
    process.stdout.close()
    assert run("pub", "/topic/pipe", "x", "--url", served.url)[0] == 0
    try:
        assert process.wait(20) != 0
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.stderr.close()
