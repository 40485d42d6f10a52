"""Whoever reads a checkpoint sees one state of it: never half of a change, and never one that was not finished."""

import ast
import copy
import errno
from pathlib import Path

import pytest
import torch

import suture
from checkpoint_parts import Failing, digests
from models import snapshot
from suture.checkpoint import forecast
from suture.checkpoint.difference import diff
from suture.checkpoint.format import reading
from suture.checkpoint.format.folder import INTENT, Checkpoint
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply
from suture.checkpoint.verify import verify
from suture.checkpoint.write import locks
from suture.checkpoint.write.locks import locked
from suture.errors import CorruptFile, ResourceError
from suture.goals.plan import plan
from suture.model.lm import LM

READERS = {
    "open": lambda path, other, patch: Checkpoint.open(path),
    "diff": lambda path, other, patch: diff(path, other),
    "diff with it": lambda path, other, patch: diff(other, path),
    "plan apply": lambda path, other, patch: forecast.apply(path, [patch], other / "x"),
    "plan revert": lambda path, other, patch: forecast.revert(path, [], other / "x"),
    "plan verify": lambda path, other, patch: forecast.verify(path),
    "plan verify with it": lambda path, other, patch: forecast.verify(other, path),
    "plan diff": lambda path, other, patch: forecast.diff(other, path, other / "x"),
    "verify with it": lambda path, other, patch: verify(other, base=path),
}


def stop_half_way(base, patch):
    """A change in place that fails for good behind its first written row, and can not be rolled back."""
    for at in range(1, 100):
        with pytest.raises(ResourceError):
            apply(base, [patch], in_place=True, disk=Failing(at, errno.EIO, forever=True))
        if (base / INTENT).exists():
            return
    raise AssertionError("it never began")


@pytest.fixture
def half(base, patches, tmp_path):
    """A checkpoint between two states, and a whole one."""
    apply(base, patches[1:2], tmp_path / "other")
    stop_half_way(base, patches[0])
    return base, tmp_path / "other"


@pytest.mark.parametrize("reader", READERS)
def test_readers_refuse_a_checkpoint_between_two_states(half, patches, reader):
    path, other = half
    with pytest.raises(CorruptFile, match="between two states") as told:
        READERS[reader](path, other, patches[0])
    assert "from no patch to p0.safetensors" in told.value.why
    assert f"suture fsck {path} --rollback" in told.value.fix


def test_it_is_found_by_verify_and_mended_by_fsck_and_apply(half, patches, tmp_path):
    path, other = half
    assert any(INTENT in finding.what and finding.problem for finding in verify(path))
    fsck(path)
    assert diff(other, path)
    for reader in READERS.values():
        reader(path, other, patches[2])


def test_an_intent_that_can_not_be_read_is_no_less_unfinished(half):
    (half[0] / INTENT).write_bytes(b"{")
    with pytest.raises(CorruptFile, match="is damaged"):
        Checkpoint.open(half[0])


def test_a_copy_under_way_is_no_checkpoint(base):
    partial = base.rename(base.with_name("out.partial"))
    for reader in (Checkpoint.open, LM.load, plan):
        with pytest.raises(CorruptFile, match="not a finished checkpoint") as told:
            reader(partial)
        assert f"suture fsck {base.with_name('out')} " in told.value.fix


@pytest.mark.parametrize("reader", [*READERS, "verify"])
def test_beside_a_writer_readers_say_so(base, patches, tmp_path, reader):
    """Opened alone, from which nothing is read later, a checkpoint needs no lock."""
    apply(base, patches[1:2], tmp_path / "other")
    if reader == "open":
        return
    read = READERS.get(reader, lambda path, other, patch: verify(path))
    with locked(base, exclusive=True), pytest.raises(ResourceError, match="in use by another run"):
        read(base, tmp_path / "other", patches[0])


def test_a_reader_keeps_writers_out_until_it_is_done(base, patches):
    before = digests(base)

    def beside(*_):
        with pytest.raises(ResourceError, match="in use"):
            apply(base, patches[:1], in_place=True)

    verify(base, base=base, progress=beside)
    assert digests(base) == before
    apply(base, patches[:1], in_place=True)


def test_where_a_file_system_has_no_locks_there_is_reading_all_the_same(base, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with reading.reading(base) as opened:
        assert opened.slots
    with pytest.raises(OSError, match="No locks"), locked(base, exclusive=True):
        pass


def test_only_who_holds_the_lock_opens_checkpoints():
    """A reader that comes later goes through `reading`, or is named here with the reason."""
    allowed = {
        "reading.py": "takes the lock", "verbs.py": "holds it", "inplace.py": "finishes what is unfinished",
        "kinds.py": "within `steady`",
    }  # fmt: skip
    root = Path(suture.__file__).parent
    calls = {
        file.name
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Checkpoint.open"
    }
    assert calls == allowed.keys()


@pytest.fixture
def stored(llama, tmp_path):
    copy.deepcopy(llama.model).to(torch.bfloat16).save_pretrained(tmp_path / "model")
    llama.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_is_not_loaded_from_between_two_states(stored):
    (stored / INTENT).write_bytes(b"{}")
    for load in (LM.load, plan):
        with pytest.raises(CorruptFile, match="between two states"):
            load(stored)


def test_a_model_is_not_loaded_while_it_is_changed(stored):
    with locked(stored, exclusive=True), pytest.raises(ResourceError, match="in use"):
        LM.load(stored)


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_a_model_that_is_loaded_does_not_change_with_its_files(stored, dtype):
    lm = LM.load(stored, dtype=dtype)
    before = snapshot(lm)
    file = stored / "model.safetensors"
    slot = Checkpoint.open(stored).slot("model.layers.0.mlp.down_proj.weight")
    with file.open("r+b") as stream:
        stream.seek(slot.begin)
        stream.write(bytes(slot.size))
    assert snapshot(lm) == before


def test_verify_says_of_a_copy_under_way_that_it_is_not_all(base):
    partial = base.rename(base.with_name("out.partial"))
    assert any(finding.what == "finished" and "not a finished" in finding.problem for finding in verify(partial))
    whole = partial.rename(partial.with_name("out"))
    assert not any(finding.problem for finding in verify(whole))
