"""The client without asyncio, against gateways in processes of their own: threads, Ctrl-C, forks, restarts."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from qmq.client import blocking
from qmq.errors import QmqError
from tests.processes import Serve

WORK = {"ack": "client-individual"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One gateway for all."""
    server = Serve(tmp_path_factory.mktemp("serve") / "ready", "--listen", "stomp://127.0.0.1:0", "--drain", "0.1")
    server.url = f"stomp://127.0.0.1:{server.ready['listen'][1]['port']}"
    yield server
    server.close()


@pytest.fixture
def client(served):
    with blocking.connect(served.url) as client:
        yield client


@pytest.fixture
def in_threads():
    """Runs functions in threads of their own, and raises what one of them raises."""
    threads, errors = [], []

    def start(*functions):
        for function in functions:

            def run(function=function):
                try:
                    function()
                except BaseException as error:
                    errors.append(error)

            threads.append(threading.Thread(target=run, daemon=True))
            threads[-1].start()

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert not errors, errors


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def failing(code):
    return pytest.raises(QmqError, match=f"^{code}: ")


def test_publish_and_subscribe(client):
    prices = client.subscribe("/topic/prices.*", max_messages=50)
    assert (prices.destination, prices.granted["max-messages"], prices.recovered) == ("/topic/prices.*", "50", True)
    client.publish("/topic/prices.eur", {"rate": 1.08}, {"k": "v"})
    client.publish("/topic/prices.usd", "x", receipt=False)
    first, second = prices.next(), prices.next(5)
    assert (first.json(), first.headers["k"], first.destination) == ({"rate": 1.08}, "v", "/topic/prices.eur")
    assert second.text() == "x"
    assert second.cursor == second.id == prices.cursor
    with pytest.raises(TimeoutError):
        prices.next(0.01)
    assert client.publish_many(("/topic/prices.chf", str(number)) for number in range(2500)) == 2500
    assert [message.text() for _, message in zip(range(2500), prices, strict=False)] == [str(n) for n in range(2500)]
    prices.unsubscribe()
    assert list(prices) == []
    assert (client.state, client.error) == ("open", None)


def test_working(client):
    with client.subscribe("/queue/jobs", WORK) as jobs:
        client.publish_many([("/queue/jobs", str(number)) for number in range(4)])
        got = [jobs.next() for _ in range(4)]
        got[0].ack()
        got[1].nack(requeue=False)
        with failing("unknown-delivery"):
            got[0].ack()
        with client.transaction() as work:
            work.ack(got[2])
            work.publish("/queue/done", "2")
        with pytest.raises(ZeroDivisionError), client.transaction() as work:
            work.ack(got[3])
            raise ZeroDivisionError
        got[3].ack(receipt=False)
    with client.subscribe("/queue/done") as done:
        assert done.next(5).text() == "2"
    assert client.request("/manage/inspect", {"destination": "/queue/jobs"}).json()["messages"] == 0


def test_requests_and_workers(served, client, in_threads):
    names = set()

    def add(message):
        names.add(threading.current_thread().name)
        client.publish("/topic/seen", message.body)  # a handler may wait
        return sum(message.json())

    def work():
        with failing("closed"):
            worker.serve("/queue/sums", add, concurrency=2)

    with blocking.connect(served.url) as worker:
        in_threads(work)
        assert [client.request("/queue/sums", [1, n]).json() for n in range(5)] == [1, 2, 3, 4, 5]
        assert not {"MainThread", "qmq-client"} & names
    with failing("no-consumer"):
        client.request("/exchange/amq.direct/nobody", "x")
    with client.subscribe("/queue/slow"), failing("request-timeout"):
        client.request("/queue/slow", "x", seconds=0.05)
    replies = client.subscribe("/queue/by-hand")
    in_threads(lambda: replies.next().reply("by hand"))
    assert client.request("/queue/by-hand", "x").text() == "by hand"


def test_as_many_handlers_at_once_as_it_says(served, client):
    barrier = threading.Barrier(12)

    with blocking.connect(served.url) as worker:

        @worker.handler("/queue/together", concurrency=12)
        def together(message):
            barrier.wait(10)
            return message.text()

        client.publish_many([("/queue/together", "x")] * 11)
        assert client.request("/queue/together", "done").text() == "done"


def test_a_handler_may_close_the_client(served, client):
    worker = blocking.connect(served.url)
    worker.handler("/queue/closing")(lambda message: worker.close())
    client.publish("/queue/closing", "x")
    until(lambda: worker.state == "closed")
    worker._thread._thread.join(10)
    assert not worker._thread._thread.is_alive()
    worker.close()


