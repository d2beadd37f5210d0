"""How long clients wait before they come back."""

from qmq.client.backoff import Backoff


def test_the_time_doubles_up_to_its_limit():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    backoff.reset()
    assert backoff.next() == 0.5


def test_each_time_is_a_random_part_of_it():
    backoff = Backoff()
    times = []
    for _ in range(100):
        backoff.reset()
        times.append(backoff.next())
    assert 0 <= min(times) < 0.2
    assert 0.3 < max(times) <= 0.5


def test_what_the_server_asks_for_is_the_least():
    backoff = Backoff(lambda: 0.5)
    assert backoff.next(30.0) == 30.25
    assert backoff.next(0.1) == 0.6
