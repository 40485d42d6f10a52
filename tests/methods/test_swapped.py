"""Prompts made of the facts themselves: what the model reads there is left alone."""

from dataclasses import replace

import torch

from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.methods._facts.argmax import target_is_argmax
from suture.methods._facts.batches import EditRequest, over_blocks
from suture.methods._facts.beginnings import beginnings
from suture.methods._facts.keyvalue import down, read, up_to
from suture.methods._facts.least_squares import least_squares
from suture.methods._facts.statistics import damped
from suture.methods._facts.swapped import swapped
from suture.methods.alphaedit import _in_other_words, alphaedit, projected
from suture.model.arch.anatomy import Site
from suture.organisms.knowledge import rewrites

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:12])


def test_rows_say_the_model_s_own_answers_about_the_subjects(patient):
    facts = [item.fact for item in rewrites(8, tuning=True)]
    rows = swapped(patient, facts, 3)
    assert rows
    asked = [patient.encode(fact.prompt) for fact in facts]
    for row in rows:
        assert row.at == len(row.ids) - 2
        assert not any(row.ids[: len(ids)] == ids for ids in asked)
        assert any(fact.subject in patient.decode(row.ids) for fact in facts)
        with torch.no_grad():
            logits = patient.forward(patient.batch([row.ids[:-1]])).logits[0, -1]
        assert int(logits.argmax()) == row.ids[-1]
    assert swapped(patient, facts[:1], 3) == []
    assert swapped(patient, facts[:1], 3, before=facts[1:])


def test_the_same_question_in_other_words_is_left_out(patient):
    """Two phrasings of one relation: asked of each other's subject, they ask for what is written."""
    item = rewrites(1, tuning=True)[0]
    fact = item.fact
    other = Fact(fact.paraphrases[0].replace(fact.subject, "Zed"), "Zed", "nothing")
    texts = [patient.decode(row.ids) for row in swapped(patient, [fact, other], 3)]
    assert not any(fact.subject in text for text in texts)


def test_what_is_read_there_moves_less(llama):
    def moved(**settings):
        patch = alphaedit(
            llama, FACTS, layers=[1], keep=FEW, steps=6, prefixes=1, token=0, energy=0.5, penalty=1e-6, **settings
        )
        rows = swapped(llama, FACTS, 6)
        there = read(llama, [up_to(row) for row in rows], [Site(1, "mlp.key")])[Site(1, "mlp.key")]
        before = down(llama, 1).matrix().double().clone()
        with patch.applied(llama):
            change = down(llama, 1).matrix().double() - before
        assert float(change.norm()) > 0
        return float((there @ change.T).norm())

    free, held = moved(), moved(preserve_swapped=100.0)
    assert held < 0.9 * free


def test_directions_that_texts_use_more_are_used_less():
    """The change with a ridge for each direction is the closed form of the docstring."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 4, generator=generator).double()).Q
    keys, residuals = (torch.randn(3, n, generator=generator).double() for n in (6, 5))
    ridge = torch.tensor([0.1, 1.0, 10.0, 1e6], dtype=torch.float64)
    change = projected(basis, keys, residuals, ridge)
    inside = keys @ basis
    system = inside.T @ inside + ridge.diag()
    whole = residuals.T @ inside @ torch.linalg.inv(system) @ basis.T
    assert torch.allclose((change.left @ change.right).double(), whole, atol=1e-5)
    assert float((whole @ basis[:, 3]).norm()) < 1e-4


def test_facts_are_written_in_the_model_s_own_words_too(patient):
    facts = [item.fact for item in rewrites(6, tuning=True)]
    task = EditRequest.of(patient, facts, prefixes=0, keep=FEW)
    assert _in_other_words(task, 0, 0.5) is task
    told = _in_other_words(task, 1, 0.5)
    found = told.facts
    assert found[:6] == facts
    assert told.importance == [1.0] * 6 + [0.5] * (len(found) - 6)
    assert 6 < len(found) <= 12
    for own in found[6:]:
        (fact,) = (fact for fact in facts if fact.subject == own.subject)
        assert own.target == fact.target
        assert own.prompt != fact.prompt
        assert own.subject in own.prompt


def test_what_counts_more_is_written_closer(llama):
    """Weighed least squares: the fact that counts more is met better, the other one worse."""

    def missed(importance):
        task = replace(EditRequest.of(llama, FACTS, prefixes=1, steps=3, token=0, keep=FEW), importance=importance)
        moment = damped(task.moment(1))
        asked = {}

        def change(layer, found, residuals):
            asked.update(keys=found.balanced, residuals=residuals)
            return least_squares(200 * moment, found.balanced, residuals)

        found = over_blocks(task, [1], "uniform", change)
        delta = sum((term.left @ term.right).double() for (term,) in found.values())
        root = task.weights.sqrt()[:, None]
        left = (asked["residuals"] - asked["keys"] @ delta.T) / root
        return left.norm(dim=1)

    alike = missed([])
    weighed = missed([9.0, 1.0])
    count = len(EditRequest.of(llama, FACTS[:1], prefixes=0, token=0, keep=FEW).rows)
    assert float(weighed[:count].norm()) < 0.8 * float(alike[:count].norm())
    assert float(weighed[count:].norm()) >= 0.99 * float(alike[count:].norm())


def test_what_is_not_said_counts_more_when_solved_again(patient):
    """With a ridge under which a fact is not said, solving again with more weight says it; what is said keeps its weight."""
    facts = [item.fact for item in rewrites(4, tuning=True)]
    settings = {"layers": [5, 6, 7], "token": 0, "keep": FEW, "prefixes": 1, "energy": 0.3, "penalty": 2.0}
    rows = EditRequest.of(patient, facts, prefixes=0, token=0, keep=FEW).rows

    def right(**more):
        with alphaedit(patient, facts, **settings, **more).applied(patient):
            return target_is_argmax(patient, rows)

    assert not target_is_argmax(patient, rows).all()
    once, again = right(), right(reweight_rounds=6)
    assert int(again.sum()) > int(once.sum())


def test_a_beginning_is_read_in_the_run_of_what_goes_on_from_it():
    rows = [(1, 2), (1, 2, 3), (2,), (1, 2), (1, 3), (1,)]
    longest, holder = beginnings(rows)
    assert sorted(longest) == [(1, 2, 3), (1, 3), (2,)]
    assert all(longest[i][: len(row)] == row for row, i in zip(rows, holder, strict=True))
