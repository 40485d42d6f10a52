import pytest
import torch

from checkpoint_parts import QUICK, Tensors, digests, write_checkpoint
from suture.checkpoint.change.rows import Rows
from suture.checkpoint.difference import diff
from suture.checkpoint.format.reading import reading
from suture.checkpoint.verbs import apply
from suture.errors import NoEffect, PatchMismatch, VerificationFailed
from suture.patch.delta import Dense, Entries, LowRank
from suture.patch.patch import Patch

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


def two(tmp_path, old, new, **others):
    """Two checkpoints of one file that differ in `x`, and as `others` say in their second values."""
    more = [{name: values[i] for name, values in others.items()} for i in (0, 1)]
    return [write_checkpoint(tmp_path / n, {"x": x, **m}, 1) for n, x, m in zip("ab", (old, new), more, strict=True)]


NAN, INF = float("nan"), float("inf")
BEYOND = {
    "2 NaN, in 1 row (1)": ([[1.0, 1], [1, 1]], [[1.0, 1], [NAN, NAN]]),
    "1 infinite, in 1 row (0)": ([[1.0, 1], [1, 1]], [[-INF, 1], [1, 1]]),
    "1 finite where the base is not, in 1 row (0)": ([[NAN, 1], [1, 1]], [[1.0, 1], [1, 1]]),
    "1 zeros of the other sign, in 1 row (1)": ([[1.0, 1], [1, 1]], [[1.0, 1], [-0.0, 1]]),
    "1 out of the reach of a sum in float64, in 1 row (0)": ([[1e4, 1], [1, 1]], [[1e-30, 1], [1, 1]]),
}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("what", BEYOND)
def test_what_no_change_gives_is_refused_by_name(tmp_path, what, beside):
    """Alone in its tensor, or beside another that differs: never "they do not differ", never "bit for bit"."""
    old, new = (torch.tensor(rows) for rows in BEYOND[what])
    a, b = two(tmp_path, old, new, **({"y": (torch.ones(3), torch.zeros(3))} if beside else {}))
    with pytest.raises(VerificationFailed) as told:
        diff(a, b)
    assert f"x: {what}" in told.value.why
    assert ("`inexact=True`" in told.value.fix) == (beside or "reach" in what or "zeros" in what)


def test_what_no_change_gives_can_be_left_out(tmp_path):
    old, new = torch.ones(4, 2), torch.tensor([[2.0, 1], [NAN, 1], [1, 1], [INF, 1]])
    a, b = two(tmp_path, old, new, y=(torch.ones(3), torch.tensor([1.0, NAN, 1])))
    patch, (x, y) = diff(a, b, inexact=True)
    assert (x.changed, x.wrong, x.unsaid.kinds) == (3, 2, {"NaN": 1, "infinite": 1})
    assert (y.kind, y.wrong, str(y.unsaid)) == ("none", 1, "1 NaN, in 1 row (1)")
    assert patch.terms.keys() == {"x"}
    with pytest.raises(VerificationFailed, match="no patch makes"):
        diff(*two(tmp_path / "other", torch.ones(2), torch.full((2,), NAN)), rank=1)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_sign_of_a_zero_is_a_change(tmp_path, dtype):
    old = torch.tensor([[0.0, -0.0, 0, 1], [-0.0, 0, 0, 1]]).to(dtype)
    new = torch.tensor([[-0.0, 0.0, 0, 1], [-0.0, 0, -0.0, 2]]).to(dtype)
    a, b = two(tmp_path, old, new)
    patch, (part,) = diff(a, b)
    assert (part.changed, part.wrong) == (4, 0)
    apply(a, [patch.save(tmp_path / "d")], tmp_path / "again", disk=QUICK)
    assert digests(b)["model.safetensors"] == digests(tmp_path / "again")["model.safetensors"]


def test_a_float64_change_needs_more_digits_than_one_float32(tmp_path):
    g = torch.Generator().manual_seed(0)
    old = torch.randn(6, 5, generator=g, dtype=torch.float64)
    new = old * (1 + 1e-4)
    new[0, 0] = 5e38  # more than any float32
    a, b = two(tmp_path, old, new)
    patch, (part,) = diff(a, b)
    assert part.wrong == 0
    assert Patch.load(patch.save(tmp_path / "d")).terms.keys() == {"x"}


