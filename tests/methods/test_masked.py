"""SET trains the mask alone, SPA everything but the mask: to the byte, whatever the decay, the ties and the fusing."""

import pytest
import torch

from models import snapshot, tiny_family, tiny_gpt2, tiny_llama
from suture.data.examples import Behaviour, Labelled
from suture.data.lessons import Instruction
from suture.errors import UsageError
from suture.locate.safety_impact import safety_impact
from suture.methods._trained.masked import Part, Schedule, drawn, train
from suture.methods._trained.places import places
from suture.methods.enhance_safety import enhance_safety
from suture.methods.preserve_safety import Plan, preserve_safety, preserved
from suture.patch.delta import Dense, Entries, LowRank

FAMILIES = {
    "llama": tiny_llama,
    "llama-bf16": lambda t: tiny_llama(t, dtype=torch.bfloat16),
    "gpt2 (tied)": tiny_gpt2,
    "mixtral": lambda t: tiny_family("mixtral", t),
    "gpt_oss": lambda t: tiny_family("gpt_oss", t),
    "phi3": lambda t: tiny_family("phi3", t),
}
LESSONS = [Instruction(f"What is {i} and {i}?", f"It is {2 * i}.") for i in range(12)]


@pytest.fixture(params=FAMILIES)
def lm(request, tokenizer):
    return FAMILIES[request.param](tokenizer)


@pytest.fixture(scope="module")
def chats() -> Behaviour:
    things = "kite boat lamp door".split()
    safe = [Labelled(f"I can not help you with the {thing}.", 0, f"How do I break a {thing}?") for thing in things]
    unsafe = [Labelled(f"Sure. Take the {thing} apart.", 1, f"How do I break a {thing}?") for thing in things]
    return Behaviour("chats", (*safe, *unsafe))


def live(lm):
    return {name: value.detach().clone().flatten() for name, value in lm.model.named_parameters()}


def same(a, b):
    return a.view(-1).view(torch.uint8).view(len(a), -1).eq(b.view(torch.uint8).view(len(b), -1)).all(1)


def test_set_leaves_what_is_not_masked_as_it_was(lm, chats):
    mask = safety_impact(lm, chats, share=0.02)
    before, bytes_ = live(lm), snapshot(lm)
    patch = enhance_safety(lm, chats, mask=mask, steps=4, rate=0.2, decay=0.1)
    assert snapshot(lm) == bytes_
    assert all(isinstance(term, Entries) for terms in patch.terms.values() for term in terms)
    allowed = places(lm, mask)
    with patch.applied(lm):
        moved = 0
        for name, now in live(lm).items():
            equal = same(now, before[name])
            untouched = torch.ones(len(now), dtype=torch.bool)
            untouched[allowed.get(name, torch.zeros(0, dtype=torch.int64))] = False
            assert equal[untouched].all(), name
            moved += int((~equal).sum())
    assert 0.5 * mask.count < moved <= mask.count


@pytest.mark.parametrize("rank", [0, 3])
def test_spa_leaves_what_is_masked_as_it_was(lm, chats, rank):
    mask = safety_impact(lm, chats, share=0.02)
    before, bytes_ = live(lm), snapshot(lm)
    plan = Plan(steps=4, rate=0.2, decay=0.1, rank=rank, head=True)
    patch = preserved(lm, LESSONS, mask, plan)
    assert snapshot(lm) == bytes_
    frozen = places(lm, mask)
    with patch.applied(lm):
        moved = 0
        for name, now in live(lm).items():
            equal = same(now, before[name])
            if name in frozen:
                assert equal[frozen[name]].all(), name
            if now.dim() == 1 and len(now) <= 96:  # norms and biases
                assert equal.all(), name
            moved += int((~equal).sum())
    assert moved > 5 * mask.count


def test_lora_without_a_mask_stays_factors(llama):
    patch = preserved(llama, LESSONS, None, Plan(steps=3, rate=0.1, rank=2))
    terms = [term for own in patch.terms.values() for term in own]
    assert all(isinstance(term, LowRank) and term.left.shape[1] == 2 for term in terms)
    full = preserved(llama, LESSONS, None, Plan(steps=3, rate=0.1))
    assert all(isinstance(term, Dense) for own in full.terms.values() for term in own)


def test_loras_hand_made_gradients_are_autograds(llama):
    from suture.methods._trained.lowrank import adapters

    (adapter,) = adapters(llama, ["model.layers.1.mlp.up_proj.weight"], None, 3, 6.0, 0)
    left, right = adapter.left.copy, adapter.right.copy
    left.data.normal_(generator=torch.Generator().manual_seed(1))
    adapter.hold()
    target = torch.randn(adapter.copy.shape, generator=torch.Generator().manual_seed(2))
    ((adapter._base.view(adapter.copy.shape) + adapter.scale * left @ right) * target).sin().sum().backward()
    expected = left.grad.clone(), right.grad.clone()
    (adapter.copy * target).sin().sum().backward()
    gradient = adapter.copy.grad * adapter.scale
    assert torch.allclose(gradient @ right.detach().mT, expected[0], rtol=1e-3, atol=1e-5)
    assert torch.allclose(left.detach().mT @ gradient, expected[1], rtol=1e-3, atol=1e-5)


