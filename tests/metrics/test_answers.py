import math

import pytest
import torch

from suture.metrics import answers
from suture.metrics.completion import Cases


def test_the_value_is_the_loss_of_the_answers_tokens_alone(llama):
    cases = Cases(["How do I bake?", "Why?"], ["Sure. Take flour and sugar.", "No."], chat=True)
    seen = answers.observe(llama, cases)
    for row, (prompt, answer) in enumerate(zip(cases.prompts, cases.answers, strict=True)):
        ids, begin = llama.encode_chat(prompt, answer)
        with torch.no_grad():
            likely = llama.forward(llama.batch([ids])).logits[0, :-1].log_softmax(-1)
        each = [-float(likely[i - 1, ids[i]]) for i in range(begin, len(ids))]
        assert float(seen.values[row]) == pytest.approx(sum(each) / len(each), rel=1e-4)
        assert int(seen.weights[row]) == len(each)
    score = answers.score(seen, seen)
    assert score.before == pytest.approx(math.exp(seen.mean))
    assert score.change == 0
