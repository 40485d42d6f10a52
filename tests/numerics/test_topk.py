import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suture.numerics.topk import largest


def chunked(values, size):
    return lambda: iter(values.split(size))


def expected(parts, count):
    flat = torch.cat(parts)
    order = torch.argsort(flat, descending=True, stable=True)[:count]
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[order] = True
    return [part.nonzero()[:, 0] for part in chosen.split([len(p) for p in parts])]


@given(st.integers(0, 10_000), st.integers(1, 300), st.booleans())
def test_it_is_the_sorted_choice_bit_for_bit(seed, count, rough):
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.rand(n, generator=generator) ** 8 for n in (120, 1, 200)]
    if rough:  # many ties
        parts = [(part * 6).round() for part in parts]
    found = largest([chunked(part, 37) for part in parts], count)
    assert sum(map(len, found)) == count
    for mine, theirs in zip(found, expected(parts, count), strict=True):
        assert torch.equal(mine, theirs)


def test_numbers_of_all_sizes_are_told_apart():
    values = torch.tensor([1e-44, 0.0, 3e38, 1.0, 1.0 + 2**-23, 1e-38])
    (found,) = largest([chunked(values, 2)], 2)
    assert found.tolist() == [2, 4]
    (found,) = largest([chunked(values, 2)], 5)
    assert found.tolist() == [0, 2, 3, 4, 5]


def test_all_can_be_chosen():
    (found,) = largest([chunked(torch.zeros(7), 3)], 7)
    assert found.tolist() == list(range(7))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_what_is_no_score_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        largest([chunked(torch.tensor([1.0, bad]), 2)], 1)
