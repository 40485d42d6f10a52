"""R27: what a verb will hold is forecast within a fifth, what it takes on disk is never less than it takes."""

import json
import subprocess
import sys

import pytest
import torch

from checkpoint_parts import CONFIG, QUICK, Tensors, patch_of, weights, write_checkpoint
from suture.checkpoint import forecast
from suture.checkpoint.verbs import apply
from suture.checkpoint.write import copying
from suture.errors import PatchMismatch, ResourceError, UnsupportedModel, UsageError
from suture.patch.delta import Dense, LowRank
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer

RUN = """
import json, sys
from pathlib import Path
from suture.checkpoint import forecast, verbs
from suture.checkpoint.verify import verify
def peak():  # not ru_maxrss: that of a child begins with what its parent had
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
verb, work = sys.argv[1], Path(sys.argv[2])
began = peak()
if verb == "verify":
    verify(work / "out", base=work / "base")
elif verb == "revert":
    verbs.revert(work / "out", out=work / verb)
elif verb == "apply":
    verbs.apply(work / "base", [work / "p"], work / verb)
elif verb == "quick":
    verbs.apply(work / "other", [work / "p"], in_place=True, quick=True)
else:
    verbs.apply(work / "copy", [work / "p"], in_place=True)
print(json.dumps([began, peak()]))
"""
FORECASTS = {
    "apply": lambda work: forecast.apply(work / "base", [work / "p"], work / "apply"),
    "in place": lambda work: forecast.apply(work / "copy", [work / "p"], in_place=True),
    "quick": lambda work: forecast.apply(work / "other", [work / "p"], in_place=True, quick=True),
    "revert": lambda work: forecast.revert(work / "out", (), work / "revert"),
    "verify": lambda work: forecast.verify(work / "out", work / "base"),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A checkpoint of 24 MB with one large tensor, densely and thinly patched ones, and a patched copy."""
    work, g = tmp_path_factory.mktemp("forecast"), torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(2000, 2000, generator=g).bfloat16() for name in ("a", "b", "c")}
    changes = {
        "a": LowRank(torch.ones(200, 1), torch.randn(1, 2000, generator=g), torch.arange(0, 2000, 10)),
        "b": Dense(torch.randn(2000, 2000, generator=g)),
    }
    Patch.make(Tensors(tensors), changes, method="t", settings={}).save(work / "p")
    for name in ("base", "copy", "other"):
        write_checkpoint(work / name, tensors)
    apply(work / "base", [work / "p"], work / "out", disk=QUICK)
    return work


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("verb", FORECASTS)
def test_memory_is_forecast_within_a_fifth(work, verb):
    found = FORECASTS[verb](work)
    done = subprocess.run([sys.executable, "-c", RUN, verb, str(work)], capture_output=True, text=True, check=True)
    began, real = json.loads(done.stdout)
    assert began + found.held == pytest.approx(real, rel=0.2)
    if verb in ("apply", "revert"):
        assert sum(f.stat().st_size for f in (work / verb).rglob("*") if f.is_file()) <= found.room


def test_a_large_file_is_copied_by_blocks_that_are_counted(tmp_path, monkeypatch):
    tensors = {"a": torch.ones(64, 64).bfloat16(), "still": torch.zeros(10_000, 2000).bfloat16()}
    base = write_checkpoint(tmp_path / "base", tensors, 1)
    Patch.make(Tensors(tensors), {"a": Dense(torch.ones(64, 64))}, method="t", settings={}).save(tmp_path / "p")
    found = forecast.apply(base, [tmp_path / "p"], tmp_path / "apply")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "apply", str(tmp_path)], capture_output=True, text=True, check=True
    )
    began, real = json.loads(done.stdout)
    assert began + found.held == pytest.approx(real, rel=0.2)
    monkeypatch.setattr(copying, "DIRECT", 0)
    without = forecast.apply(base, [tmp_path / "p"], tmp_path / "other")
    assert found.held - without.held == (copying.WRITERS + 1) * copying.BLOCK - copying.SMALL


def test_what_the_headers_tell_is_refused_at_once(base, tmp_path):
    good = patch_of(weights()).save(tmp_path / "good")
    other = write_checkpoint(tmp_path / "other", {"z": torch.ones(3, 3)}, 1, CONFIG)
    with pytest.raises(PatchMismatch):
        forecast.apply(other, [good], tmp_path / "out")
    change = Steer(torch.ones(8))
    steering = Patch.make(Tensors(weights()), {"a.weight": change}, method="t", settings={}).save(tmp_path / "s")
    with pytest.raises(UnsupportedModel, match="steers"):
        forecast.apply(base, [steering], tmp_path / "out")
    with pytest.raises(UsageError, match="no patch is on"):
        forecast.revert(base, in_place=True)


def test_too_little_disk_is_said_with_the_bytes(base, patches, tmp_path):
    found = forecast.apply(base, patches, tmp_path / "out")
    found.demand_room()
    assert found.tensors == 4
    with pytest.raises(ResourceError, match=r"\d+ bytes are needed, \d+ are free"):
        type(found)(**{**vars(found), "free": 10}).demand_room()


def test_in_place_takes_less_than_a_new_folder_and_links_less_than_copies(work):
    new, linked = (forecast.apply(work / "base", [work / "p"], work / "x", link=link) for link in (False, True))
    placed = forecast.apply(work / "base", [work / "p"], in_place=True)
    assert placed.room < linked.room < new.room
    assert placed.written < new.written


def test_quickly_less_is_read_and_what_can_not_be_done_is_refused(base, patches):
    whole, quick = (forecast.apply(base, patches[:1], in_place=True, quick=quick) for quick in (False, True))
    assert quick.read < whole.read
    assert (quick.written, quick.room) == (whole.written, whole.room)
    with pytest.raises(UsageError, match="`quick`"):
        forecast.apply(base, patches[:1], base.parent / "out", quick=True)
    with pytest.raises(UsageError, match="has another"):
        forecast.apply(base, patches[:2], in_place=True, quick=True)
    apply(base, patches[:1], in_place=True, quick=True, disk=QUICK)
    assert forecast.revert(base, in_place=True, quick=True).read < forecast.revert(base, in_place=True).read
