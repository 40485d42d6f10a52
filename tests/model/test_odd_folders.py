"""Folders as the world has them: loaded and written with where they are a model, and seen in the same way by a plan."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from broken_models import CONFIG, TOKENS, WEIGHTS, both, says, sharded, without, write
from models import tiny_llama
from suture.errors import SutureError
from suture.goals.plan import plan
from suture.model.lm import LM
from suture.model.run.generation import generate

INDEX = f"{WEIGHTS}.index.json"
SECOND = "model-00002-of-00002.safetensors"


@pytest.fixture(scope="module")
def whole(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model"
    tiny_llama(tokenizer).model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "model"))


def tensors(make, file=WEIGHTS):
    def made(folder):
        save_file(make(load_file(folder / file)), folder / file, {"format": "pt"})

    return made


def typed(dtype):
    return lambda held: {name: tensor.to(dtype) for name, tensor in held.items()}


def config(**words):
    return lambda folder: says(folder, **words)


def rope(**words):
    return config(rope_parameters={"rope_theta": 1e4, **words})


def old_rope(**words):
    """As files before transformers 5 say it."""
    return config(rope_parameters=None, rope_theta=10000.0, rope_scaling=words)


def generation(**words):
    return write("generation_config.json", json.dumps(words))


def biased(held):
    sides = [name for name in held if "self_attn" in name]
    return {**held, **{name.replace("weight", "bias"): torch.zeros(len(held[name])) for name in sides}}


def cache(folder):
    """Links into blobs, as the Hub's cache keeps a model."""
    hub = folder.parent / "models--some--model"
    snapshot = hub / "snapshots" / "abc"
    (hub / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(folder.iterdir())):
        shutil.move(file, hub / "blobs" / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    return snapshot


def moved(folder):
    return Path(shutil.move(folder, folder.with_name("mein Modell ü 日本 'x' & co")))


def read_only(folder):
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


def third_shard(folder):
    sharded()(folder)
    shutil.copy(folder / SECOND, folder / "model-00003-of-00003.safetensors")


LONG = {"original_max_position_embeddings": 64}
SOUND = {
    "a tensor of length 0": tensors(lambda held: {**held, "more": torch.zeros(0)}),
    "a scalar": tensors(lambda held: {**held, "more": torch.tensor(1.0)}),
    "shards of two types": both(sharded(), tensors(typed(torch.bfloat16), SECOND)),
    "float64": tensors(typed(torch.float64)),
    "a shard that no index lists": third_shard,
    "generation of nulls": generation(
        max_new_tokens=None, temperature=None, eos_token_id=None, do_sample=None, top_p=None
    ),
    "generation that ends far away": generation(eos_token_id=[1, 5, 99999]),
    "generation with beams": generation(num_beams=4, length_penalty=2.0, temperature=0.7, do_sample=False),
    "yarn": rope(rope_type="yarn", factor=4.0, **LONG),
    "llama3": rope(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, **LONG),
    "linear, as it was said": old_rope(type="linear", factor=2.0),
    "dynamic, as it was said": old_rope(rope_type="dynamic", factor=2.0),
    "attention with biases": both(config(attention_bias=True), tensors(biased)),
    "tied, and a head in the file": config(tie_word_embeddings=True),
    "tied, without a head": both(
        config(tie_word_embeddings=True),
        tensors(lambda held: {name: tensor for name, tensor in held.items() if name != "lm_head.weight"}),
    ),
    "pickles beside": write("pytorch_model.bin", b"\x80\x04."),
    "links into a cache": cache,
    "blanks and letters of all kinds in its path": moved,
    "a folder to read alone": read_only,
    "no word of its type": config(dtype=None),
    "no class named": config(architectures=None),
    "ends that are null": config(eos_token_id=None, bos_token_id=None, pad_token_id=None),
    "an end that no token is": config(eos_token_id=99999),
    "an empty chat template": write("chat_template.jinja", ""),
}


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of transformers, about beams
def test_a_folder_that_is_a_model_is_used(folder, make):
    path = make(folder) or folder
    assert plan(path, measure=False).parameters > 0
    lm = LM.load(path)
    assert len(generate(lm, [lm.encode("Anna read")], max_new_tokens=2)) == 1
    folder.exists() and folder.chmod(0o755)


def index(text):
    return both(sharded(), write(INDEX, text))


def no_file(make):
    return both(without(WEIGHTS), lambda folder: make(folder / WEIGHTS))


def mark(folder):
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes())


def outside(folder):
    shutil.move(folder / WEIGHTS, folder.parent / "elsewhere.safetensors")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere.safetensors")


def float8(held):
    return {name: tensor.to(torch.float8_e4m3fn) if "proj" in name else tensor for name, tensor in held.items()}


REFUSED = {  # how it is made, and what is said
    "a mark before config.json": (mark, "can not read the config of it\n.*Unexpected UTF-8 BOM"),
    "no rows in a norm": (
        tensors(lambda held: {**held, "model.norm.weight": torch.zeros(0)}),
        r"model.norm.weight is \(0,\)",
    ),
    "llama3 without its words": (rope(rope_type="llama3", factor=8.0), "Missing required keys"),
    "a factor in letters": (rope(rope_type="linear", factor="two"), "TypeError: unsupported operand"),
    "an index without a map": (index("{}"), "has no weight_map"),
    "an index that leads out": (index('{"weight_map": {"a": "../x.safetensors"}}'), "names an unsafe file"),
    "an index with a mark": (index("\ufeff{}"), "index.json holds no valid JSON\nUnexpected UTF-8 BOM"),
    "fp8": (tensors(float8), "is quantised: model.layers.0.mlp.down_proj.weight is fp8"),
    "a link out": (outside, "is a link that leads out of the checkpoint"),
    "a link to nothing": (
        no_file(lambda file: file.symlink_to("nothing")),
        "First model.safetensors, a link to nothing",
    ),
    "a folder for a file": (no_file(Path.mkdir), "model.safetensors is not a plain file"),
    "a pipe for a file": (no_file(os.mkfifo), "model.safetensors is not a plain file"),
    "a type in letters": (config(dtype="auto"), "module 'torch' has no attribute 'auto'"),
    "a vocabulary in letters": (config(vocab_size="1024"), "Field 'vocab_size' expected int, got str"),
    "no blocks": (config(num_hidden_layers=0), "It says num_hidden_layers 0: a model without blocks"),
    "a package that is not there": (
        config(_attn_implementation="flash_attention_2"),
        "FlashAttention2 has been toggled on",
    ),
    "a list for generation": (write("generation_config.json", "[]"), "can not read generation_config.json"),
    "no tokens": (without(TOKENS), "has no tokenizer"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_model_is_refused_by_its_cause_also_by_a_plan(folder, make, message):
    make(folder)
    for door in (lambda: LM.load(folder), lambda: plan(folder, measure=False)):
        with pytest.raises(SutureError, match=message) as told:
            door()
        assert str(folder) in str(told.value)
        assert told.value.fix
