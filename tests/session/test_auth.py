"""What a principal is, and what it does not tell."""

from qmq.session.auth import ANONYMOUS, Kind, Principal


def test_a_principal_shows_nothing_secret():
    principal = Principal("alice", Kind.TOKEN, {"mail": "SECRET"}, 12.0, {"publish": ("/topic/SECRET",)}, "SECRET")
    for shown in (repr(principal), str(principal), f"{principal}"):
        assert "alice" in shown
        assert "SECRET" not in shown


def test_the_same_client_may_come_with_a_newer_proof():
    old, new = (Principal("alice", Kind.TOKEN, {}, expires) for expires in (1.0, 2.0))
    assert old.is_same(new)
    assert not old.is_same(Principal("bob", Kind.TOKEN))
    assert not old.is_same(Principal("alice", Kind.USER))
    assert not old.is_same(ANONYMOUS)


def test_nobody_in_particular():
    assert (ANONYMOUS.name, ANONYMOUS.kind, str(ANONYMOUS)) == ("", Kind.ANONYMOUS, "anonymous")
