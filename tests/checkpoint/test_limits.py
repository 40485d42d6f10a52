"""What is refused although it could be written: beyond measure, beyond the type, beyond weights."""

import os
import struct

import pytest
import torch

from checkpoint_parts import CONFIG, QUICK, Tensors, digests, patch_of, weights, write_checkpoint
from suture.checkpoint.verbs import apply, revert
from suture.errors import CorruptFile, PatchMismatch, ResourceError, UnsupportedModel, UsageError
from suture.patch.delta import Dense, LowRank, Shift
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer


def made(tmp_path, tensors, changes):
    base = write_checkpoint(tmp_path / "base", tensors, 1, CONFIG)
    return base, Patch.make(Tensors(tensors), changes, method="t", settings={}).save(tmp_path / "p")


@pytest.mark.parametrize("in_place", [False, True])
def test_a_change_beyond_measure_must_be_allowed(base, patches, tmp_path, in_place):
    where = {"in_place": True} if in_place else {"out": tmp_path / "out"}
    before = digests(base)
    with pytest.raises(UsageError, match="beyond measure") as caught:
        apply(base, patches[:1], scale=100, **where)
    assert "`allow_large=True`" in caught.value.fix
    assert digests(base) == before
    outcome = apply(base, patches[:1], scale=100, allow_large=True, disk=QUICK, **where)
    assert any("allowed" in note for note in outcome.notes)
    path = base if in_place else tmp_path / "out"
    revert(path, in_place=True, disk=QUICK)
    assert digests(path) == before


def test_small_and_zero_weights_can_be_written_to(tmp_path):
    tensors = {"bias": torch.zeros(8), "w": torch.zeros(4, 8)}
    base, patch = made(tmp_path, tensors, {"bias": Shift(torch.full((8,), 3.0)), "w": Dense(torch.full((4, 8), 0.05))})
    assert apply(base, [patch], tmp_path / "out", disk=QUICK).entries == 40


def test_infinite_weights_are_never_written(tmp_path):
    tensors = {"w": torch.full((4, 8), 6e4, dtype=torch.float16)}
    base, patch = made(tmp_path, tensors, {"w": Dense(torch.full((4, 8), 5e3))})
    assert apply(base, [patch], tmp_path / "out", disk=QUICK).entries == 32  # 65,000 is still a half-precision number
    with pytest.raises(PatchMismatch, match="infinities"):
        apply(base, [patch], tmp_path / "more", scale=3, allow_large=True, force=True)


def test_steering_is_refused_with_the_way_out(tmp_path):
    tensors = weights()
    steer = Steer(torch.ones(8))
    base, patch = made(tmp_path, tensors, {"a.weight": [LowRank(torch.ones(24, 1), torch.ones(1, 8)), steer]})
    with pytest.raises(UnsupportedModel, match="steers") as caught:
        apply(base, [patch], tmp_path / "out")
    assert "suture bake" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_a_rank_that_no_matrix_has_is_refused(tmp_path):
    changes = {"a.weight": LowRank(torch.ones(24, 1000), torch.ones(1000, 8))}
    with pytest.raises(CorruptFile, match="rank of 1000"):
        Patch.make(Tensors(weights()), changes, method="t", settings={})


def test_a_file_larger_than_memory_is_refused_unread(tmp_path):
    patch = patch_of(weights()).save(tmp_path / "p")
    content = patch.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    more = 1 << 42
    entry = b',"z":{"dtype":"F32","shape":[%d],"data_offsets":[%d,%d]}}' % (
        more // 4, len(content) - 8 - size, len(content) - 8 - size + more,
    )  # fmt: skip
    header = content[8 : 8 + size].rstrip()[:-1] + entry
    huge = tmp_path / "huge"
    huge.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + size :])
    try:
        os.truncate(huge, 8 + len(header) + len(content) - 8 - size + more)
    except OSError:
        pytest.skip("this file system has no files that large")
    with pytest.raises(ResourceError, match="memory"):
        Patch.load(huge)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_a_patch_must_be_a_plain_file(tmp_path, kind):
    path = tmp_path / "x"
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero")}[kind]()
    with pytest.raises((CorruptFile, UsageError)):
        Patch.load(path)
