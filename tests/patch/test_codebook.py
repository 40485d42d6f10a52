"""The delta of GRACE as a value: what is recognised, what is left, and files that are none."""

import pytest
import torch

from suture.errors import CorruptFile, NoEffect, UsageError
from suture.export.bake import bake
from suture.patch.codebook import Codebook, apart, joined
from suture.patch.patch import Patch

PLACE = "model.layers.1.self_attn.o_proj.weight"


def book(keys, values, radii, **more) -> Codebook:
    entries = tuple((f"prompt {i}", "subject", "target", i) for i in range(len(keys)))
    return Codebook(torch.tensor(keys), torch.tensor(values), torch.tensor(radii), entries=entries, **more)


def test_the_nearest_ball_that_holds_a_state_gives_its_value():
    two = book([[0.0, 0.0], [4.0, 0.0]], [[9.0, 9.0], [7.0, 7.0]], [1.0, 3.5])
    states = torch.tensor([[[0.5, 0.0], [3.0, 0.0], [0.9, 0.1], [-2.0, 0.0]]])
    moved = states + two.moved(states, 1.0)
    assert torch.allclose(moved, torch.tensor([[[9.0, 9.0], [7.0, 7.0], [9.0, 9.0], [-2.0, 0.0]]]))
    half = states + two.moved(states, 0.5)
    assert torch.allclose(half, (moved + states) / 2)
    assert torch.equal(two.moved(states, 1.0)[0, 3], torch.zeros(2))


def by_eq_2(state, keys, values, radii):
    """Eq. 2 of the paper, said once more: i* is the nearest key of all; its value where the state lies in its ball."""
    gaps = [sum((a - b) ** 2 for a, b in zip(state, key, strict=True)) ** 0.5 for key in keys]
    nearest = gaps.index(min(gaps))
    return values[nearest] if gaps[nearest] <= radii[nearest] else state


KEYS, VALUES = [[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]], [[9.0, 9.0], [7.0, 7.0], [5.0, 1.0]]


@pytest.mark.parametrize("radii", [[1.0, 3.5, 0.5], [0.1, 0.1, 0.1], [5.0, 5.0, 5.0], [0.0, 3.9, 2.9]])
def test_the_nearest_key_is_asked_before_its_radius_as_published(radii):
    states = [[x / 2, y / 2] for x in range(-2, 11) for y in range(-2, 8)]
    tensor = torch.tensor(states)
    moved = tensor + book(KEYS, VALUES, radii, nearest="key").moved(tensor, 1.0)
    assert torch.allclose(moved, torch.tensor([by_eq_2(state, KEYS, VALUES, radii) for state in states]))


def test_a_ball_that_holds_a_state_counts_though_another_key_is_nearer():
    state = torch.tensor([[1.5, 0.0]])  # nearer to the first key, in the ball of the second
    first, published = (book(KEYS, VALUES, [1.0, 3.5, 0.5], nearest=way) for way in ("ball", "key"))
    assert torch.equal(state + first.moved(state, 1.0), torch.tensor([[7.0, 7.0]]))
    assert torch.equal(state + published.moved(state, 1.0), state)


def test_books_of_both_ways_stay_two_and_a_file_keeps_the_way(llama, tmp_path):
    one, other = (book([[0.0] * 32], [[1.0] * 32], [1.0], nearest=way) for way in ("ball", "key"))
    assert [made.nearest for made in joined([one, other, one])] == ["ball", "key"]
    assert "nearest" not in one.settings()
    made = Patch.make(llama, {PLACE: other}, method="by hand", settings={})
    ((term,),) = Patch.load(made.save(tmp_path / "p.safetensors")).terms.values()
    assert term.nearest == "key"
    with pytest.raises(CorruptFile, match="nearest 'corner'"):
        Patch.make(llama, {PLACE: book([[0.0] * 32], [[1.0] * 32], [1.0], nearest="corner")}, method="x", settings={})


