"""Waiting for something by its name."""

import pytest

from qmq.client.answers import Answers
from qmq.errors import QmqError


@pytest.mark.gen_test
async def test_each_gets_its_own_once():
    answers = Answers()
    first, second = answers.expect("1"), answers.expect("2")
    assert answers.settle("2", "b")
    assert not answers.settle("2", "again")
    assert not answers.settle("3", "nobody")
    assert (await second, first.done(), list(answers)) == ("b", False, ["1"])
    assert answers.fail("1", QmqError("closed"))
    assert not answers.fail("1", QmqError("closed"))
    with pytest.raises(QmqError):
        await first
    assert len(answers) == 0


@pytest.mark.gen_test
async def test_whoever_gives_up_is_forgotten():
    answers = Answers()
    with answers.expecting("1") as answer:
        assert list(answers) == ["1"]
    assert answer.cancelled()
    answers.drop("1")
    given_up = answers.expect("2")
    given_up.cancel()
    assert answers.settle("2", "too late")  # and nothing is wrong with that
    given_up = answers.expect("3")
    given_up.cancel()
    answers.fail_all(QmqError("closed"))
    assert len(answers) == 0
