"""The algebra of the methods on a trained model and real prompts of CounterFact: exactness, not knowledge it does not have."""

import pytest
import torch

from models import SHARED, snapshot
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.methods._facts.keyvalue import contexts, down, keys
from suture.methods._facts.settings import ValueOptimization
from suture.methods._facts.statistics import second_moment
from suture.methods.alphaedit import alphaedit
from suture.methods.emmet import emmet
from suture.methods.finetune import finetune
from suture.methods.grace import grace
from suture.methods.memit import memit
from suture.methods.rome import rome
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.model.run.fact_rows import encode

MODEL, DATA = SHARED / "models" / "stories260K-hf", SHARED / "data" / "counterfact" / "counterfact-edit-5k.json"
pytestmark = pytest.mark.skipif(not (MODEL.is_dir() and DATA.is_file()), reason="needs the shared model and data")
KEEP = Texts(list(neutral("probe"))[:20])
QUICK = {"steps": 8, "prefixes": 2, "keep": KEEP}


@pytest.fixture(scope="module")
def lm() -> LM:
    return LM.load(MODEL)


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return Fact.load(DATA, take=3)


def moved(lm, patch, found, site):
    """What a patch adds to what the down-projection puts out at some keys: (facts, d_model)."""
    weight = down(lm, site.layer)
    before = weight.matrix().double().clone()
    with patch.applied(lm):
        after = weight.matrix().double()
        return found @ (after - before).T


def test_subjects_are_found_in_sentencepiece_prompts(lm):
    for fact in Fact.load(DATA, take=200):
        row = encode(lm, fact.prompt, fact.subject, fact.target)
        assert fact.subject.replace(" ", "") in lm.decode(row.ids[row.first : row.last + 1]).replace(" ", "")
        assert lm.decode(row.ids[row.begin :]).strip().startswith(fact.target[:1])


def test_rome_moves_its_key_by_what_it_added_and_emmet_all_at_once(lm, facts):
    before = snapshot(lm)
    first = rome(lm, facts[:1], layer=1, **QUICK)
    found = keys(lm, facts, 1, contexts(lm, 2, 0)).mean
    pushed = moved(lm, first, found[:1], Site(1, "mlp.out"))
    ((term,),) = first.terms.values()
    assert term.left.shape[1] == 1  # rank one
    assert pushed.norm() > 0
    both = emmet(lm, facts, layer=1, **QUICK)
    alone = [
        moved(lm, rome(lm, [fact], layer=1, **QUICK), found[i : i + 1], Site(1, "mlp.out"))
        for i, fact in enumerate(facts)
    ]
    together = moved(lm, both, found, Site(1, "mlp.out"))
    for index, own in enumerate(alone):
        assert torch.allclose(together[index], own[0], atol=2e-2 * float(own.norm()))
    assert snapshot(lm) == before


def test_alphaedit_stays_where_the_texts_have_little_and_memit_is_of_low_rank(lm, facts):
    moment = second_moment(lm, 1, KEEP, None)
    ((term,),) = alphaedit(lm, facts, layers=[1], energy=0.05, **QUICK).terms.values()
    change = term.at(torch.arange(lm.width), (lm.width, len(moment)))
    met = (change @ moment * change).sum()  # tr(D C D^T), what the texts to keep notice
    assert float(met) <= 0.05 * float(moment.trace()) * float(change.square().sum())
    ((plain,),) = memit(lm, facts, layers=[1], **QUICK).terms.values()
    assert plain.left.shape[1] == len(facts)


def test_finetuning_keeps_its_limit_and_grace_its_silence(lm, facts):
    ((term,),) = finetune(lm, facts, layer=1, steps=3, limit=1e-3, keep=KEEP).terms.values()
    assert float(term.values.abs().max()) <= 1e-3 * (1 + 1e-6)
    book = grace(lm, facts, radius=0.05, steps=ValueOptimization.steps, clamp=20.0)
    others = [text for fact in facts for text in (*fact.paraphrases, *(p for p, _ in fact.neighbours))]
    batch = lm.batch([lm.encode(text) for text in others])
    with torch.no_grad():
        base = lm.forward(batch).logits
        with book.attached(lm):
            assert torch.equal(lm.forward(batch).logits, base)
            asked = lm.batch([lm.encode(fact.prompt) for fact in facts])
            edited = lm.forward(asked).logits
        assert not torch.equal(edited, lm.forward(asked).logits)
