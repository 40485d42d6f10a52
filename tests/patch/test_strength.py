import pytest
import torch

from suture.errors import UsageError
from suture.patch.runtime.strength import Strength


def test_rows_have_their_own_strength():
    change = torch.ones(2, 3, 4)
    assert torch.equal(Strength(torch.tensor([0.0, 2.0])).scale(change)[1], torch.full((3, 4), 2.0))
    assert torch.equal(Strength(0.5).scale(change), torch.full((2, 3, 4), 0.5))


def test_beams_of_a_row_share_its_strength():
    dose = Strength(torch.tensor([0.0, 2.0]))
    dose.beams = 2
    assert dose.scale(torch.ones(4, 1)).flatten().tolist() == [0.0, 0.0, 2.0, 2.0]
    with pytest.raises(UsageError, match="4 strengths for a batch of 3"):
        dose.scale(torch.ones(3, 1))


def test_the_prompt_is_what_was_read_first_unless_told():
    dose, read = Strength(1.0), torch.tensor([5, 7])
    assert dose.prompts(read).tolist() == [5, 7]
    dose.prompt = 3
    assert dose.prompts(read).tolist() == [3, 3]
    dose.prompt = torch.tensor([1, 2])
    assert dose.prompts(read).tolist() == [1, 2]
    with pytest.raises(UsageError, match="lengths of prompts"):
        dose.prompts(torch.tensor([5]))
