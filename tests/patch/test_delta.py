import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.errors import CorruptFile
from suture.io.tensorfile import view
from suture.numerics.rounding import nearest
from suture.patch.delta import Dense, Entries, LowRank, Shift, canonical, change, edited, rounded

SHAPE = (7, 5)


def some(seed=0):
    g = torch.Generator().manual_seed(seed)
    rows, columns = torch.tensor([1, 4, 6]), torch.tensor([0, 3])
    return [
        LowRank(torch.randn(7, 2, generator=g), torch.randn(2, 5, generator=g)),
        LowRank(torch.randn(3, 1, generator=g), torch.randn(1, 5, generator=g), rows, scale=0.5),
        LowRank(torch.randn(3, 2, generator=g), torch.randn(2, 2, generator=g), rows, columns, scale=-2.0),
        Entries(torch.tensor([0, 8, 34]), torch.randn(3, generator=g)),
        Dense(torch.randn(SHAPE, generator=g)),
    ]


def whole(delta, shape=SHAPE):
    return delta.at(torch.arange(shape[0]), shape)


@pytest.mark.parametrize("delta", some(), ids=lambda d: d.kind)
def test_a_part_of_the_rows_is_the_same_part_of_the_whole(delta):
    rows = torch.tensor([0, 1, 6])
    assert torch.equal(delta.at(rows, SHAPE), whole(delta)[rows])


@pytest.mark.parametrize("delta", some(), ids=lambda d: d.kind)
def test_rows_not_touched_do_not_change(delta):
    untouched = sorted(set(range(SHAPE[0])) - set(delta.touched_rows(SHAPE).tolist()))
    assert not whole(delta)[untouched].any()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("delta", some(), ids=lambda d: d.kind)
def test_effect_is_the_linear_map_of_the_change(delta, transposed):
    matrix = whole(delta) / delta.scale
    matrix = matrix.T if transposed else matrix
    inputs = torch.randn(2, 3, matrix.shape[1], dtype=torch.float64).float()
    expected = inputs.double() @ matrix.T
    found = torch.zeros_like(expected)
    outputs = delta.touched_outputs(transposed=transposed)
    effect = delta.effect(inputs, SHAPE, transposed=transposed).double()
    if outputs is None:
        found = effect
    else:
        found[..., outputs] = effect
    assert torch.allclose(found, expected, atol=1e-5)


def test_transposed_low_rank_is_the_transposed_matrix():
    for delta in some()[:3]:
        assert torch.equal(whole(delta.transposed(), SHAPE[::-1]), whole(delta).T)


def test_norm_is_the_frobenius_norm():
    for delta in some():
        assert delta.norm(SHAPE) == pytest.approx(float(whole(delta).norm()), rel=1e-12)


def test_shift_adds_the_vector_to_every_input():
    shift = Shift(torch.arange(4.0), scale=2.0)
    assert torch.equal(shift.at(torch.arange(4), (4,)), torch.arange(4.0, dtype=torch.float64) * 2)
    assert shift.effect(torch.zeros(2, 3, 9), (4,), transposed=False).shape == (2, 3, 4)


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(range(5)), dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_the_order_of_the_terms_never_matters(order, dtype):
    terms = some(3)
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)).to(dtype)
    first = torch.cat([new for _, new in edited(weight, canonical(terms), dtype)])
    again = torch.cat([new for _, new in edited(weight, canonical([terms[i] for i in order]), dtype)])
    assert torch.equal(first, again)


def test_the_sum_is_rounded_once():
    weight = torch.ones(1, 1, dtype=torch.bfloat16)
    half = LowRank(torch.ones(1, 1), torch.full((1, 1), 2.0**-9))  # below half a step of bf16 at 1
    ((_, one),) = edited(weight, (half,), torch.bfloat16)
    ((_, three),) = edited(weight, canonical([half, half, half]), torch.bfloat16)
    assert one.item() == 1.0
    assert three.item() == 1.0 + 2.0**-7


def test_where_nothing_changes_even_the_sign_of_zero_stays():
    weight = torch.tensor([[-0.0, 1.0]])
    ((_, new),) = edited(weight, (LowRank(torch.ones(1, 1), torch.tensor([[0.0, 1.0]])),), torch.float32)
    assert torch.signbit(new[0, 0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("zeros", [True, False])
def test_every_number_becomes_what_the_formula_says(dtype, zeros):
    """All 65,536 bit patterns, as numbers of each type, with changes of every size: also where no -0.0 is among them."""
    patterns = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    old = patterns.view(dtype if dtype.itemsize == 2 else torch.bfloat16).to(dtype).reshape(256, 256)
    if not zeros:
        old[(old == 0) & torch.signbit(old)] = 1.0
    factors = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e-30, 2.0**-9, 3e38, -3e38]).repeat(32)
    term = LowRank(torch.tensor([1.0, -1.0]).repeat(128)[:, None], factors[None], scale=0.75)
    wide, moved = old.double(), torch.outer(term.left[:, 0].double(), factors.double()) * 0.75
    expected = torch.where(moved == 0, old, nearest(wide + moved, dtype))  # the very bits, of a NaN too
    new = rounded(old, (term,), torch.arange(256), (256, 256), dtype)
    assert view(new) == view(expected)


@pytest.mark.parametrize(
    "bad",
    [
        LowRank(torch.ones(3, 1), torch.ones(1, 5)),
        LowRank(torch.ones(7, 2), torch.ones(1, 5)),
        LowRank(torch.ones(2, 1), torch.ones(1, 5), torch.tensor([4, 1])),
        LowRank(torch.ones(2, 1), torch.ones(1, 5), torch.tensor([1, 7])),
        LowRank(torch.full((7, 1), torch.nan), torch.ones(1, 5)),
        Entries(torch.tensor([3, 35]), torch.ones(2)),
        Entries(torch.tensor([3]), torch.ones(2)),
        Dense(torch.ones(5, 7)),
        Dense(torch.full(SHAPE, torch.inf)),
        Shift(torch.ones(3)),
    ],
)
def test_a_change_that_does_not_fit_is_refused(bad):
    with pytest.raises(CorruptFile):
        bad.check(SHAPE, "weight")


def test_random_twin_keeps_place_and_size():
    generator = torch.Generator().manual_seed(0)
    for delta in some()[1:]:
        twin = delta.randomised(generator)
        assert torch.equal(twin.touched_rows(SHAPE), delta.touched_rows(SHAPE))
        if delta.kind != "lowrank" or delta.right.shape[0] == 1:
            assert twin.norm(SHAPE) == pytest.approx(delta.norm(SHAPE), rel=1e-5)
        assert not torch.equal(whole(twin), whole(delta))


def test_change_sums_scaled_terms():
    a, b = some()[0], some()[4]
    rows = torch.arange(7)
    assert torch.allclose(change((a.scaled(3), b), rows, SHAPE), 3 * whole(a) + whole(b), atol=1e-12)