def test_codebooks_of_one_place_act_as_one():
    first, second = book([[0.0, 0.0]], [[5.0, 5.0]], [2.0]), book([[3.0, 0.0]], [[1.0, 8.0]], [2.0]).scaled(0.5)
    (both,) = joined([first, second])
    states = torch.tensor([[1.2, 0.0], [1.8, 0.0]])  # inside both balls, nearer to one
    assert torch.allclose(states + both.moved(states, 1.0), torch.tensor([[5.0, 5.0], [1.4, 4.0]]))


def test_radii_are_drawn_apart_where_balls_say_different_things():
    keys = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [50.0, 0.0]])
    radii = apart(keys, torch.full((4,), 2.0), [1, 2, 1, 3])
    assert float(radii[0] + radii[1]) < 3.0
    assert float(radii[2] + radii[1]) < 10**0.5
    assert radii[3] == 2.0
    assert bool((apart(keys, torch.full((4,), 2.0), [1, 1, 1, 1]) == 2.0).all())
    assert bool((apart(keys, torch.full((4,), 0.1), [1, 2, 3, 4]) == 0.1).all())


def test_an_entry_is_taken_out_and_the_others_stay():
    three = book([[0.0], [5.0], [9.0]], [[1.0], [2.0], [3.0]], [0.5, 0.5, 0.5])
    two = three.without({1})
    assert [entry.prompt for entry in two.entries] == ["prompt 0", "prompt 2"]
    states = torch.tensor([[0.1], [5.1], [9.1]])
    assert torch.equal(two.moved(states, 1.0)[1], torch.zeros(1))
    assert torch.equal(two.moved(states, 1.0)[[0, 2]], three.moved(states, 1.0)[[0, 2]])
    assert three.without({0, 1, 2}) is None


def wide(count=1, **more):
    ones = torch.ones(count, 32)
    parts = {"keys": ones, "values": 2 * ones, "radii": torch.ones(count), "entries": [("p", "s", "t", 1)] * count}
    return Codebook(**{**parts, **more})


@pytest.mark.parametrize(
    "more",
    [
        {"values": torch.ones(1, 31)}, {"keys": torch.ones(32)}, {"radii": torch.ones(2)}, {"radii": -torch.ones(1)},
        {"entries": ()}, {"entries": [("p", "s", 3, 1)]}, {"entries": [("p", "s", "t", "1")]}, {"gains": torch.ones(3)},
        {"positions": "none"}, {"place": "heads"}, {"keys": torch.full((1, 32), torch.nan)},
    ],
)  # fmt: skip
def test_what_is_no_codebook_is_refused(more):
    with pytest.raises(CorruptFile):
        wide(**more).check((32, 32), "w")


def test_nothing_is_never_a_success(llama):
    for term in (wide(values=torch.ones(1, 32)), wide().scaled(0.0), wide(gains=torch.zeros(1))):
        with pytest.raises(NoEffect):
            Patch.make(llama, {PLACE: term}, method="grace", settings={})


def test_no_weight_and_no_bias_can_hold_it(llama):
    patch = Patch.make(llama, {PLACE: wide()}, method="grace", settings={})
    with pytest.raises(UsageError, match=r"attached\(lm\)"), patch.applied(llama):
        pass
    with pytest.raises(UsageError, match="can not be baked"):
        bake(llama, patch)


def test_a_file_gives_back_what_was_saved_and_the_same_bytes(llama, tmp_path):
    patch = Patch.make(llama, {PLACE: wide(3, gains=torch.tensor([1.0, 0.5, 2.0]))}, method="grace", settings={})
    file = patch.save(tmp_path / "a.safetensors")
    again = Patch.load(file)
    (term,), (old,) = again.terms[PLACE], patch.terms[PLACE]
    assert term.digest() == old.digest()
    assert term.entries == old.entries
    assert again.save(tmp_path / "b.safetensors").read_bytes() == file.read_bytes()
