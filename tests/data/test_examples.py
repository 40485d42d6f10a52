"""Examples are values: split, turned around, and loaded by whatever reads them."""

import subprocess
import sys

import pytest

from suture.data import examples
from suture.data.examples import Behaviour, Fact, ResponsePair, Texts


def test_splits_are_disjoint_stratified_and_seeded():
    behaviour = Behaviour.of("x", [f"w{i}" for i in range(30)], [f"u{i}" for i in range(20)])
    rest, held = behaviour.split(0.1, seed=1)
    assert (sum(rest.labels), len(rest.labels)) == (18, 45)
    assert (sum(held.labels), len(held.labels)) == (2, 5)
    assert not {e.text for e in rest.examples} & {e.text for e in held.examples}
    assert behaviour.split(0.1, seed=1) == (rest, held)
    assert behaviour.split(0.1, seed=2) != (rest, held)


def test_the_reverse_of_a_behaviour_swaps_what_is_wanted():
    behaviour = Behaviour.of("x", ["a", "b"], ["c", "d"])
    assert behaviour.reversed().labels == [1, 1, 0, 0]
    assert behaviour.reversed().reversed().examples == behaviour.examples
    assert behaviour.summary()["sha256"] != behaviour.reversed().summary()["sha256"]


@pytest.mark.parametrize("kind", [Behaviour, Fact, ResponsePair, Texts])
def test_a_type_is_loaded_by_what_is_marked_for_it(kind):
    assert kind in examples._LOADERS


def test_types_alone_can_be_loaded():
    code = 'from suture.data.examples import Texts\nprint(len(Texts.load("bundled:neutral")) > 9)'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
