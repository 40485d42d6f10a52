import pytest
import torch

from checkpoint_parts import QUICK, Tensors, digests, write_checkpoint
from suture.checkpoint.difference import diff
from suture.checkpoint.verbs import apply
from suture.delta import Dense, Entries, LowRank
from suture.errors import NoEffect, PatchMismatch
from suture.patch import Patch

TYPES = [torch.float32, torch.float16, torch.bfloat16]


def pair(tmp_path, dtype, changes, config=None):
    """Two checkpoints that differ by a patch."""
    g = torch.Generator().manual_seed(5)
    tensors = {name: torch.randn(shape, generator=g).to(dtype) for name, shape in SHAPES.items()}
    a = write_checkpoint(tmp_path / "a", tensors)
    patch = Patch.make(Tensors(tensors), changes(g), method="t", settings={}).save(tmp_path / "p")
    apply(a, [patch], tmp_path / "b", disk=QUICK)
    return a, tmp_path / "b"


SHAPES = {"wide": (300, 500), "tall": (700, 40), "vector": (50,), "experts": (3, 20, 30)}


def low_rank(g, rows=300, columns=500, rank=2):
    return LowRank(torch.randn(rows, rank, generator=g), torch.randn(rank, columns, generator=g))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("tensor", "change", "kind"),
    [
        ("wide", lambda g: low_rank(g), "lowrank"),
        (
            "wide",
            lambda g: LowRank(torch.ones(40, 1), torch.randn(1, 500, generator=g), torch.arange(10, 50)),
            "lowrank",
        ),
        ("wide", lambda g: Entries(torch.arange(0, 150_000, 7_000), torch.ones(22) * 3), "entries"),
        ("tall", lambda g: Dense(torch.randn(700, 40, generator=g)), "dense"),
        ("vector", lambda g: Dense(torch.randn(50, generator=g)), "dense"),
        ("experts", lambda g: Dense(torch.randn(60, 30, generator=g)), "dense"),
    ],
)
def test_a_difference_gives_b_bit_for_bit_in_its_cheapest_form(tmp_path, dtype, tensor, change, kind):
    a, b = pair(tmp_path, dtype, lambda g: {tensor: change(g)})
    patch, (part,) = diff(a, b)
    assert part.wrong == 0
    assert part.kind.startswith(kind)
    apply(a, [patch.save(tmp_path / "d")], tmp_path / "again", disk=QUICK)
    shards = {n: d for n, d in digests(b).items() if n.startswith("model")}
    assert shards.items() <= digests(tmp_path / "again").items()


@pytest.mark.parametrize("dtype", TYPES)
def test_the_rank_is_found_below_the_noise_of_rounding(tmp_path, dtype):
    a, b = pair(tmp_path, dtype, lambda g: {"wide": low_rank(g, rank=3)})
    _, (part,) = diff(a, b)
    assert part.rank == (9 if dtype == torch.float32 else 3)  # split factors
    assert part.energy > 0.999


def test_an_asked_rank_is_kept_and_says_how_far_it_is_off(tmp_path):
    a, b = pair(tmp_path, torch.float32, lambda g: {"wide": low_rank(g, rank=3)})
    patch, (part,) = diff(a, b, rank=1)
    assert part.rank == 1
    assert 0.2 < part.energy < 0.9
    assert part.wrong > 100_000
    assert part.worst > 0.1
    apply(a, [patch.save(tmp_path / "d")], tmp_path / "again", disk=QUICK)


def test_what_a_change_can_not_say_is_counted(tmp_path):
    a = write_checkpoint(tmp_path / "a", {"x": torch.tensor([0.0, 1.0, 1.0, 1.0])}, 1)
    b = write_checkpoint(tmp_path / "b", {"x": torch.tensor([-0.0, 2.0, float("nan"), float("inf")])}, 1)
    _, (part,) = diff(a, b)
    assert part.wrong == 3
    assert part.changed == 4


def test_large_steps_are_corrected_to_the_bit(tmp_path):
    a = write_checkpoint(tmp_path / "a", {"x": torch.full((4, 8), 1e4)}, 1)
    b = write_checkpoint(tmp_path / "b", {"x": torch.rand(4, 8)}, 1)
    _, (part,) = diff(a, b)
    assert part.wrong == 0


def test_equal_or_unlike_checkpoints_are_refused(tmp_path):
    a, b = pair(tmp_path, torch.float32, lambda g: {"vector": Dense(torch.ones(50))})
    with pytest.raises(NoEffect):
        diff(a, a)
    other = write_checkpoint(tmp_path / "c", {"wide": torch.ones(3, 3)})
    for pairing in ((a, other), (other, b)):
        with pytest.raises(PatchMismatch):
            diff(*pairing)
