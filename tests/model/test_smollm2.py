"""A real model, as `suture get smollm2` writes it: what is known of SmolLM2-135M-Instruct holds here."""

import pytest

from realistic import residual_norms
from suture.model.load.gguf_folder import tensors_sha256
from suture.model.load.named import FETCHABLE
from suture.model.run.generation import generate

pytestmark = pytest.mark.smollm2
TEXTS = (
    "The capital of Australia is a city that most people in other countries can not name.",
    "Four men met at the station, and each of them had lost his hat on the way to the sea.",
    "She opened the window, looked down at the street, and saw that the snow had begun to fall again.",
)


def test_its_tensors_are_those_that_are_known(smollm2):
    assert smollm2.path == FETCHABLE["smollm2"].folder
    assert tensors_sha256(smollm2.path) == FETCHABLE["smollm2"].tensors


def test_it_is_of_the_size_and_kind_that_its_card_says(smollm2):
    assert type(smollm2.model).__name__ == "LlamaForCausalLM"
    assert (smollm2.anatomy.layers, smollm2.width, len(smollm2.tokenizer)) == (30, 576, 49_152)
    assert sum(p.numel() for p in smollm2.model.parameters()) == 134_515_008
    assert smollm2.tokenizer.chat_template


def test_it_writes_sentences_and_takes_sydney_for_the_capital_of_australia(smollm2):
    prompts = [smollm2.encode("The capital of Australia is"), smollm2.encode("The capital of France is")]
    australia, france = (texts[0] for texts in generate(smollm2, prompts, max_new_tokens=8, temperature=0.0))
    assert australia.startswith(" Sydney.")
    assert france.startswith(" Paris")


@pytest.mark.parametrize("text", TEXTS)
def test_the_first_position_is_a_sink_without_a_start_token(smollm2, text):
    """Behind blocks 11 to 27; 20,900 to 23,800 on these texts, the median of the others 132 to 683."""
    ids = smollm2.encode(text)
    assert ids[0] != smollm2.tokenizer.bos_token_id
    norms = residual_norms(smollm2, ids)
    assert norms[0, 0] < 3 * norms[0, 1:].median()
    first, others = norms[11:28, 0], norms[11:28, 1:]
    assert 15_000 < first.min() <= first.max() < 30_000
    assert (first / others.median(dim=1).values).min() > 25
    assert (first / others.max(dim=1).values).min() > 20
