"""New certificates while connections live: old ones go on, new ones get the new, and a broken file changes nothing."""

import pytest

from tests.authority import Authority
from tests.gateway.tls_peers import SECURE, TlsPeer, asked, is_refused


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_new_certificate_is_for_new_connections_and_old_ones_go_on(tls_node, tls_join, authority, scheme):
    file = authority.certificate()
    node = await tls_node(certificate=file)
    old = await tls_join(node, scheme)
    await old.subscribe("/topic/a")
    authority.certificate(file=file)
    assert (await tls_join(node, scheme)).serial == old.serial
    await node.reload()
    new = await tls_join(node, scheme)
    assert new.serial != old.serial
    await new.publish("/topic/a", b"x")
    assert (await old.frame()).body == b"x"


@pytest.mark.gen_test(timeout=20)
async def test_a_broken_file_changes_nothing_and_the_log_says_why(tls_node, tls_join, authority, logged, caplog):
    logged.expect("the configuration stays as it was")
    file, key = authority.pair()
    node = await tls_node(certificate=file, tls__key=key)
    old = await tls_join(node)
    authority.certificate(file=file)  # another certificate, and still the old key
    await node.reload()
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    told = "reload-refused: the configuration stays as it was: "
    told += f"tls.certificate {file}: the key does not belong to the certificate"
    assert (record.name, record.getMessage()) == ("qmq", told)
    assert (await tls_join(node)).serial == old.serial


@pytest.mark.gen_test(timeout=20)
async def test_other_client_authorities_after_a_reload(tls_node, tls_join, tls_dial, authority, tmp_path):
    file = tmp_path / "client-ca.pem"
    file.write_bytes((tmp_path / authority.file).read_bytes())
    node = await tls_node(**asked(authority, "required", str(file)))
    mine = authority.trust(authority.certificate("me@example.org"))
    old = await tls_join(node, context=mine)
    other = Authority(tmp_path / "other")
    file.write_bytes((tmp_path / other.file).read_bytes())
    await node.reload()
    await is_refused(await tls_dial(node, kind=TlsPeer), mine, "UNKNOWN_CA")
    await tls_join(node, context=authority.trust(other.certificate("me@example.org")))
    await old.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_there_may_be_no_certificates(start_node, caplog):
    node = await start_node()
    with caplog.at_level("INFO"):
        await node.reload()
    assert "the configuration was read again" in caplog.text
