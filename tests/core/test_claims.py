"""Claims: what is taken without a connection is settled by its token, by its holder, in time, once."""

import pytest

from qmq.core.claims import Claims
from qmq.errors import QmqError
from tests.core.workers import Shop, Worker


class Desk(Shop):
    """A shop whose messages are taken by claims."""

    def __init__(self, *bodies, most=100, **options):
        super().__init__(*bodies, **options)
        self.claims = self.registry.claims = Claims(self.registry, most)

    def take(self, most=10, holder="ann", max_bytes=1000):
        """Opens a claim and closes it: tokens by body."""
        return {each.message.body.decode(): each.token for each in self.open(most, holder, max_bytes).close()}

    def open(self, most=10, holder="ann", max_bytes=1000):
        return self.claims.open(self.queue, holder, most, max_bytes)

    def empty(self):
        """Whether nothing is left of any claim."""
        return not len(self.claims) and not self.claims._held and not self.queue.consumers


def refused(call, *args):
    with pytest.raises(QmqError) as caught:
        call(*args)
    return caught.value.code.name


def test_what_is_acknowledged_is_gone_and_the_claim_with_it():
    desk = Desk("a", "b", "c")
    tokens = desk.take(2)
    assert [*tokens] == ["a", "b"] and desk.waiting == ["c"]
    assert (len(desk.claims), desk.claims.held("ann"), len(desk.queue.consumers)) == (1, 2, 1)
    desk.claims.settle("ann", tokens["b"], True)
    assert desk.claims.held("ann") == 1
    desk.claims.settle("ann", tokens["a"], True)
    assert desk.empty() and desk.queue.acked == 2 and desk.waiting == ["c"]


def test_what_is_given_back_is_given_again_and_what_is_refused_is_not():
    desk = Desk("a", "b", dead_letter="/queue/dead")
    tokens = desk.take()
    desk.claims.settle("ann", tokens["a"], False)
    desk.claims.settle("ann", tokens["b"], False, False)
    desk.pass_time()
    assert desk.empty() and desk.waiting == ["a"] and desk.dead == ["b rejected"]
    [again] = desk.open().close()
    assert again.deliveries == 2


def test_a_claim_that_gets_nothing_leaves_nothing():
    desk = Desk()
    assert desk.take() == {}
    assert desk.empty()


def test_who_waits_is_told_once_and_has_all_that_came_until_it_closes():
    desk = Desk()
    told = []
    claim = desk.open(2)
    claim.on_change = lambda: told.append(len(claim))
    desk.put("a", "b", "c")
    assert told == [1]
    assert [each.message.body for each in claim.close()] == [b"a", b"b"]
    assert desk.waiting == ["c"] and desk.claims.held("ann") == 2


def test_a_closed_claim_gets_nothing_more_while_it_holds_something():
    desk = Desk("a")
    tokens = desk.take(5)
    desk.put("b")
    assert desk.waiting == ["b"]
    desk.claims.settle("ann", tokens["a"], True)
    assert desk.waiting == ["b"] and desk.empty()


def test_who_has_gone_gives_everything_back():
    desk = Desk("a", "b")
    desk.open().abandon()
    assert desk.empty() and desk.waiting == ["a", "b"]


def test_octets_are_bounded():
    desk = Desk("123", "456", "789", "x")
    assert [*desk.take(max_bytes=6)] == ["123", "456"]
    assert [*desk.take(max_bytes=1)] == ["789"]


def test_what_is_not_settled_in_time_goes_back():
    desk = Desk("a", "b", ack_timeout=1000)
    tokens = desk.take()
    desk.claims.settle("ann", tokens["a"], True)
    desk.pass_time(1.1)
    assert desk.waiting == ["b"] and desk.empty()
    assert desk.stats["acks_timed_out"] == 1
    assert refused(desk.claims.settle, "ann", tokens["b"], True) == "unknown-delivery"
    assert desk.waiting == ["b"]


def test_each_claim_has_its_own_time():
    desk = Desk("a", "b", ack_timeout=1000)
    desk.take(1)
    desk.pass_time(0.6)
    late = desk.take(1)
    desk.pass_time(0.6)
    assert desk.waiting == ["a"] and [*late] == ["b"] and desk.claims.held("ann") == 1
    desk.claims.settle("ann", late["b"], True)


@pytest.mark.parametrize("while_waiting", [True, False])
def test_a_deleted_queue_takes_its_claims_with_it(while_waiting):
    desk = Desk(*([] if while_waiting else ["a"]))
    claim, told = desk.open(), []
    claim.on_change = lambda: told.append(True)
    tokens = [] if while_waiting else claim.close()
    desk.registry.delete(desk.queue.name)
    assert desk.empty()
    if while_waiting:
        assert told and refused(claim.close) == "queue-deleted"
    else:
        assert refused(desk.claims.settle, "ann", tokens[0].token, True) == "unknown-delivery"


def test_a_token_is_good_for_its_holder_and_its_message_only():
    desk = Desk("a", "b")
    token = desk.take(1)["a"]
    key = token.partition(".")[0]
    wrong = ["", ".", key, f"{key}.", f"{key}.2", f"{key}.-1", f"{key}.١", f"{key}.{'9' * 99}", f"x{token}", "1.1"]
    for each in wrong:
        assert refused(desk.claims.settle, "ann", each, True) == "unknown-delivery", each
    assert refused(desk.claims.settle, "eve", token, True) == "unknown-delivery"
    assert desk.claims.held("ann") == 1
    desk.claims.settle("ann", token, True)
    assert refused(desk.claims.settle, "ann", token, True) == "unknown-delivery"
    assert desk.empty()


def test_tokens_are_long_all_different_and_in_no_repr():
    desk = Desk("a", "b")
    claim = desk.open(1)
    (one,) = claim.close()
    (other,) = desk.open(1).close()
    keys = {each.token.partition(".")[0] for each in (one, other)}
    assert len(keys) == 2 and all(len(key) >= 22 for key in keys)
    assert claim.key not in repr(claim) and claim.key not in repr(desk.claims)


def test_a_holder_has_a_bound_and_others_have_their_own():
    desk = Desk(*"abcdef", most=3)
    assert [*desk.take(2)] == ["a", "b"]
    tokens = desk.take(2)
    assert [*tokens] == ["c"]
    assert refused(desk.open) == "too-many-unsettled"
    assert [*desk.take(holder="eve")] == ["d", "e", "f"]
    desk.claims.settle("ann", tokens["c"], False)
    assert [*desk.take()] == ["c"]


def test_what_may_come_counts_while_a_claim_waits():
    desk = Desk(most=3)
    claim = desk.open(3)
    assert refused(desk.open) == "too-many-unsettled"
    claim.abandon()
    assert desk.take() == {} and desk.empty()


def test_an_exclusive_consumer_shares_with_no_claim():
    desk = Desk()
    Worker(desk.queue, exclusive=True)
    assert refused(desk.open) == "in-use"
    assert not desk.claims._held
