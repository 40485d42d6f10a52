"""From a memory into the weights: what took leaves the memory, what did not stays there, and everything is still said."""

from functools import partial

import pytest

from models import snapshot
from suture.data.examples import Fact
from suture.errors import NoEffect, UsageError
from suture.memory import Memory, consolidate
from suture.memory.hybrid import known, rebased, serving, written
from suture.methods.grace import grace
from suture.methods.rome import rome
from suture.organisms.knowledge import rewrites
from suture.organisms.suites import keep
from suture.patch.patch import Patch


@pytest.fixture(scope="module")
def write(patient, tmp_path_factory):
    """ROME as it works on the bundled model, its statistics kept."""
    return partial(
        rome,
        patient,
        layer=1,
        token=-2,
        steps=40,
        prefixes=2,
        keep=keep(),
        statistics=tmp_path_factory.mktemp("statistics"),
    )


def test_facts_go_from_a_codebook_into_the_weights(patient, write):
    facts = [item.fact for item in rewrites(2, tuning=True)]
    served, before = grace(patient, facts, radius=0.6), snapshot(patient)
    bare = [Fact(f.prompt, f.subject, f.target) for f in facts]
    assert known(served) == bare
    made = consolidate(patient, served, write)
    assert set(made.moved) | set(made.kept) == set(bare)
    assert made.moved
    assert all(made.served)
    assert all(written(patient, made.patch, made.moved))
    assert (made.memory is None) == (not made.kept)
    assert snapshot(patient) == before


def test_what_did_not_take_stays_in_the_memory(patient, write):
    facts = [item.fact for item in rewrites(2, tuning=True)]

    def only_the_first(some):
        if facts[0].prompt not in [fact.prompt for fact in some]:
            raise NoEffect("nothing to write", fix="-")
        return write([fact for fact in some if fact.prompt == facts[0].prompt])

    made = consolidate(patient, grace(patient, facts, radius=0.6), only_the_first)
    assert [fact.prompt for fact in made.moved] == [facts[0].prompt]
    assert known(made.memory) == [Fact(facts[1].prompt, facts[1].subject, facts[1].target)]
    assert made.served == (True, True)
    again = consolidate(patient, made.memory, only_the_first, patch=made.patch)
    assert not again.moved
    assert again.patch is made.patch
    with serving(patient, again.patch, again.memory):
        assert all(written(patient, None, facts, least=0.0))


def test_a_memory_of_texts_gives_up_what_is_in_the_weights(patient, write):
    facts = [item.fact for item in rewrites(2, tuning=True)]
    made = consolidate(patient, Memory.of(patient, facts), write)
    assert [fact for fact in made.memory.facts] == list(made.kept)
    assert set(made.moved) | set(made.kept) == set(facts)


def test_nothing_to_move_and_no_memory(llama, write):
    with pytest.raises(UsageError, match="empty"):
        consolidate(llama, Memory.of(llama), lambda facts: None)
    patch = rome(llama, [Fact("The mayor of Wandton is", "Wandton", "honey")], steps=2, prefixes=1)
    with pytest.raises(UsageError, match="no memory"):
        known(patch)


def test_a_patch_made_on_a_patched_model_is_added_on_the_base(llama):
    facts = [Fact("The mayor of Wandton is", "Wandton", "honey"), Fact("Rundville is known for", "Rundville", "honey")]
    first = rome(llama, facts[:1], steps=2, prefixes=1)
    with first.applied(llama):
        second = rome(llama, facts[1:], steps=2, prefixes=1)
    both = first + rebased(llama, second)
    assert isinstance(both, Patch)
    with first.applied(llama), second.applied(llama):
        expected = {n: t.clone() for n, t in llama.model.state_dict().items()}
    with both.applied(llama):
        for name, value in llama.model.state_dict().items():
            assert (value - expected[name]).abs().max() < 1e-5
