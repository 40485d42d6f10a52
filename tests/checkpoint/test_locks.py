import multiprocessing
import threading

import pytest
import torch

from checkpoint_parts import digests, in_child
from suture.checkpoint import verbs
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.write.locks import locked
from suture.checkpoint.write.pool import parallel_map
from suture.errors import ResourceError, SutureError


def attempt(base, patch, where, barrier, results):
    barrier.wait()
    try:
        apply(base, [patch], **where)
        results.put(0)
    except SutureError as problem:
        results.put(problem.exit_code)


@pytest.mark.parametrize("in_place", [False, True])
def test_of_many_at_once_exactly_one_wins(base, patches, tmp_path, in_place):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(8), context.Queue()
    where = {"in_place": True} if in_place else {"out": tmp_path / "out"}
    before = digests(base)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        runs = [context.Process(target=attempt, args=(base, patches[0], where, barrier, results)) for _ in range(8)]
        [run.start() for run in runs]
    codes = sorted(results.get(timeout=60) for _ in runs)
    [run.join() for run in runs]
    assert codes[0] == 0
    assert all(code in (2, 5, 6) for code in codes[1:])
    path = base if in_place else tmp_path / "out"
    revert(path, out=tmp_path / "back")
    assert digests(tmp_path / "back") == before


def test_readers_share_writers_do_not(tmp_path):
    with locked(tmp_path, exclusive=False), locked(tmp_path, exclusive=False):
        with pytest.raises(ResourceError, match="in use"), locked(tmp_path, exclusive=True):
            pass
    with locked(tmp_path, exclusive=True), pytest.raises(ResourceError), locked(tmp_path, exclusive=False):
        pass


def test_a_change_in_place_never_lets_go_of_its_lock(base, patches, monkeypatch):
    """Were the lock taken once to repair and once to change, of many runs all could find it held in between."""
    taken = []

    def counted(folder, *, exclusive):
        taken.append(exclusive)
        return locked(folder, exclusive=exclusive)

    monkeypatch.setattr(verbs, "locked", counted)
    apply(base, patches[:1], in_place=True)
    assert taken == [True]


def test_side_by_side_work_in_a_forked_process():
    """Torch's own threads do not survive a fork, and two threads that find that out at once break it."""
    numbers, together, before = torch.arange(64) % 7, threading.Barrier(2), torch.get_num_threads()

    def found(numbers):
        together.wait()
        return torch.unique(numbers)

    def work():
        assert [len(kinds) for kinds in parallel_map(found, [numbers] * 2)] == [7] * 2

    try:
        torch.set_num_threads(2)
        work()
        for _ in range(20):
            assert in_child(work) == 0
    finally:
        torch.set_num_threads(before)
