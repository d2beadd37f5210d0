"""`qmq hash-password` and `qmq token`: what they print is what a gateway takes."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from qmq.client import connect
from qmq.config import make
from qmq.errors import QmqError
from qmq.policies import policy_of
from qmq.session.passwords import hashed, parse
from tests.processes import QMQ, Serve, line
from tests.tokens import SECRET, jwk, private_pem, public_pem, token


def qmq(*arguments, stdin="", status=0):
    """What the command prints, to standard output if all is well, else the one line on standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QMQ_")}
    done = subprocess.run([*QMQ, *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=30)
    assert done.returncode == status, done.stderr
    if status:
        assert done.stderr.startswith("qmq: ")
        assert done.stderr.count("\n") == 1
        return done.stderr[5:-1]
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def file(tmp_path):
    def file(text, name="key"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
        return str(path)

    return file


@pytest.mark.parametrize("password", ["right", "with blanks  ", "öäü€"])
def test_a_hash_of_standard_input(password):
    found = parse(qmq("hash-password", "--cost", "10", stdin=password + "\n").removesuffix("\n"))
    assert found.matches(password)
    assert not found.matches(password.strip() + "x")


def test_a_password_is_asked_for_twice_and_not_shown():
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*QMQ, "hash-password", "--cost", "10"],
        stdin=follower, stdout=subprocess.PIPE, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    for prompts in (1, 2):
        while shown.count(b": ") < prompts:
            shown += os.read(leader, 1000)
        os.write(leader, b"right\n")
    output, _ = process.communicate(timeout=20)
    os.close(leader)
    assert parse(output.decode().strip()).matches("right")
    assert b"right" not in shown


def test_an_empty_password():
    assert qmq("hash-password", stdin="\n", status=2) == "a password has 1 to 1024 octets, none of them NUL"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_token_that_is_made_is_taken(file, algorithm):
    secret = file(SECRET if algorithm == "HS256" else private_pem(algorithm))
    public = secret if algorithm == "HS256" else file(public_pem(algorithm), "public")
    more = ["--issuer", "us", "--audience", "qmq", "--lasts", "60", "--claim", "role=admin", "--claim", "level=3"]
    said = qmq("token", "make", "alice", "--key", secret, *more, "--publish", "/topic/a.#", "--manage", "#").strip()
    policy = policy_of(make({"tokens.keys": (public,), "tokens.issuer": "us", "tokens.audience": "qmq"}))
    principal = policy.by_token(said, time.time())
    assert (principal.name, principal.claims["role"], principal.claims["level"]) == ("alice", "admin", 3)
    assert principal.rights == {"publish": ("/topic/a.#",), "manage": ("#",)}
    assert 50 < principal.expires - time.time() <= 60
    told = qmq("token", "explain", "--key", public, "--issuer", "us", "--audience", "qmq", stdin=said + "\n")
    assert f'"alg": "{algorithm}"' in told
    assert '"role": "admin"' in told
    assert re.search(r"^good until [-0-9]+ [:0-9]+ UTC, for \d+ seconds$", told, re.MULTILINE)
    assert "may publish: /topic/a.#\nmay subscribe: nothing\nmay consume: nothing\nmay manage: #\n" in told


def test_what_the_configuration_says_counts_for_both(file):
    keys = file(json.dumps({"keys": [jwk("HS256", "one")]}))
    config = file(
        f"""
        [tokens]
        keys = ["{keys}"]
        issuer = "us"
        [[rules]]
        who = "al*"
        allow = "consume"
        on = ["/queue/jobs.#", "/exchange/logs/{{name}}"]
        """,
        "qmq.toml",
    )
    said = qmq("token", "make", "alice", "--config", config, "--subscribe", "/topic/a").strip()
    told = qmq("token", "explain", said, "--config", config)
    assert '"kid": "one"' in told
    assert '"iss": "us"' in told
    assert "may subscribe: /topic/a\nmay consume: /queue/jobs.#, /exchange/logs/alice\n" in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (lambda: token(lasts=-60), r"token-expired: .* 6\d seconds ago"),
        (lambda: token(key="x" * 32), "bad-token: .*none of the keys"),
        (lambda: token(aud="them"), r"bad-token: .*\(aud\)"),
        (lambda: "nonsense", "bad-token: .*three parts"),
        (lambda: token()[:-8], "bad-token: "),
        (lambda: "e30.e30.", "bad-token: "),
    ],
)
def test_what_is_wrong_with_a_token(file, said, told):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QMQ_")}
    done = subprocess.run(
        [*QMQ, "token", "explain", "--key", file(SECRET)],
        input=said(), capture_output=True, text=True, env=environment, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.match(f"qmq: {told}", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no tokens.keys are configured"),
        (("--key", "/nowhere/x"), "--key: cannot read /nowhere/x: No such file"),
        (("--key", "SHORT"), "at least 32 octets"),
        (("--key", "PUBLIC"), "no private key to sign with"),
        (("--key", "GOOD", "--publish", "nope"), "qmq.publish: 'nope' is none of"),
        (("--key", "GOOD", "--claim", "nope"), "--claim must be NAME=VALUE"),
        (("--key", "GOOD", "--claim", "sub=1"), "names no holder"),
        (("--key", "GOOD", "--claim", "iss=1"), "cannot be said in a token"),
        (("--key", "GOOD", "--lasts", "0"), "--lasts"),
    ],
)
def test_tokens_that_cannot_be_made(file, arguments, told):
    files = {"SHORT": file("x", "short"), "PUBLIC": file(public_pem("ES256"), "public"), "GOOD": file(SECRET)}
    arguments = [files.get(argument, argument) for argument in arguments]
    assert told in qmq("token", "make", "alice", *arguments, status=2)


