"""Edits in batches: the sum, what is checked after each, when they stop, going on, and taking one out of the middle."""

import math
from dataclasses import replace
from functools import reduce
from operator import add

import pytest
import torch

from models import snapshot
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.errors import NoEffect, UsageError
from suture.measure.health import Health, Limits, examine, movement
from suture.methods.alphaedit import alphaedit
from suture.methods.emmet import emmet
from suture.methods.grace import grace
from suture.methods.rome import rome
from suture.model.arch.anatomy import Site
from suture.patch.delta import LowRank
from suture.patch.patch import Patch
from suture.runs.run import Run
from suture.sequential.ledger import Ledger
from suture.sequential.removal import removed
from suture.sequential.sequence import (
    LEDGER,
    PATCH,
    SequentialEditor,
    edit_in_batches,
    resume_sequence,
    start_sequence,
    takes_earlier,
)

TEXTS = ["The weather was fine today, and we went out.", "One and two are three.", "Nothing of this is edited at all."]
NAMES = ("Wandton", "Rundville", "Halburg", "Prolton", "Gatford")
ANSWERS = ("honey", "wine", "beer", "fish", "soup")
FACTS = [Fact(f"The mayor of {name} is", name, target) for name, target in zip(NAMES, ANSWERS, strict=True)]
BASE = Health(2.0, 0.1)


def nudge(lm, facts, *, size=1e-3):
    """A stand-in for a method: one small rank-one change a fact, of the block and rows that its name decides."""
    weight = lm.anatomy.weight(Site(1, "mlp.down"))
    rows, columns = weight.stored.shape
    terms = []
    for fact in facts:
        noise = torch.Generator().manual_seed(NAMES.index(fact.subject))
        terms.append(LowRank(torch.randn(rows, 1, generator=noise) * size, torch.randn(1, columns, generator=noise)))
    return Patch.make(lm, {weight.tensor: terms}, method="nudge", settings={"size": size})


def surgeon(lm, method=nudge, limits=None, **settings):
    return SequentialEditor(lm, method, settings, TEXTS, limits or Limits(perplexity=9.0, loops=1.0, jump=99.0))


def run_in(folder):
    return Run.begin("facts", ["facts"], {}, folder)


def carried(lm, folder, facts=FACTS, size=2, who=None, **more):
    who = who or surgeon(lm)
    with run_in(folder) as run:
        return who, edit_in_batches(who, start_sequence(who, "m", "nudge", {}, run), facts, run, size=size, **more)


def resume(who, folder):
    with run_in(folder / "resumed") as run:
        return resume_sequence(who, folder, run)


def test_progress_counts_facts_and_never_says_that_all_are_done_when_they_are_not(llama, tmp_path):
    steps = []
    carried(llama, tmp_path / "whole", progress=lambda *step: steps.append(step))
    assert steps == [
        ("write: batch 1 of 3", 0, 5), ("write: batch 2 of 3", 2, 5), ("write: batch 3 of 3", 4, 5), ("write: all batches", 5, 5),
    ]  # fmt: skip
    steps.clear()
    who = surgeon(llama, limits=Limits(perplexity=1e-9, loops=1.0, jump=1e-9))
    _, course = carried(llama, tmp_path / "stopped", who=who, progress=lambda *step: steps.append(step))
    assert course.stopped
    assert steps == [("write: batch 1 of 3", 0, 5), ("write: batch 2 of 3", 2, 5)]


def test_the_sum_is_a_patch_of_the_base_and_is_what_one_after_the_other_gives(llama, tmp_path):
    before = snapshot(llama)
    _, course = carried(llama, tmp_path)
    assert snapshot(llama) == before
    assert [edit.batch for edit in course.ledger.edits] == [1, 1, 2, 2, 3]
    assert [len(check.right) for check in course.checks] == [2, 4, 5]
    saved = Patch.load(tmp_path / PATCH)
    saved.verify(llama)
    whole = nudge(llama, FACTS)
    with saved.applied(llama):
        summed = snapshot(llama)
    with whole.applied(llama):
        assert snapshot(llama) == summed
    assert Ledger.load(tmp_path / LEDGER) == course.ledger