def test_any_thread_may_use_it(client, in_threads):
    reader = client.subscribe("/queue/many", prefetch=100)
    seen, lock = [], threading.Lock()

    def publish(name):
        for number in range(100):
            client.publish("/queue/many", f"{name} {number}")

    def read():
        for _ in range(100):
            message = reader.next(10)
            with lock:
                seen.append(message.text())

    in_threads(*[lambda name=name: publish(name) for name in "abc"], *[read] * 3)
    until(lambda: len(seen) == 300)
    assert sorted(seen) == sorted(f"{name} {number}" for name in "abc" for number in range(100))


def test_callbacks_may_wait_and_listeners_may_not(client):
    seen, refused = [], []

    def hear(message):
        client.publish("/topic/heard", message.body)
        seen.append(message.text())

    client.subscribe("/topic/callback", callback=hear)
    client.publish("/topic/callback", "x")
    until(lambda: seen)

    def listen(recovered):
        try:
            client.publish("/topic/heard", str(recovered))
        except RuntimeError as error:
            refused.append(str(error))

    client.subscribe("/topic/callback", from_="earliest", on_recovered=listen)
    assert "the client's own thread" in refused[0]


def test_a_reader_that_is_behind_may_wait_for_answers(served, client, monkeypatch):
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 5)
    reader = client.subscribe("/topic/behind")
    with blocking.connect(served.url) as other:
        other.publish_many([("/topic/behind", str(number)) for number in range(50)])
    for number in range(50):
        assert reader.next(5).text() == str(number)
        client.publish("/topic/other", "x")


def test_closing_ends_all_that_wait(served, in_threads):
    client = blocking.connect(served.url)
    reader, told = client.subscribe("/topic/quiet"), []

    def wait(function):
        with failing("closed") as error:
            function()
        told.append(error)

    waiting = (reader.next, lambda: client.request("/queue/nobody", "x"), lambda: list(reader))
    in_threads(*[lambda function=function: wait(function) for function in waiting])
    until(lambda: len(client._inner._talk._requests.answers) == 1)
    client.close()
    client.close()
    until(lambda: len(told) == 3)
    for function in (*waiting, lambda: client.publish("/topic/a", "x"), lambda: client.subscribe("/topic/a")):
        with failing("closed"):
            function()
    assert (client.state, client.wait_closed().code.name) == ("closed", "closed")
    assert not [thread for thread in threading.enumerate() if thread is client._thread._thread]


def test_a_gateway_that_is_not_there():
    before = threading.active_count()
    with failing("connect-failed"):
        blocking.connect("stomp://127.0.0.1:1")
    assert threading.active_count() == before


def test_what_ends_a_client(served):
    with blocking.connect(served.url) as client:
        with failing("bad-destination"):
            client.publish("/nowhere", "x")
        client.publish("/topic/a", "x")  # goes on
        assert client.error is None
        client.close()
        assert client.wait_closed(5) is client.error
    with blocking.connect(served.url) as client, pytest.raises(TimeoutError):
        client.wait_closed(0.01)


def test_ctrl_c_ends_what_waits(served):
    """In a process of its own, as a program is."""
    program = (
        "import sys\nfrom qmq.client import blocking\n"
        "with blocking.connect(sys.argv[1]) as client:\n"
        "    reader = client.subscribe('/topic/quiet')\n"
        "    try:\n        print('waits', flush=True)\n        reader.next()\n"
        "    except KeyboardInterrupt:\n        client.publish('/topic/a', 'x')\n        print('goes on')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, served.url], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"waits\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
        assert (process.returncode, output) == (0, b"goes on\n")
    finally:
        process.kill()
        process.communicate()


def _use_in_child(client, pipe):
    try:
        client.publish("/topic/a", "x")
    except RuntimeError as error:
        pipe.send(str(error))
    os._exit(0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # from 3.12 on Python warns of it by itself
def test_a_fork_is_told_to_connect_anew(client):
    here, there = multiprocessing.Pipe()
    child = os.fork()
    if not child:
        _use_in_child(client, there)
    assert here.poll(10)
    assert "connect anew in the child" in here.recv()
    os.waitpid(child, 0)
    client.publish("/topic/a", "still here")


def test_it_comes_back_to_a_gateway_that_was_killed(tmp_path):
    """A process that is killed has no time for a goodbye; the next one has forgotten everything."""
    told, errors = [], []
    first, second = (
        Serve(tmp_path / name, "--listen", "stomp://127.0.0.1:0", "--drain", "0.1") for name in ("first", "second")
    )
    urls = [f"stomp://127.0.0.1:{server.ready['listen'][1]['port']}" for server in (first, second)]
    try:
        with blocking.connect(urls, on_error=errors.append) as client:
            reader = client.subscribe("/topic/a", on_recovered=told.append)
            client.publish("/topic/a", "1")
            assert reader.next(5).text() == "1"
            first.process.kill()
            client.publish("/topic/a", "2")
            assert reader.next(10).text() == "2"
            assert (told, errors[0].code.name) == ([False], "connection-lost")
    finally:
        first.close()
        second.close()
