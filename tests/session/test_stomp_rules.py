"""The table of legal frames, checked as a table."""

from qmq.session.stomp import Session
from qmq.session.stomp_actions import Actions
from qmq.session.stomp_rules import CLIENT_MAY_SEND, COMMANDS, State, as_markdown


def test_every_command_has_its_method_and_a_state_in_which_it_is_legal():
    for command, (method, _) in COMMANDS.items():
        assert callable(getattr(Session if command in ("CONNECT", "STOMP") else Actions, method))
        assert any(command in row for row in CLIENT_MAY_SEND.values())


def test_every_state_has_a_row_and_rows_name_known_commands():
    assert set(CLIENT_MAY_SEND) == set(State)
    assert all(set(row) <= set(COMMANDS) for row in CLIENT_MAY_SEND.values())


def test_the_printed_table():
    lines = as_markdown().split("\n")
    assert lines[0] == "| frame | needs | new | checking | open | closing |"
    assert "| `SEND` | `destination` | error | error | → open | error |" in lines