def test_a_method_sees_the_model_as_earlier_batches_left_it_and_may_be_told_of_them(llama, tmp_path):
    seen, weight = [], llama.anatomy.weight(Site(1, "mlp.down")).tensor

    def spy(lm, facts, *, previous: list[Fact] | None = None):
        seen.append((lm.tensor(weight).clone(), list(previous or ())))
        return nudge(lm, facts)

    assert takes_earlier(spy)
    assert takes_earlier(alphaedit)
    assert not takes_earlier(rome)
    assert not takes_earlier(grace)
    carried(llama, tmp_path, who=surgeon(llama, spy))
    assert [len(earlier) for _, earlier in seen] == [0, 2, 4]
    with nudge(llama, FACTS[:2]).applied(llama):
        assert torch.equal(seen[1][0], llama.tensor(weight))


def test_it_stops_at_a_jump_and_keeps_the_last_good_patch(llama, tmp_path):
    def grows(lm, facts):
        return nudge(lm, facts, size=1.0 if facts[0].subject == "Prolton" else 1e-3)

    who = surgeon(llama, grows, Limits(perplexity=math.inf, loops=1.0, jump=5.0))
    _, course = carried(llama, tmp_path, size=1, who=who)
    assert [edit.status == "refused" for edit in course.ledger.edits] == [False, False, False, True]
    assert "weights jumped" in course.stopped[0]
    assert "weights jumped" in course.ledger.edits[3].note
    assert sorted(course.patches) == [1, 2, 3]
    with Patch.load(tmp_path / PATCH).applied(llama):
        kept = snapshot(llama)
    with nudge(llama, FACTS[:3]).applied(llama):
        assert snapshot(llama) == kept


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Health(2.4, 0.1), ""), (Health(2.6, 0.1), "perplexity"), (Health(math.nan, 0.1), "perplexity"),
        (Health(2.0, 0.3), "loops"),
        (Health(math.inf, 0.1), "perplexity"), (Health(2.0, 0.1, {"w": 0.31}), ""), (Health(2.0, 0.1, {"w": 0.9}), "jumped"),
        (Health(2.0, 0.1, {"w": math.nan}), "jumped"),
    ],
)  # fmt: skip
def test_limits(now, words):
    earlier = [Health(2.0, 0.1, {"w": 0.05}), Health(2.0, 0.1, {"w": 0.1})]
    found = now.complaints(BASE, Limits(), earlier)
    assert [words in each for each in found] == ([True] if words else [])


def test_limits_are_read(llama):
    assert Limits.parse("perplexity=0.5, jump=2") == Limits(0.5, 0.1, 2.0)
    for wrong in ("loop=1", "loops=x", "loops=0", "loops"):
        with pytest.raises(UsageError):
            Limits.parse(wrong)


def test_norms_are_of_the_sum_not_the_sum_of_norms(llama):
    patch = nudge(llama, FACTS[:1])
    (name,) = patch.terms
    both = patch + -0.5 * patch
    assert movement(llama, both)[name] == pytest.approx(movement(llama, patch)[name] / 2, rel=1e-5)
    with patch.applied(llama):
        new = llama.tensor(name).double().clone()
    old = llama.tensor(name).double()
    assert movement(llama, patch)[name] == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-4)
    assert examine(llama, None, TEXTS).moved == {}


