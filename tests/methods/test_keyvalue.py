"""Keys, values and statistics: the same whatever the padding, the batch or the storage."""

import pytest
import torch

from models import SHARED, tiny_family, tiny_gpt2, tiny_llama
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.errors import CorruptFile, DataError, UsageError
from suture.methods._facts.keyvalue import chosen_layer, contexts, down, keys, low_rank
from suture.methods._facts.settings import ValueOptimization
from suture.methods._facts.statistics import damped, second_moment
from suture.methods._facts.values import values
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.model.run.fact_rows import encode, places
from suture.model.run.tracing import trace

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville, far away in the north, is known for its", "Rundville", "honey", "beer"),
    Fact("X lies in", "X", "Droharkia"),
]
FEW = Texts(neutral("probe")[:12])
QUICK = ValueOptimization(steps=6, essence=1)


def subject_of(lm, row):
    return lm.tokenizer.decode(row.ids[row.first : row.last + 1]).strip()


@pytest.mark.parametrize("prefix", ["", "Once. ", "It is well known that "])
def test_the_subject_and_the_target_are_found_by_their_characters(llama, prefix):
    for fact in FACTS:
        row = encode(llama, fact.prompt, fact.subject, fact.target, prefix)
        assert subject_of(llama, row) == fact.subject
        assert llama.decode(row.ids[row.begin :]).strip() == fact.target
        assert row.ids[: row.begin] == llama.encode(prefix + fact.prompt)
        assert encode(llama, fact.prompt, fact.subject, prefix=prefix).begin == row.begin


@pytest.mark.skipif(not (SHARED / "models" / "stories260K-hf").is_dir(), reason="needs the shared models")
def test_a_sentencepiece_tokenizer_is_read_the_same_way():
    lm = LM.load(SHARED / "models" / "stories260K-hf")
    for fact in FACTS:
        row = encode(lm, fact.prompt, fact.subject, fact.target, "Once. ")
        assert subject_of(lm, row) == fact.subject
        assert lm.decode(row.ids[row.begin :]).strip() == fact.target


def test_another_token_of_the_subject_can_be_edited(llama):
    row, other, first = (encode(llama, FACTS[0].prompt, FACTS[0].subject, token=t) for t in (-1, -2, -99))
    assert (row.at, other.at, first.at) == (row.last, row.last - 1, row.first)
    moved = values(llama, FACTS, Site(1, "mlp.out"), [""], ValueOptimization(steps=3, token=-2)).added
    assert not torch.allclose(moved, values(llama, FACTS, Site(1, "mlp.out"), [""], ValueOptimization(steps=3)).added)


def test_the_tokens_that_say_a_target_can_be_edited(llama):
    """Each is a place whose row ends with the token it says; a value there makes that token likely."""
    for fact in FACTS:
        told = encode(llama, fact.prompt, fact.subject, fact.target, "So. ")
        found = [place for (place,) in places(llama, fact, ["So. "], 0)]
        assert [row.ids[row.at + 1] for row in found] == told.ids[told.begin :]
        assert [row.ids for row in found] == [told.ids[: told.begin + i + 1] for i in range(len(found))]
        assert all(row.begin == row.at + 1 == len(row.ids) - 1 for row in found)
        assert places(llama, fact, ["", "So. "], -2)[0][1] == encode(
            llama, fact.prompt, fact.subject, fact.target, "So. ", -2
        )
    with pytest.raises(UsageError):
        places(llama, FACTS[0], [""], 1)
    count = sum(len(places(llama, fact, [""], 0)) for fact in FACTS)
    read = keys(llama, FACTS, 1, ["", "So. "], token=0)
    before, found = (
        values(
            llama,
            FACTS,
            Site(1, "residual"),
            ["", "So. "],
            ValueOptimization(steps=steps, clamp=50.0, rate=2.0, token=0),
        )
        for steps in (0, 20)
    )
    assert read.in_contexts.shape[:2] == (count, 2)
    assert found.added.shape == (count, llama.width)
    assert bool((found.loss < 0.7 * before.loss).all())


def test_a_subject_that_is_not_there_and_a_block_that_is_not_there_are_refused(llama, tokenizer):
    with pytest.raises(DataError):
        encode(llama, "The capital is", "Rome")
    with pytest.raises(UsageError):
        chosen_layer(llama, 3)
    with pytest.raises(UsageError):
        down(tiny_family("mixtral", tokenizer), 0)


def test_keys_do_not_depend_on_padding_or_batch(tiny):
    prefixes = ["", "One. ", "A much longer beginning of it all. "]
    right, left = (keys(tiny, FACTS, 1, prefixes, side=side) for side in ("right", "left"))
    alone = torch.cat([keys(tiny, [fact], 1, prefixes).in_contexts for fact in FACTS])
    close = {"rtol": 2e-2, "atol": 2e-2} if tiny.model.dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    assert torch.allclose(right.in_contexts, left.in_contexts, **close)
    assert torch.allclose(right.in_contexts, alone, **close)
    assert torch.allclose(right.balanced, (right.bare + right.in_contexts[:, 1:].mean(1)) / 2)
    ids = tiny.encode(FACTS[0].prompt)
    with torch.no_grad(), trace(tiny, [Site(1, "mlp.key")]) as seen:
        tiny.forward(tiny.batch([ids]))
    row = encode(tiny, FACTS[0].prompt, FACTS[0].subject)
    assert torch.allclose(seen[Site(1, "mlp.key")][0, row.last].double(), right.bare[0], **close)


def test_contexts_belong_to_the_model_and_the_seed(tokenizer):
    one, two = tiny_llama(tokenizer), tiny_gpt2(tokenizer)
    first = contexts(one, 4, 0)
    assert first[0] == ""
    assert contexts(two, 4, 0) != first  # in between: another model's do not stay
    assert contexts(one, 4, 0) == first != contexts(one, 4, 1)
    assert contexts(one, 0, 0) == [""]


