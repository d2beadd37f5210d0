"""PEM files and what is wrong with them: each time one line that names the option and the file."""

import ssl
import subprocess
from pathlib import Path

import pytest

from qmq.certificates import client_context, server_context
from qmq.errors import ConfigError
from qmq.sections import Tls


@pytest.fixture
def wrong():
    """What is told of wrong files, which must be one line."""

    def wrong(make, *arguments, **more):
        with pytest.raises(ConfigError) as error:
            make(*arguments, **more)
        assert "\n" not in str(error.value)
        return str(error.value)

    return wrong


def encrypted(key, path):
    """The same key, with a passphrase."""
    subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", path], check=True)
    return str(path)


def test_one_file_or_two(authority):
    certificate, key = authority.pair()
    server_context(Tls(certificate, key))
    server_context(Tls(authority.certificate()))
    client_context(authority.file, authority.certificate())
    client_context(authority.file, certificate, key)


def test_what_a_server_speaks(authority):
    context = server_context(Tls(authority.certificate()), ("http/1.1",))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
        assert context.options & option
    for cipher in context.get_ciphers():
        assert cipher["aead"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["kea"] == "kx-ecdhe"


def test_what_is_asked_of_clients(authority):
    file = authority.certificate()
    for how, mode in {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}.items():
        context = server_context(Tls(file, "", authority.file, how))
        assert context.verify_mode is mode
        assert [ca["serialNumber"] for ca in context.get_ca_certs()]


def test_a_client_checks_names_and_believes_those_it_is_told_to(authority):
    for context in (client_context(), client_context(authority.file)):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(client_context(authority.file).get_ca_certs()) == 1


def test_files_that_are_not_there_or_hold_something_else(authority, wrong, tmp_path):
    certificate, key = authority.pair()
    nothing = str(tmp_path / "nothing.pem")
    text = tmp_path / "text.pem"
    text.write_text("no PEM")
    assert wrong(server_context, Tls(nothing)) == f"tls.certificate: cannot read {nothing}: No such file or directory"
    assert wrong(server_context, Tls(str(tmp_path))) == f"tls.certificate: cannot read {tmp_path}: Is a directory"
    assert wrong(server_context, Tls("a\0b")).startswith("tls.certificate: cannot read ")
    assert wrong(server_context, Tls(certificate, nothing)).startswith(f"tls.key: cannot read {nothing}")
    told = f"tls.certificate: there is no certificate in {text}, or it is not PEM"
    assert wrong(server_context, Tls(str(text))) == told
    told = f"tls.certificate: there is no private key in {certificate}, or it is not PEM"
    assert wrong(server_context, Tls(certificate)) == told
    told = f"tls.key: there is no private key in {certificate}, or it is not PEM"
    assert wrong(server_context, Tls(certificate, certificate)) == told
    told = f"tls.client_ca: there is no certificate in {key}, or it is not PEM"
    assert wrong(server_context, Tls(certificate, key, key, "required")) == told
    assert wrong(client_context, nothing).startswith(f"--ca: cannot read {nothing}")
    assert wrong(client_context, authority.file, nothing).startswith(f"--cert: cannot read {nothing}")
    assert wrong(client_context, authority.file, certificate, nothing).startswith(f"--key: cannot read {nothing}")


def test_a_key_of_another_certificate(authority, wrong):
    certificate, other = authority.pair()[0], authority.pair()[1]
    told = f"tls.certificate {certificate}: the key does not belong to the certificate"
    assert wrong(server_context, Tls(certificate, other)) == told
    assert wrong(client_context, "", certificate, other).startswith(f"--cert {certificate}: the key does not")


def test_a_key_with_a_passphrase_is_not_asked_for(authority, wrong, tmp_path):
    certificate, key = authority.pair()
    locked = encrypted(key, tmp_path / "locked.pem")
    assert wrong(server_context, Tls(certificate, locked)) == f"tls.key {locked}: the key has a passphrase; remove it"
    assert wrong(client_context, "", certificate, locked).startswith(f"--key {locked}: the key has a passphrase")


def test_files_that_begin_well_and_are_cut_off(authority, wrong, tmp_path):
    certificate, key = authority.pair()
    cut = tmp_path / "cut.pem"
    for file in (certificate, key, authority.file):
        text = Path(file).read_text()
        cut.write_text(text[: len(text) // 2])
        tls = {
            certificate: Tls(str(cut), key),
            key: Tls(certificate, str(cut)),
            authority.file: Tls(certificate, key, str(cut), "optional"),
        }[file]
        assert "OpenSSL does not accept it" in wrong(server_context, tls)
