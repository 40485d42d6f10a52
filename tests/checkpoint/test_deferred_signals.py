"""Ctrl-C while threads are started or waited for: nothing goes on behind the caller's back."""

import signal
import threading
import time
from concurrent.futures import Future

import pytest

from suture.checkpoint.write.deferred_signals import deferred_signals
from suture.checkpoint.write.pool import parallel_map


@pytest.fixture(autouse=True)
def pressed(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


class Work:
    """Takes a while, and knows how many calls are under way."""

    def __init__(self):
        self.begun, self.ended = 0, 0

    def __call__(self, item):
        self.begun += 1
        time.sleep(0.05)
        self.ended += 1
        return item


def test_a_signal_waits_for_the_end_of_the_block(pressed):
    seen = []

    def work():
        with deferred_signals():
            pressed()
            pressed()
            seen.append("done")
        seen.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == ["done"]
    with pytest.raises(KeyboardInterrupt):  # once for the two; the next is as before
        pressed()


def test_an_error_inside_comes_with_the_signal(pressed):
    @deferred_signals()
    def work():
        pressed()
        raise ValueError("inside")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_signals():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_in_another_thread_it_does_nothing():
    handlers = []

    def work():
        with deferred_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_ctrl_c_while_a_thread_starts_leaves_no_thread_behind(monkeypatch, pressed):
    start, work = threading.Thread.start, Work()

    def started(thread):
        start(thread)
        pressed()  # the thread runs, and the pool has not noted it yet

    monkeypatch.setattr(threading.Thread, "start", started)
    with pytest.raises(KeyboardInterrupt):
        list(parallel_map(work, range(20)))
    assert work.begun == work.ended < 20
    time.sleep(0.1)
    assert work.begun == work.ended < 20


def test_ctrl_c_twice_leaves_no_thread_behind(monkeypatch, pressed):
    work, join, result = Work(), threading.Thread.join, Future.result

    def asked(future, timeout=None):
        pressed()
        return result(future, timeout)

    def joined(thread, timeout=None):
        pressed()
        join(thread, timeout)

    monkeypatch.setattr(Future, "result", asked)
    monkeypatch.setattr(threading.Thread, "join", joined)
    with pytest.raises(KeyboardInterrupt):
        list(parallel_map(work, range(20)))
    assert work.begun == work.ended < 20


def test_an_error_of_one_stops_what_was_not_begun():
    work = Work()

    def failing(item):
        if item == 3:
            raise ValueError(item)
        return work(item)

    with pytest.raises(ValueError, match="3"):
        list(parallel_map(failing, range(30)))
    assert work.begun == work.ended < 30
