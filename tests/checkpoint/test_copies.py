"""A model whose files hold its tied embedding twice: a patch changes both, so that the files are what it makes in memory."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_parts import QUICK, digests
from suture.checkpoint import forecast
from suture.checkpoint.stack.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import UnsupportedModel
from suture.model.lm import LM
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

HEAD = "lm_head.weight"


def store(model, tokenizer, folder, head=None):
    """Save a tied model with a head in its file, by default a copy of its embedding."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    table = model.get_input_embeddings().weight.detach()
    save_file({**tensors, HEAD: table.clone() if head is None else head}, file, {"format": "pt"})
    return folder


@pytest.fixture(params=["llama", "gpt2"])
def twice(request, llama, gpt2, tmp_path):
    """Llama says in config.json that it is tied, GPT-2 does not say it and is: (folder, name of its embedding)."""
    lm = {"llama": llama, "gpt2": gpt2}[request.param]
    model = copy.deepcopy(lm.model)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    folder = store(model, lm.tokenizer, tmp_path / "model")
    if request.param == "gpt2":
        config = json.loads((folder / "config.json").read_text())
        config.pop("tie_word_embeddings", None)
        (folder / "config.json").write_text(json.dumps(config))
    return folder, lm.anatomy.layout.embed + ".weight"


def patch_on(lm, name, seed=0):
    g = torch.Generator().manual_seed(seed)
    rows, width = lm.tensor(name).shape
    change = LowRank(torch.randn(9, 1, generator=g), torch.randn(1, width, generator=g), torch.arange(9) * (rows // 10))
    return Patch.make(lm, {name: change}, method="test", settings={})


@torch.no_grad()
def logits(lm):
    return lm.forward(lm.batch([lm.encode("You are a friend of the river.")])).logits


@pytest.mark.parametrize("in_place", [False, True])
def test_both_copies_change_and_the_files_are_what_the_patch_makes_in_memory(twice, tmp_path, in_place):
    folder, name = twice
    lm = LM.load(folder)
    patch, before = patch_on(lm, name), digests(folder)
    file = patch.save(tmp_path / "p")
    for refusing in (
        lambda: apply(folder, [file], tmp_path / "x"),
        lambda: forecast.apply(folder, [file], tmp_path / "x"),
    ):
        with pytest.raises(UnsupportedModel, match="`force=True`"):
            refusing()
    assert any(finding.problem for finding in verify(folder, [file]))
    where = {"in_place": True} if in_place else {"out": tmp_path / "out"}
    done = apply(folder, [file], force=True, disk=QUICK, **where)
    assert {tensor for tensor, *_ in done.tensors} == {name, HEAD}
    with patch.applied(lm):
        wanted = logits(lm)
    assert torch.equal(logits(LM.load(done.path)), wanted)
    assert not any(finding.problem for finding in verify(done.path))
    revert(done.path, in_place=True, disk=QUICK)
    assert digests(done.path) == before


def test_a_stack_on_copies_comes_off_in_any_order(twice, tmp_path):
    folder, name = twice
    lm, before = LM.load(folder), digests(folder)
    files = [patch_on(lm, name, seed).save(tmp_path / f"p{seed}") for seed in (0, 1)]
    for file in files:
        apply(folder, [file], in_place=True, force=True, disk=QUICK)
    revert(folder, ["1"], in_place=True, disk=QUICK)
    found = load_file(folder / "model.safetensors")
    assert torch.equal(found[name], found[HEAD])
    assert not any(finding.problem for finding in verify(folder))
    revert(folder, in_place=True, disk=QUICK)
    assert digests(folder) == before


def test_a_head_that_should_be_tied_and_is_not_the_embedding_is_refused(llama, tmp_path):
    model = copy.deepcopy(llama.model)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    table = model.get_input_embeddings().weight.detach()
    folder = store(model, llama.tokenizer, tmp_path / "model", table + 1)
    name = "model.embed_tokens.weight"
    file = patch_on(LM(model, llama.tokenizer), name).save(tmp_path / "p")
    with pytest.raises(UnsupportedModel, match="should be one, and differ") as told:
        apply(folder, [file], tmp_path / "x", force=True)
    assert "force" not in told.value.fix


def test_two_tensors_that_config_json_calls_two_are_two(llama, tmp_path):
    model = copy.deepcopy(llama.model)
    table = model.get_input_embeddings().weight.detach()
    folder = store(model, llama.tokenizer, tmp_path / "model", table.clone())
    lm = LM.load(folder)
    patch = patch_on(lm, "model.embed_tokens.weight")
    done = apply(folder, [patch.save(tmp_path / "p")], tmp_path / "out", disk=QUICK)
    assert [tensor for tensor, *_ in done.tensors] == ["model.embed_tokens.weight"]
    with patch.applied(lm):
        assert torch.equal(logits(LM.load(done.path)), logits(lm))


def test_a_ledger_of_before_is_read_and_written_as_it_was(base, patches, tmp_path):
    apply(base, patches[:1], tmp_path / "out", disk=QUICK)
    content = json.loads((tmp_path / "out" / "suture.json").read_text())
    assert "copies" not in content["patches"][0]
    assert Ledger.load(tmp_path / "out").patches[0].copies == {}