def test_an_interrupted_course_goes_on_and_an_earlier_one_is_continued(llama, tmp_path):
    who, whole = carried(llama, tmp_path / "whole")
    made = []

    def counted(lm, facts):
        made.append(len(facts))
        return nudge(lm, facts)

    stops = surgeon(
        llama, lambda lm, facts: pytest.fail("killed") if facts[0].subject == "Halburg" else nudge(lm, facts)
    )
    with pytest.raises(BaseException, match="killed"):
        carried(llama, tmp_path / "cut", who=stops)
    _, again = carried(llama, tmp_path / "cut", who=surgeon(llama, counted))
    assert made == [2, 1]  # the first batch was there
    assert [(e.fact, e.status) for e in again.ledger.edits] == [(e.fact, e.status) for e in whole.ledger.edits]
    assert (tmp_path / "cut" / PATCH).read_bytes() == (tmp_path / "whole" / PATCH).read_bytes()

    carried(llama, tmp_path / "first", FACTS[:4])
    with run_in(tmp_path / "second") as run:
        later = edit_in_batches(who, resume_sequence(who, tmp_path / "first", run), FACTS[4:], run, size=2)
    assert [e.batch for e in later.ledger.edits] == [1, 1, 2, 2, 3]
    assert [len(check.right) for check in later.checks] == [2, 4, 5]
    with later.patch.applied(llama):
        summed = snapshot(llama)
    with whole.patch.applied(llama):
        assert snapshot(llama) == summed
    assert resume(who, tmp_path / "second").ledger == later.ledger


def test_one_edit_is_taken_out_of_the_middle(llama, tmp_path):
    who, course = carried(llama, tmp_path / "a")
    with run_in(tmp_path / "b") as run:
        alone = removed(who, course, 5, run)  # alone in its batch
    assert alone.patch.terms.keys() == course.patch.terms.keys()
    with alone.patch.applied(llama):
        left = snapshot(llama)
    with nudge(llama, FACTS[:4]).applied(llama):
        assert snapshot(llama) == left
    with run_in(tmp_path / "c") as run:
        middle = removed(who, course, 3, run)  # its batch is made again for the other
    with middle.patch.applied(llama):
        left = snapshot(llama)
    with nudge(llama, [*FACTS[:2], *FACTS[3:]]).applied(llama):
        assert snapshot(llama) == left
    assert [e.number for e in middle.ledger.live] == [1, 2, 4, 5]
    assert middle.checks[-1].right.keys() == {1, 2, 4, 5}
    again = resume(who, tmp_path / "c")
    assert again.ledger == middle.ledger
    assert {t.digest() for ts in again.patch.terms.values() for t in ts} == {
        t.digest() for ts in middle.patch.terms.values() for t in ts
    }
    with run_in(tmp_path / "d") as run, pytest.raises(UsageError, match="not in the model"):
        removed(who, middle, 3, run)


def test_what_has_no_effect_is_written_down_and_the_rest_goes_on(llama, tmp_path):
    def sometimes(lm, facts):
        if facts[0].subject == "Rundville":
            raise NoEffect("rome would change nothing", fix="-")
        return nudge(lm, facts)

    _, course = carried(llama, tmp_path, FACTS[:3], size=1, who=surgeon(llama, sometimes))
    assert [(e.status == "refused", e.note) for e in course.ledger.edits][1] == (True, "rome would change nothing")
    assert sorted(course.patches) == [1, 3]


def test_a_newer_entry_of_a_codebook_takes_the_place_of_the_older(llama, tmp_path):
    who = surgeon(llama, grace, radius=0.02, clamp=30.0, steps=120)
    newer = Fact(FACTS[0].prompt, "Wandton", "soup")
    _, course = carried(llama, tmp_path, [*FACTS[:2], newer], size=1, who=who, on_conflict="newest")
    assert [e.status == "superseded" for e in course.ledger.edits] == [True, False, False]
    assert sorted(course.patches) == [2, 3]
    again = resume(who, tmp_path)
    assert sorted(again.patches) == [2, 3]
    assert reduce(add, again.patches.values()).terms.keys() == course.patch.terms.keys()


def test_the_last_entry_of_a_codebook_is_taken_out_beside_one_that_was_superseded(llama, tmp_path):
    who = surgeon(llama, grace, radius=0.02, clamp=30.0, steps=120)
    who, course = carried(llama, tmp_path / "a", FACTS[:2], who=who)
    with run_in(tmp_path / "b") as run:
        newer = [Fact(FACTS[0].prompt, "Wandton", "soup")]
        course = edit_in_batches(who, course, newer, run, size=1, on_conflict="newest")
    assert [e.batch for e in course.ledger.edits] == [1, 1, 2]
    with run_in(tmp_path / "c") as run:
        left = removed(who, course, 2, run)
    assert [e.status for e in left.ledger.edits][:2] == ["superseded", "removed"]
    assert list(left.patches) == [2]
    again = resume(who, tmp_path / "c")
    assert (again.ledger, list(again.patches)) == (left.ledger, [2])  # what was taken out does not come back


