import pytest
import torch

from suture.data.examples import Labelled
from suture.errors import ResourceError
from suture.model.arch.anatomy import FINAL, Site
from suture.model.lm import bucketed, halving
from suture.model.run.features import extract

TEXTS = ["You are a friend.", "Hello", "The capital of Velmora is a city near the sea, and so on.", "One two three."]
SITES = [Site(0, "mlp.in"), Site(2, "residual"), FINAL]


def examples():
    return [Labelled(text, 0) for text in TEXTS]


def by_hand(lm, text, site, first):
    from suture.model.run.tracing import trace

    with trace(lm, [site]) as seen, torch.no_grad():
        lm.forward(lm.batch([lm.encode(text)]), head=False)
    return seen[site][0, first:].mean(0)


@pytest.mark.parametrize("pool", ["mean", "mean_with_bos", "last", "response"])
def test_batches_give_the_features_of_each_text_alone(llama, gpt2, pool):
    for lm in (llama, gpt2):
        together = extract(lm, examples(), SITES, pool=pool)
        for index, example in enumerate(examples()):
            alone = extract(lm, [example], SITES, pool=pool)
            assert torch.allclose(together[index], alone[0], atol=1e-5)


def test_left_padding_gives_the_same_features(llama, gpt2):
    from suture.model.run.tracing import trace

    for lm in (llama, gpt2):
        rows = [lm.encode(t) for t in TEXTS]
        found = []
        for side in ("left", "right"):
            batch = lm.batch(rows, side=side)
            with trace(lm, [FINAL]) as seen, torch.no_grad():
                lm.forward(batch, head=False)
            found.append(torch.stack([seen[FINAL][i, batch.last[i]] for i in range(len(rows))]))
        assert torch.allclose(found[0], found[1], atol=1e-5)


def test_the_mean_leaves_the_start_token_out(llama):
    one = extract(llama, examples()[:1], [FINAL], pool="mean")[0, 0]
    assert torch.allclose(one, by_hand(llama, TEXTS[0], FINAL, 1), atol=1e-6)
    every = extract(llama, examples()[:1], [FINAL], pool="mean_with_bos")[0, 0]
    assert torch.allclose(every, by_hand(llama, TEXTS[0], FINAL, 0), atol=1e-6)


def test_response_pooling_reads_the_answer_alone(llama):
    example = Labelled("Sure, here it is.", 1, prompt="How do I bake a cake?")
    ids, begin = llama.encode_chat(example.prompt, example.text)
    assert llama.decode(ids[begin:]) == example.text
    found = extract(llama, [example], [FINAL], pool="response")[0, 0]
    from suture.model.run.tracing import trace

    with trace(llama, [FINAL]) as seen, torch.no_grad():
        llama.forward(llama.batch([ids]), head=False)
    assert torch.allclose(found, seen[FINAL][0, begin:].mean(0), atol=1e-6)


def test_buckets_hold_every_row_once_within_the_budget():
    lengths = [3, 50, 7, 7, 100, 1, 2]
    groups = bucketed(lengths, tokens=100)
    assert sorted(i for g in groups for i in g) == list(range(7))
    assert all(len(g) * max(lengths[i] for i in g) <= 100 for g in groups)


def test_a_full_bucket_takes_no_row_that_would_be_much_padding():
    lengths = [100] * 12 + [95] * 5 + [60] * 30
    groups = bucketed(lengths)
    assert [len(g) for g in groups] == [17, 30]  # the first has enough tokens; those of 95 are nearly as long
    assert len(bucketed(lengths, alike=0.0)) == 1
    assert len(bucketed([9, 5, 1])) == 1  # a small one takes what there is


def test_a_batch_that_does_not_fit_is_halved():
    tried = []

    def run(part):
        tried.append(len(part))
        if len(part) > 2:
            raise torch.OutOfMemoryError("too much")
        return list(part)

    assert [i for part in halving(range(7), run) for i in part] == list(range(7))
    assert tried[0] == 7
    with pytest.raises(ResourceError, match="one example"):
        list(halving([0], lambda _: (_ for _ in ()).throw(MemoryError("none"))))