@pytest.mark.parametrize("dtype", TYPES)
def test_a_nan_that_stays_keeps_its_bits(tmp_path, dtype):
    """A NaN is written by a GPU as 0x7fff, by torch on a CPU as 0x7fc0: beside a number that changes, each stays itself."""
    whole = {2: torch.int16, 4: torch.int32}[dtype.itemsize]
    old = torch.ones(3, 4, dtype=dtype)
    old.view(whole)[1, :3] = torch.tensor([torch.iinfo(whole).max, -1, torch.iinfo(whole).max - 4]).to(whole)
    new = old.clone()
    new[1, 3] = 2
    a, b = two(tmp_path, old, new)
    patch, (part,) = diff(a, b)
    assert (part.changed, part.wrong) == (1, 0)
    apply(a, [patch.save(tmp_path / "d")], tmp_path / "again", disk=QUICK)
    assert digests(b)["model.safetensors"] == digests(tmp_path / "again")["model.safetensors"]


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


def test_how_checkpoints_are_unlike_is_said(tmp_path):
    a = write_checkpoint(tmp_path / "a", {"x": torch.ones(2, 3), "y": torch.ones(2), "z": torch.ones(2)}, 1)
    b = write_checkpoint(tmp_path / "b", {"x": torch.ones(3, 3), "y": torch.ones(2).half(), "w": torch.ones(2)}, 1)
    with pytest.raises(PatchMismatch) as told:
        diff(a, b)
    assert told.value.why == (
        "z is only in a; w is only in b; x is of another shape ((2, 3) and (3, 3)); y is of another type (F32 and F16)"
    )


def retyped(folder, out, dtype):
    """A copy of a checkpoint in another type."""
    with reading(folder) as opened:
        tensors = {
            name: Rows(slot, slot.shape).current(torch.arange(slot.shape[0])).view(slot.raw).to(dtype)
            for name, slot in opened.slots.items()
        }
    return write_checkpoint(out, tensors)


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("wide", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_checkpoint_saved_in_another_type_is_compared_when_that_is_asked_for(tmp_path, narrow, wide):
    if narrow == wide:
        return
    a, b = pair(tmp_path, narrow, lambda g: {"wide": low_rank(g), "vector": Dense(torch.randn(50, generator=g))})
    other = retyped(b, tmp_path / "other", wide)
    with pytest.raises(PatchMismatch, match="of another type") as told:
        diff(a, other)
    assert "`cast=True`" in told.value.fix
    patch, parts = diff(a, other, cast=True)
    assert sum(part.wrong for part in parts) == 0
    apply(a, [patch.save(tmp_path / "d")], tmp_path / "again", disk=QUICK)
    rounded = retyped(other, tmp_path / "rounded", narrow)
    assert {f: d for f, d in digests(tmp_path / "again").items() if f.endswith(".safetensors") and "/" not in f} == {
        f: d for f, d in digests(rounded).items() if f.endswith(".safetensors")
    }


def test_the_type_alone_is_no_difference_once_it_is_rounded_away(tmp_path):
    a, _ = pair(tmp_path, torch.bfloat16, lambda g: {"vector": Dense(torch.randn(50, generator=g))})
    with pytest.raises(NoEffect):
        diff(a, retyped(a, tmp_path / "wide", torch.float32), cast=True)


def test_a_shape_that_differs_is_no_matter_of_types(tmp_path):
    a, _ = pair(tmp_path, torch.bfloat16, lambda g: {"vector": Dense(torch.randn(50, generator=g))})
    other = write_checkpoint(tmp_path / "other", {"wide": torch.zeros(301, 500), "more": torch.zeros(3)})
    for cast in (False, True):
        with pytest.raises(PatchMismatch) as told:
            diff(a, other, cast=cast)
        assert "only in" in told.value.why
        assert "another shape ((300, 500) and (301, 500))" in told.value.why
        assert "cast" not in told.value.fix