CONFIG = """
[[users]]
name = "alice"
password = "{}"
[[rules]]
allow = ["publish", "subscribe"]
on = "/topic/#"
"""


def test_a_changed_file_takes_effect_with_sighup_and_a_broken_one_does_not(tmp_path, io_loop):
    file = tmp_path / "qmq.toml"
    file.write_text(CONFIG.format(hashed("right", cost=10)))
    server = Serve(tmp_path / "ready", "--config", str(file), "--drain", "0.1")

    async def use():
        async with await connect(server.url, login="alice", passcode="right") as client:
            await client.publish("/topic/a", "x")
            file.write_text("nonsense")
            server.process.send_signal(signal.SIGHUP)
            assert " WARNING qmq: reload-refused: the configuration stays as it was: " in line(
                server.process.stderr, "configuration"
            )
            await client.publish("/topic/a", "x")
            file.write_text(CONFIG.format(hashed("a-new-one", cost=10)))
            server.process.send_signal(signal.SIGHUP)
            with pytest.raises(QmqError, match="forbidden"):
                while True:
                    await client.publish("/topic/a", "x")
        with pytest.raises(QmqError, match="bad-login"):
            await connect(server.url, login="alice", passcode="right")
        await (await connect(server.url, login="alice", passcode="a-new-one")).close()

    try:
        io_loop.run_sync(use, timeout=20)
        status, _, errors = server.stop()
        assert status == 0
        assert "the configuration was read again" in errors
        assert "a-new-one" not in errors
    finally:
        server.close()


def test_check_config_reads_users_rules_and_keys_and_shows_nothing_secret(file):
    kept = hashed("right", cost=10)
    good = file(CONFIG.format(kept) + f'[tokens]\nkeys = ["{file(SECRET)}"]\n', "good.toml")
    told = qmq("check-config", "--config", good)
    assert "users = (1 not shown)" in told
    assert kept not in told
    assert SECRET not in told
    for broken, why in (
        (CONFIG.format("right"), "[[users]] number 1: password must be a hash"),
        (CONFIG.format(kept).replace("/topic/#", "topic"), "[[rules]] number 1: on: 'topic' is none of"),
        ('[tokens]\nkeys = ["/nowhere/x"]', "tokens.keys: cannot read /nowhere/x"),
    ):
        assert why in qmq("check-config", "--config", file(broken, "broken.toml"), status=2)


def test_check_config_says_whether_a_running_node_would_take_it(file):
    whole = CONFIG.format(hashed("right", cost=10))
    running = file(whole, "old.toml")
    assert "users" in qmq("check-config", "--config", file(whole + "# more", "new.toml"), "--instead-of", running)
    for text in ("# nothing", whole[: whole.index("[[rules]]")]):
        new = file(text, "new.toml")
        qmq("check-config", "--config", new)
        told = qmq("check-config", "--config", new, "--instead-of", running, status=2)
        assert "would be gone" in told or "ends where it went on" in told
