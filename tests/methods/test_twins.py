"""The same edit of the same model, its matrices stored (in, out) or (out, in): the same function. No shape tells which."""

import pytest
import torch

from models import linear_twin, tiny_family
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.methods.crispedit import crispedit
from suture.methods.finetune import finetune
from suture.methods.lora import lora
from suture.methods.pmet import pmet
from suture.methods.ultraedit import ultraedit

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:12])
CASES = {
    "finetune": (finetune, {"layer": 0, "steps": 4, "rate": 5e-3}),
    "finetune with locality": (finetune, {"layer": 0, "steps": 4, "rate": 5e-3, "locality": 1.0, "limit": 8e-3}),
    "finetune of a first matrix": (finetune, {"layer": 0, "steps": 4, "rate": 5e-3, "site": "mlp.up"}),
    "finetune of a cut": (finetune, {"layer": 0, "steps": 4, "rate": 5e-3, "site": "attn.v"}),
    "lora": (lora, {"steps": 4, "sites": ["mlp.down", "attn.v"]}),
    "crispedit": (crispedit, {"layers": [0], "steps": 4, "rate": 5e-3}),
    "crispedit of a cut": (crispedit, {"layers": [0, 1], "steps": 4, "rate": 5e-3, "site": "attn.v"}),
    "pmet": (pmet, {"layers": [0, 1], "steps": 4, "prefixes": 2}),
    "ultraedit": (ultraedit, {"layers": [0, 1]}),
    "ultraedit of a first matrix": (ultraedit, {"layers": [0], "site": "mlp.up"}),
}


def logits(lm):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(f.prompt) for f in FACTS])).logits


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_same_edit_on_conv1d_and_on_linear_is_the_same_function(case, square, tokenizer):
    method, settings = CASES[case]
    conv = tiny_family("gpt2", tokenizer, square=square)
    plain = linear_twin(conv)
    base = logits(conv)
    seen = []
    for lm in (conv, plain):
        with method(lm, FACTS, keep=FEW, **settings).applied(lm):
            seen.append(logits(lm))
    moved = float((seen[0] - base).abs().max())
    assert moved > 1e-3
    assert float((seen[0] - seen[1]).abs().max()) < 1e-2 * moved
