"""The table of error codes, and what an error says."""

from qmq.errors import CODES, QmqError


def test_every_row_makes_sense():
    for name, code in CODES.items():
        assert name == code.name
        assert 400 <= code.status <= 599
        assert code.close in range(1000, 1016) or code.close in range(4000, 5000)
        assert code.text[0].isupper() and not code.text.endswith(".")


def test_private_close_codes_say_whether_to_come_back_and_are_unique():
    private = [code for code in CODES.values() if code.close >= 4000]
    assert len({code.close for code in private}) == len(private)
    for code in private:
        assert code.retry is (code.close < 4500), code.name


def test_what_an_error_says():
    assert str(QmqError("not-found")) == "not-found: There is nothing at this address"
    assert str(QmqError("not-found", "/x")) == "not-found: There is nothing at this address: /x"
