"""TLS from the command line: serve, SIGHUP, check-config, pub and sub, each in a process of its own."""

import signal
import socket
import subprocess
import time

import pytest

from tests.authority import HOST, Authority
from tests.processes import QMQ, Serve, line


@pytest.fixture
def serve(tmp_path):
    """Starts servers that listen on https too, at `server.secure`: `server = serve("--tls-certificate", file)`."""
    servers = []

    def serve(*arguments):
        server = Serve(tmp_path / "ready", "--listen", "https://127.0.0.1:0", "--drain", "0.1", *arguments)
        servers.append(server)
        server.secure = server.ready["listen"][1]
        server.url = f"wss://127.0.0.1:{server.secure['port']}"
        return server

    yield serve
    for server in servers:
        server.close()


def qmq(*arguments):
    """Runs a command: exit status, output and errors."""
    done = subprocess.run([*QMQ, *arguments], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def connect(server, context):
    """A TLS connection, as a socket that waits."""
    sock = socket.create_connection((HOST, server.secure["port"]), 10)
    return context.wrap_socket(sock, server_hostname=HOST)


def test_sighup_gives_new_connections_a_new_certificate_and_keeps_the_old_ones(serve, authority):
    file = authority.certificate()
    server = serve("--tls-certificate", file)
    assert (server.secure["scheme"], server.secure["host"]) == ("https", HOST)
    context = authority.trust()
    with connect(server, context) as old:
        before = old.getpeercert()["serialNumber"]
        authority.certificate(file=file)
        server.process.send_signal(signal.SIGHUP)
        assert " INFO qmq: the configuration was read again" in line(server.process.stderr, "read again")
        with connect(server, context) as new:
            after = new.getpeercert()["serialNumber"]
        with open(file, "w") as broken:
            broken.write("no PEM")
        server.process.send_signal(signal.SIGHUP)
        told = line(server.process.stderr, "configuration")
        refused = " WARNING qmq: reload-refused: the configuration stays as it was: "
        assert f"{refused}tls.certificate: there is no certificate in " in told
        with connect(server, context) as last:
            assert last.getpeercert()["serialNumber"] == after != before
        old.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert old.recv(1000).startswith(b"HTTP/1.1 200 ")
    status, output, errors = server.stop()
    assert (status, errors) == (0, "")
    assert f"qmq {server.ready['name']} listens on https://127.0.0.1:{server.secure['port']}\n" in output


def test_sighup_ends_nothing_where_there_is_no_tls(tmp_path):
    server = Serve(tmp_path / "ready", "--drain", "0.1")
    try:
        server.process.send_signal(signal.SIGHUP)
        assert "the configuration was read again" in line(server.process.stderr, "configuration")
        assert server.stop()[0] == 0
    finally:
        server.close()


def test_pub_and_sub_over_wss_with_an_authority_of_ones_own(serve, authority, tmp_path):
    server = serve("--tls-certificate", authority.certificate())
    known = ["--url", server.url, "--ca", authority.file]
    sub = subprocess.Popen(
        [*QMQ, "sub", "/topic/a", "--count", "1", *known], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert sub.stderr.readline().startswith(b"subscribed to ")
        assert qmq("pub", "/topic/a", "x", *known) == (0, "", "")
        assert sub.communicate(timeout=20) == (b"x\n", b"")
    finally:
        sub.kill()
        sub.communicate()
    stranger = Authority(tmp_path / "stranger")
    for more in ([], ["--ca", stranger.file]):
        status, output, errors = qmq("pub", "/topic/a", "x", "--url", server.url, *more)
        assert (status, output, errors.count("\n")) == (1, "", 1)
        assert "the server's certificate is not believed: " in errors


def test_pub_with_a_certificate_and_without(serve, authority):
    server = serve(
        "--tls-certificate", authority.certificate(),
        "--tls-client-ca", authority.file, "--tls-client-certificates", "required",
    )  # fmt: skip
    known = ["--url", server.url, "--ca", authority.file]
    certificate, key = authority.pair("me@example.org")
    assert qmq("pub", "/topic/a", "x", *known, "--cert", certificate, "--key", key) == (0, "", "")
    status, output, errors = qmq("pub", "/topic/a", "x", *known)
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert "certificate required" in errors


def test_wss_where_there_is_no_tls_and_ws_where_there_is(serve, authority):
    server = serve("--tls-certificate", authority.certificate())
    begin = time.monotonic()
    status, _, errors = qmq("pub", "/topic/a", "x", "--url", f"wss://127.0.0.1:{server.port}")
    assert (status, errors.count("\n")) == (1, 1)
    assert "TLS failed: " in errors
    status, _, errors = qmq("pub", "/topic/a", "x", "--url", server.url.replace("wss:", "ws:"))
    assert (status, errors.count("\n")) == (1, 1)
    assert "400 Bad Request" in errors
    assert time.monotonic() - begin < 8  # at once, and not when the time to connect is over


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_wrong_certificate_is_one_line_and_exit_2(command, authority, tmp_path):
    certificate, key = authority.pair()
    other = authority.pair()[1]
    listen = ["--listen", "https://127.0.0.1:0"]
    for arguments, told in {
        (): "listen https://127.0.0.1:0: https needs tls.certificate",
        ("--tls-certificate", "/nowhere.pem"): "tls.certificate: cannot read /nowhere.pem: No such file or directory",
        ("--tls-certificate", certificate, "--tls-key", other): "the key does not belong to the certificate",
        ("--tls-certificate", certificate, "--tls-key", key, "--tls-client-certificates", "optional"): (
            "tls.client_certificates = optional needs tls.client_ca"
        ),
    }.items():
        status, output, errors = qmq(command, *listen, *arguments)
        assert (status, output, errors.count("\n")) == (2, "", 1)
        assert told in errors


@pytest.mark.parametrize("command", ["pub", "sub"])
def test_a_clients_wrong_files_are_one_line_and_exit_2(command, authority):
    for arguments, told in {
        ("--ca", "/nowhere.pem"): "--ca: cannot read /nowhere.pem: No such file or directory",
        ("--cert", authority.file): "--cert: there is no private key in",
        ("--key", authority.file): "--key is of no use without --cert",
    }.items():
        status, output, errors = qmq(command, "/topic/a", *arguments)
        assert (status, output, errors.count("\n")) == (2, "", 1)
        assert told in errors
