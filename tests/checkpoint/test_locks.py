import multiprocessing

import pytest

from checkpoint_parts import digests
from suture.checkpoint.locks import locked
from suture.checkpoint.verbs import apply, revert
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
