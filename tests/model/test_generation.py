import pytest
import torch

from suture.model.run import generation
from suture.model.run.generation import Doses, generate
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

PROMPTS = ["You are a", "The capital of Velmora is", "Hello"]


def ids(lm):
    return [lm.encode(p) for p in PROMPTS]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_does_not_depend_on_its_batch(llama, gpt2, temperature):
    for lm in (llama, gpt2):
        together = generate(lm, ids(lm), max_new_tokens=12, temperature=temperature, samples=1)
        alone = [generate(lm, [row], max_new_tokens=12, temperature=temperature, samples=1)[0] for row in ids(lm)]
        assert together == alone


def test_greedy_text_is_that_of_transformers(patient):
    row = patient.encode("The capital of")
    expected = patient.model.generate(
        torch.tensor([row]),
        attention_mask=torch.ones(1, len(row), dtype=torch.long),
        max_new_tokens=15,
        do_sample=False,
    )
    assert generate(patient, [row], max_new_tokens=15, temperature=0)[0][0] == patient.decode(expected[0, len(row) :])


def test_samples_differ_seeds_differ_and_repeat(llama):
    first = generate(llama, ids(llama), samples=3, max_new_tokens=12, seed=1)
    assert all(len(set(row)) == 3 for row in first)
    assert generate(llama, ids(llama), samples=3, max_new_tokens=12, seed=1) == first
    assert generate(llama, ids(llama), samples=3, max_new_tokens=12, seed=2) != first


def test_sampling_follows_the_distribution(llama):
    """The first token of many samples against the model's own probabilities: chi-square over the ten likeliest."""
    row = llama.encode("You are a")
    with torch.no_grad():
        p = llama.forward(llama.batch([row])).logits[0, -1].softmax(-1)
    draws = 4000
    from suture.model.run.generation import draws_of, pick

    uniform = torch.stack([draws_of(row, 0, s, 1) for s in range(draws)])[:, 0]
    counts = torch.bincount(pick(p.log().expand(draws, -1), uniform, 1.0), minlength=len(p)).double()
    top = p.topk(10).indices
    expected = p[top].double() * draws
    assert float(((counts[top] - expected) ** 2 / expected).sum()) < 30  # 99.9 % quantile of chi-square(10) is 29.6


def test_prompts_of_different_strengths_share_a_batch(llama):
    name = "model.layers.1.mlp.gate_proj.weight"
    patch = Patch.make(llama, {name: LowRank(torch.ones(48, 1), torch.ones(1, 32))}, method="x", settings={})
    strengths = [0.0, 1.0, 3.0]
    with patch.attached(llama) as dose:
        rows = [row for row in ids(llama) for _ in strengths]
        mixed = generate(llama, rows, max_new_tokens=10, doses=Doses(dose, strengths * 3))
    for index, strength in enumerate(strengths):
        with patch.attached(llama, strength):
            assert generate(llama, ids(llama), max_new_tokens=10) == mixed[index::3]
    assert generate(llama, ids(llama), max_new_tokens=10) == mixed[0::3]


def test_progress_counts_every_row(llama):
    seen = []
    generate(llama, ids(llama), samples=2, max_new_tokens=2, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("texts", 6, 6)
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})


def test_the_head_reads_states_that_lie_together(llama):
    """A slice of them is a product for each row, which takes several times as long."""
    seen = []
    handle = llama.model.get_output_embeddings().register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        generate(llama, ids(llama), max_new_tokens=2, temperature=0.0)
    finally:
        handle.remove()
    assert seen
    assert all(states.is_contiguous() and states.shape[1] == 1 for states in seen)


@pytest.mark.parametrize("share", [1e-6, 0.3, 0.9, 0.999999])
def test_the_likeliest_tokens_are_the_same_whether_all_are_sorted_or_few(monkeypatch, share):
    logits = 4 * torch.randn(32, 5000, generator=torch.Generator().manual_seed(0))
    logits[0] = 0  # all alike: more are needed than are looked at first
    draws, nucleus = torch.linspace(0, 0.999, 32), torch.full((32,), share)
    few = generation.pick(logits, draws, 1.0, nucleus)
    for first in (1, 5000):  # more are looked at again and again, or all at once
        monkeypatch.setattr(generation, "LIKELIEST", first)
        assert torch.equal(few[1:], generation.pick(logits, draws, 1.0, nucleus)[1:])
    odds = logits.softmax(-1).sort(descending=True)
    rank = (odds.indices == few[:, None]).int().argmax(-1)
    before = (odds.values.cumsum(-1) - odds.values).gather(-1, rank[:, None])[:, 0]
    assert bool((before[1:] <= share + 1e-5).all())