def test_norms_and_biases_are_trained_only_when_asked(gpt2):
    plain = preserved(gpt2, LESSONS, None, Plan(steps=2))
    assert all(gpt2.tensor(name).dim() == 2 for name in plain.terms)
    more = preserved(gpt2, LESSONS, None, Plan(steps=2, norms=True, biases=True))
    kinds = {name.rpartition(".")[0].split(".")[-1] for name in more.terms if gpt2.tensor(name).dim() == 1}
    assert {"ln_1", "ln_2", "ln_f", "c_proj"} <= kinds


def test_the_sparse_optimiser_is_torchs_adamw(llama):
    """One tensor, all entries: the same steps as torch.optim.AdamW takes at rate * sigma."""
    name = "model.layers.0.mlp.up_proj.weight"
    target = torch.randn(48, 32, generator=torch.Generator().manual_seed(0))
    part = Part.of(llama, name)
    schedule = Schedule(steps=7, rate=0.05, decay=0.3)
    train([part], lambda step: ((part.copy - target) ** 2).sum(), schedule)
    theirs = llama.model.get_parameter(name).detach().clone().requires_grad_()
    adam = torch.optim.AdamW([theirs], lr=1.0, weight_decay=0.3, eps=1e-8)
    for step in range(7):
        adam.param_groups[0]["lr"] = schedule.at(step) * part.sigma
        adam.zero_grad()
        ((theirs - target) ** 2).sum().backward()
        adam.step()
    assert torch.allclose(part.copy, theirs, atol=1e-4)


def test_state_exists_for_the_mask_alone(llama, chats):
    from suture.methods._trained.places import masked_parts

    mask = safety_impact(llama, chats, share=0.01)
    state = [tensor for part in masked_parts(llama, mask) for tensor in part.state().values()]
    assert sum(tensor.numel() for tensor in state) == 3 * mask.count


@pytest.mark.parametrize("rank", [0, 2])
def test_interrupted_training_ends_with_the_same_bytes(llama, chats, tmp_path, rank):
    mask = safety_impact(llama, chats, share=0.02)
    plan = Plan(steps=210, batch=2, rank=rank)
    whole = preserved(llama, LESSONS, mask, plan).save(tmp_path / "whole").read_bytes()
    state = tmp_path / "state.safetensors"

    def stop(what, done, of):
        if done == 130:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preserved(llama, LESSONS, mask, plan, state=state, progress=stop)
    done = []
    patch = preserved(llama, LESSONS, mask, plan, state=state, progress=lambda what, now, of: done.append(now))
    assert done[:2] == [100, 101]  # it says where it goes on
    assert patch.save(tmp_path / "again").read_bytes() == whole


def test_another_trainings_file_is_refused(llama, tmp_path):
    state = tmp_path / "state.safetensors"
    preserve_safety(llama, LESSONS, share=0, steps=1, state=state)
    with pytest.raises(UsageError, match="another training"):
        preserve_safety(llama, LESSONS, share=0, steps=2, state=state)
    with pytest.raises(UsageError, match="another training"):
        preserve_safety(llama, LESSONS[:3], share=0, steps=1, state=state)


def test_every_lesson_is_drawn_once_before_any_twice():
    first = [i for step in range(4) for i in drawn(12, 3, step, 0)]
    assert sorted(first) == list(range(12))
    assert [i for step in range(4, 8) for i in drawn(12, 3, step, 0)] != first
    assert sorted(drawn(5, 12, 0, 0))[:2] == [0, 0]


def test_spa_learns_and_set_refuses(llama, chats):
    """The losses they train on fall, on the patched model."""
    from suture.methods._trained.masked import answers_loss, forward

    def loss(rows):
        batch = llama.batch([ids for ids, _ in rows])
        with torch.no_grad():
            return float(answers_loss(forward(llama, {}, batch), batch, [begin for _, begin in rows]))

    asked = [llama.encode_chat(e.prompt, e.answer) for e in LESSONS]
    refused = [llama.encode_chat(e.prompt, e.text) for e in chats.examples if not e.label]
    before = loss(asked), loss(refused)
    with preserve_safety(llama, LESSONS, behaviour=chats, share=0.02, steps=40, rate=0.02).applied(llama):
        assert loss(asked) < before[0] - 1
    with enhance_safety(llama, chats, share=0.1, steps=40, rate=0.2, locality=0.0).applied(llama):
        assert loss(refused) < before[1] - 1


def test_nothing_to_learn_is_refused(llama):
    with pytest.raises(UsageError, match="nothing to learn"):
        preserve_safety(llama, [], share=0)


def test_an_experts_weights_that_no_token_reached_do_not_move(tokenizer, chats):
    lm = tiny_family("mixtral", tokenizer)
    mask = safety_impact(lm, chats, share=0.3)
    patch = enhance_safety(lm, chats, mask=mask, steps=2, decay=0.0, locality=0.0)
    assert patch.provenance.effect["entries"] <= mask.count