@pytest.mark.parametrize("part", ["mlp.out", "residual"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj", "gpt_neox", "gemma2", "gemma3_text"])
def test_values_found_together_are_those_found_alone(family, part, tokenizer):
    lm = tiny_family(family, tokenizer)
    lm.model.double()
    together = values(lm, FACTS, Site(0, part), ["", "So. "], QUICK)
    assert bool((together.added.norm(dim=1) > 0.1).all())
    for index, fact in enumerate(FACTS):
        alone = values(lm, [fact], Site(0, part), ["", "So. "], QUICK)
        assert torch.allclose(alone.added[0], together.added[index], rtol=1e-3, atol=1e-5)
        assert int(alone.steps[0]) == int(together.steps[index])


@pytest.mark.parametrize(("family", "layer"), [("gptj", 0), ("gemma2", 0), ("gpt2", 1), ("llama", 1)])
def test_the_loss_of_a_value_is_that_of_a_whole_run(family, layer, tokenizer):
    lm = {"gpt2": tiny_gpt2, "llama": tiny_llama}[family](tokenizer) if layer else tiny_family(family, tokenizer)
    site, prefixes = Site(layer, "mlp.out"), ["", "So it is. "]
    found = values(lm, FACTS, site, prefixes, QUICK)
    for fact, added, loss in zip(FACTS, found.added, found.loss, strict=True):
        worst = 0.0
        for prefix in prefixes:
            row = encode(lm, fact.prompt, fact.subject, fact.target, prefix)
            push = torch.zeros(len(row.ids), lm.width)
            push[row.last] = added.float()
            with torch.no_grad(), trace(lm, edit={site: lambda value, push=push: value + push}):
                likely = lm.forward(lm.batch([row.ids])).logits[0].log_softmax(-1)
            each = [-float(likely[i - 1, row.ids[i]]) for i in range(row.begin, len(row.ids))]
            worst = max(worst, sum(each) / len(each))
        assert float(loss) == pytest.approx(worst, rel=1e-3)


def test_the_clamp_and_the_end_are_each_facts_own(llama):
    tight = values(llama, FACTS, Site(1, "mlp.out"), [""], ValueOptimization(steps=20, clamp=0.1))
    rows = [encode(llama, f.prompt, f.subject) for f in FACTS]
    for row, added in zip(rows, tight.added, strict=True):
        with torch.no_grad(), trace(llama, [Site(1, "residual")]) as seen:
            llama.forward(llama.batch([row.ids]))
        assert float(added.norm()) <= 0.1001 * float(seen[Site(1, "residual")][0, row.last].norm())
    free = values(llama, FACTS, Site(1, "mlp.out"), [""], ValueOptimization(steps=80, clamp=50, stop=8.5, kl=0))
    assert bool((free.loss <= 8.5).all())
    assert len(set(free.steps.tolist())) > 1


def test_a_heavier_kl_keeps_more_of_what_the_model_says(llama):
    light, heavy = (
        values(llama, FACTS, Site(1, "mlp.out"), [""], ValueOptimization(steps=15, kl=kl, essence=3, clamp=50.0))
        for kl in (0.0, 30.0)
    )
    assert float(heavy.added.norm()) < float(light.added.norm())


def test_second_moments_are_the_mean_over_real_tokens(tiny, tmp_path):
    texts = ["The cat sat.", "A much longer sentence about nothing at all."]
    found = second_moment(tiny, 1, FEW.__class__(texts), tmp_path)
    total, count = torch.zeros_like(found), 0
    for text in texts:
        ids = tiny.encode(text)
        with torch.no_grad(), trace(tiny, [Site(1, "mlp.key")]) as seen:
            tiny.forward(tiny.batch([ids]))
        own = seen[Site(1, "mlp.key")][0].double()[torch.tensor(ids) != tiny.tokenizer.bos_token_id]
        total, count = total + own.T @ own, count + len(own)
    share = 5e-2 if tiny.model.dtype == torch.bfloat16 else 1e-5  # of the largest entry
    assert float((found - total / count).abs().max()) < share * float(found.abs().max())
    assert bool((torch.linalg.eigvalsh(damped(found)) > 0).all())


def test_cached_statistics_are_the_model_s_the_block_s_and_the_texts_own(llama, tmp_path):
    first = second_moment(llama, 1, FEW, tmp_path)
    assert torch.equal(second_moment(llama, 1, FEW, tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 1
    second_moment(llama, 0, FEW, tmp_path)
    second_moment(llama, 1, Texts(FEW[:3]), tmp_path)
    llama.model.lm_head.weight.data[0, 0] += 1
    second_moment(llama, 1, FEW, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    for file in files:
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptFile):
        second_moment(llama, 1, FEW, tmp_path)


def test_balanced_factors_have_the_same_product():
    left, right = torch.randn(5, 2).double() * 1e6, torch.randn(2, 7).double() * 1e-6
    delta = low_rank(left, right)
    assert torch.allclose((delta.left @ delta.right).double(), left @ right, rtol=1e-5)
    assert torch.allclose(delta.left.norm(dim=0), delta.right.norm(dim=1), rtol=1e-5)


def test_more_terms_than_rows_are_the_same_change():
    generator = torch.Generator().manual_seed(0)
    for terms in (3, 9):
        left, right = torch.randn(4, terms, generator=generator), torch.randn(terms, 8, generator=generator)
        change = low_rank(left.double(), right.double())
        assert change.left.shape[1] <= 4
        change.check((4, 8), "weight")
        assert torch.allclose(change.left @ change.right, left @ right, atol=1e-5)