def test_a_course_is_continued_in_another_folder_when_nothing_of_a_batch_is_left(llama, tmp_path):
    who = surgeon(llama, grace, radius=0.02, clamp=30.0, steps=120)
    newer = Fact(FACTS[0].prompt, "Wandton", "soup")
    who, course = carried(llama, tmp_path / "a", [FACTS[0], newer], size=1, who=who, on_conflict="newest")
    with run_in(tmp_path / "b") as run:
        course = edit_in_batches(who, course, [FACTS[1]], run, size=1)
    assert list(resume(who, tmp_path / "b").patches) == [2, 3]


def test_a_single_file_is_no_place_for_a_course(llama, tmp_path):
    with pytest.raises(UsageError, match="several files"):
        carried(llama, tmp_path / "x.safetensors")


SAID = [
    Fact("The mayor of Wandton is", "Wandton", "soup"),
    Fact("Rundville is known for its", "Rundville", "tea"),
    Fact("People in Halburg speak", "Halburg", "house"),
]


def forgets(lm, told):
    """A method that writes facts, and with the second one undoes what it wrote with the first; `told` hears what it is given."""
    kept, first = Texts(neutral("probe")[:12]), []

    def method(lm, facts, *, previous: list[Fact] | None = None):
        told.append(([fact.subject for fact in facts], [fact.subject for fact in previous or ()]))
        patch = emmet(lm, facts, layer=1, token=0, clamp=30.0, steps=40, prefixes=0, keep=kept)
        ((name, terms),) = patch.terms.items()
        if facts[0] == SAID[0]:
            first.extend(replace(term, left=-term.left) for term in terms)
        undone = first if facts[0] == SAID[1] else []
        return Patch.make(lm, {name: [*terms, *undone]}, method="forgets", settings={})

    return surgeon(lm, method)


def test_what_is_lost_is_written_again_and_what_is_kept_is_not(llama, tmp_path):
    def course(name, again):
        told = []
        who = replace(forgets(llama, told), again=again)
        _, found = carried(llama, tmp_path / name, SAID, size=1, who=who)
        return told, found, [list(check.right.values()) for check in found.checks]

    told, lost, right = course("never", 0)
    assert [subjects for subjects, _ in told] == [["Wandton"], ["Rundville"], ["Halburg"]]
    assert right[:2] == [[True], [False, True]]
    assert lost.ledger.edits[0].status == "lost"
    told, kept, right = course("again", 5)
    assert told == [(["Wandton"], []), (["Rundville"], ["Wandton"]), (["Halburg", "Wandton"], ["Rundville"])]
    assert right[1] == [False, True]
    assert right[2][:2] == [True, True]
    assert [(e.status, e.again) for e in kept.ledger.edits][:2] == [("holds", (3,)), ("holds", ())]
    assert Ledger.load(tmp_path / "again" / LEDGER) == kept.ledger
    course("twice", 5)
    assert (tmp_path / "twice" / PATCH).read_bytes() == (tmp_path / "again" / PATCH).read_bytes()


def test_an_edit_written_again_is_taken_out_of_every_batch(llama, tmp_path):
    told: list = []
    who = replace(forgets(llama, told), again=5)
    _, course = carried(llama, tmp_path / "a", SAID, size=1, who=who)
    assert course.ledger.edits[0].again == (3,)
    del told[:]
    with run_in(tmp_path / "b") as run:
        left = removed(who, course, 1, run)
    assert told == [(["Halburg"], ["Rundville"])]  # batch 1 held it alone, batch 3 beside another
    assert sorted(left.patches) == [2, 3]
    assert not left.checks[-1].right.keys() & {1}
    with run_in(tmp_path / "c") as run:
        rest = removed(who, course, 3, run)  # alone in its batch but for what was written again
    assert sorted(rest.patches) == [1, 2]
    assert rest.ledger.edits[0].again == ()
    assert rest.ledger.edits[0].status == "lost"
