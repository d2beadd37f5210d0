"""How far a subscription has got."""

from qmq.client.cursor import Cursor


def test_the_last_of_each_origin_counts():
    cursor = Cursor("a.e.1,b.f.7")
    cursor.advance("a.e.2")
    assert cursor.text == "a.e.2,b.f.7"
    cursor.advance("b.g.1")
    cursor.advance("c.h.5")
    assert cursor.text == "a.e.2,b.g.1,c.h.5"
    assert Cursor(cursor.text).text == cursor.text


def test_of_one_origin_it_is_the_id():
    cursor = Cursor()
    assert cursor.text == ""
    for number in range(3):
        cursor.advance(f"node.e.{number}")
        assert cursor.text == f"node.e.{number}"


def test_what_is_no_id_changes_nothing():
    cursor = Cursor("a.e.1")
    for nothing in ("", "a", "a.e", "a.e.1.2", ","):
        cursor.advance(nothing)
    assert cursor.text == "a.e.1"
