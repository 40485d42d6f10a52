import pytest
import torch

from suture.metrics import first_token_drift
from suture.metrics.first_token_drift import Cases
from suture.patch.delta import Dense
from suture.patch.patch import Patch

PROMPTS = ["How do I bake bread?", "Hi?", "What is the capital of Velmora, and where is the sea?"]


@pytest.mark.parametrize("chat", [False, True])
def test_it_is_the_kl_of_the_next_token_of_each_prompt(llama, chat):
    cases = Cases(PROMPTS, chat=chat)
    name = llama.anatomy.weights("mlp.down")[1].tensor
    noise = 0.3 * torch.randn(tuple(llama.tensor(name).shape), generator=torch.Generator().manual_seed(0))
    patch = Patch.make(llama, {name: Dense(noise)}, method="noise", settings={})

    def each():
        ids = [llama.encode_chat(p)[0] if chat else llama.encode(p) for p in PROMPTS]
        with torch.no_grad():
            return [llama.forward(llama.batch([row])).logits[0, -1].log_softmax(-1) for row in ids]

    base, old = first_token_drift.observe(llama, cases), each()
    with patch.applied(llama):
        moved, new = first_token_drift.observe(llama, cases), each()
    expected = sum(float((o.exp() * (o - n)).sum()) for o, n in zip(old, new, strict=True)) / len(PROMPTS)
    score = first_token_drift.score(base, moved)
    assert score.after == pytest.approx(expected, rel=1e-4)
    assert score.after > 0
    assert (score.before, score.cases) == (0.0, 3)
    assert first_token_drift.score(base, first_token_drift.observe(llama, cases)).after == 0
