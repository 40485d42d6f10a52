"""One rounding, held against the definition: of two neighbours the nearer, of equally near ones the even."""

import pytest
import torch

from suture.numerics.rounding import nearest

NARROW = [torch.bfloat16, torch.float16]


def middles(dtype):
    """Every middle between two finite neighbours of a 16-bit type, exact in float64, and the two neighbours."""
    patterns = torch.arange(0x8000, dtype=torch.int32).to(torch.int16)  # those of a positive sign
    numbers = patterns.view(dtype).double()
    numbers = numbers[numbers.isfinite() & ((numbers >= 2.0**-126) | (dtype == torch.float16))]
    return (numbers[:-1] + numbers[1:]) / 2, numbers[:-1], numbers[1:]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("sign", [1, -1])
def test_beside_a_middle_the_nearer_number_is_taken(dtype, sign):
    middle, low, high = middles(dtype)
    below = torch.nextafter(middle, torch.full_like(middle, -torch.inf))
    above = torch.nextafter(middle, torch.full_like(middle, torch.inf))
    assert torch.equal(nearest(sign * below, dtype).double(), sign * low)
    assert torch.equal(nearest(sign * above, dtype).double(), sign * high)


@pytest.mark.parametrize("dtype", NARROW)
def test_of_two_equally_near_numbers_the_even_one_is_taken(dtype):
    middle, low, high = middles(dtype)
    even = torch.where(low.to(dtype).view(torch.int16) % 2 == 0, low, high)
    assert torch.equal(nearest(middle, dtype).double(), even)


@pytest.mark.parametrize("dtype", NARROW)
def test_a_cast_alone_rounds_twice(dtype):
    """What the function is for: beside a middle the cast gives the wrong neighbour."""
    middle, _, high = middles(dtype)
    above = torch.nextafter(middle, torch.full_like(middle, torch.inf))
    assert not torch.equal(above.to(dtype).double(), high)


@pytest.mark.parametrize("dtype", [*NARROW, torch.float32, torch.float64])
def test_elsewhere_it_is_the_cast(dtype):
    values = torch.randn(3, 7, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0, 0, :8] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e300, -1e300, 5e-324, -5e-324])
    values[0, 1] = values[0, 1].to(dtype).double()
    found, cast = nearest(values, dtype), values.to(dtype)
    assert found.shape == values.shape
    assert torch.equal(found, cast)
    assert torch.equal(found.signbit(), cast.signbit())
    assert nearest(torch.tensor([torch.nan], dtype=torch.float64), dtype).isnan().all()
    assert nearest(values[:, :, :0], dtype).shape == (3, 7, 0)


def test_values_that_are_not_contiguous_stay_in_place():
    values = torch.randn(64, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.equal(nearest(values.T, torch.bfloat16), nearest(values, torch.bfloat16).T)
