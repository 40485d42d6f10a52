import pytest
import torch

from suture.errors import PatchMismatch, UsageError
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.model.run.generation import generate
from suture.patch.runtime.multi_patch import attached_together

TEXTS = ["You are a friend.", "The capital of Velmora is a city near the sea", "One"]


@pytest.fixture
def patches(llama, behaviour):
    return {
        "kind": surgery(llama, behaviour, rows=20, strength=2.0),
        "turned": steering(llama, behaviour, mode="turn", strength=0.5),
        "late": steering(llama, behaviour, positions="generated", strength=0.7, layers=[2]),
    }


def logits(lm, texts=TEXTS):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(text) for text in texts])).logits


def test_each_request_gets_its_own_patches(llama, patches):
    base, lengths = logits(llama), [len(llama.encode(text)) for text in TEXTS]
    requests = [{}, {"kind": 1.0, "late": 1.0}, {"turned": 0.5, "kind": -1.0}]
    with attached_together(llama, patches) as ward:
        ward.set(requests, prompts=[2, 2, 2])
        together = logits(llama)
        for row, request in enumerate(requests):
            ward.set([request], prompts=[2])
            alone = logits(llama, [TEXTS[row]])[0]
            assert torch.allclose(together[row, : lengths[row]], alone, atol=1e-4)
        ward.set([{}] * 3)
        assert torch.equal(logits(llama), base)
    assert torch.equal(together[0, : lengths[0]], base[0, : lengths[0]])
    assert not torch.allclose(together[1], base[1], atol=1e-3)
    assert torch.equal(logits(llama), base)


def test_generation_of_a_mixed_batch(llama, patches):
    rows = [llama.encode(text) for text in TEXTS]
    plain = generate(llama, rows, temperature=0, max_new_tokens=5)
    with attached_together(llama, patches) as ward:
        ward.set([{"late": 8.0}] * 3)
        steered = generate(llama, rows, temperature=0, max_new_tokens=5)
        ward.set([{}] * 3)
        assert generate(llama, rows, temperature=0, max_new_tokens=5) == plain
    with patches["late"].attached(llama, 8.0):
        assert generate(llama, rows, temperature=0, max_new_tokens=5) == steered


def test_order_of_the_mapping_means_nothing(llama, patches):
    found = []
    for names in (list(patches), list(reversed(patches))):
        with attached_together(llama, {name: patches[name] for name in names}) as ward:
            ward.set([{"kind": 1.0, "turned": 1.0}] * 3)
            found.append(logits(llama))
    assert torch.equal(*found)


def test_mistakes_are_said(llama, gpt2, patches):
    with attached_together(llama, patches) as ward, pytest.raises(UsageError, match="no patch 'rude'"):
        ward.set([{"rude": 1.0}])
    with pytest.raises(PatchMismatch), attached_together(gpt2, patches):
        pass
    with attached_together(llama, patches) as ward:
        ward.set([{}, {"kind": 1.0}])
        with pytest.raises(UsageError, match="2 strengths for a batch of 3"):
            logits(llama)
