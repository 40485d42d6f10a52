"""Models that something is wrong with, by the cause: each maker spoils a sound folder, and may return what is given instead."""

import json
import shutil
import struct

import torch
import transformers
from safetensors.torch import load_file, save_file

WEIGHTS, CONFIG, TOKENS = "model.safetensors", "config.json", "tokenizer.json"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def says(folder, **words):
    """Change words of a config.json; None takes one away."""
    content = {**json.loads((folder / CONFIG).read_text()), **words}
    (folder / CONFIG).write_text(json.dumps({word: value for word, value in content.items() if value is not None}))


def kind(config):
    def make(folder):
        config.save_pretrained(folder)

    return make


def saved(config):
    def make(folder):
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)

    return make


def change(name, make):
    def changed(folder):
        tensors = load_file(folder / WEIGHTS)
        tensors[name] = make(tensors[name])
        save_file(tensors, folder / WEIGHTS, {"format": "pt"})

    return changed


def renaming(rename):
    def renamed(folder):
        tensors = {rename(name): tensor for name, tensor in load_file(folder / WEIGHTS).items()}
        tensors.pop(None, None)
        save_file(tensors, folder / WEIGHTS, {"format": "pt"})

    return renamed


def write(name, content):
    def written(folder) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return written


def without(*names):
    def removed(folder):
        for name in names:
            (folder / name).unlink()

    return removed


def both(*steps):
    def made(folder):
        return [step(folder) for step in steps][-1]

    return made


def cut(share):
    def shortened(folder):
        shorter(WEIGHTS, int((folder / WEIGHTS).stat().st_size * share))(folder)

    return shortened


def shorter(name, size):
    def shortened(folder):
        (folder / name).write_bytes((folder / name).read_bytes()[:size])

    return shortened


def longer(name):
    def lengthened(folder):
        (folder / name).write_bytes((folder / name).read_bytes() + b"more")

    return lengthened


def sharded(lists=None, twice=False, missing=False):
    """Put the weights into two files with an index."""

    def made(folder):
        tensors = load_file(folder / WEIGHTS)
        names = sorted(tensors)
        parts = {
            "model-00001-of-00002.safetensors": names[:9],
            "model-00002-of-00002.safetensors": names[8 if twice else 9 :],
        }
        for file, own in parts.items():
            save_file({name: tensors[name] for name in own}, folder / file, {"format": "pt"})
        index = {name: file for file, own in parts.items() for name in own} | (lists or {})
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
        (folder / WEIGHTS).unlink()
        if missing:
            (folder / "model-00002-of-00002.safetensors").unlink()

    return made


def given(name, content=None):
    """Give a file in place of a folder."""

    def made(folder):
        if content is not None:
            write(name, content)(folder)
        return folder / name

    return made


def patch_in(folder):
    return shutil.copy(folder.parent / "patch.safetensors", folder / "patch.safetensors")


def grown(folder, more):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<extra{i}>" for i in range(more)])
    tokenizer.save_pretrained(folder)


def template(text):
    """Give a tokenizer a chat template, or several by name."""
    several = [{"name": name, "template": own} for name, own in text.items()] if isinstance(text, dict) else text

    def put(folder):
        without("chat_template.jinja")(folder)
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": several}))

    return put


ADAPTER = json.dumps({"base_model_name_or_path": "some/base", "peft_type": "LORA"})
HEADER = json.dumps({"__metadata__": {"format": "suture.probe/1"}}).encode()
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
VISION = {**SMALL, "image_size": 28, "patch_size": 14}
Q4 = {"quant_method": "bitsandbytes", "load_in_4bit": True}
# cause -> makers of it: each returns what to give, or the folder is given
MADE = {
    "a file": [given(WEIGHTS), given(TOKENS), given("notes.txt", "x"), given("empty", "")],
    "gguf": [
        given("model.gguf", b"GGUF\x03\0\0\0" + bytes(64)), given("m.bin", b"GGUF\x02\0\0\0"),
        both(without(WEIGHTS, CONFIG), write("m-q4_0.gguf", b"GGUF\x03\0\0\0")), both(without(WEIGHTS), write("m.gguf", b"GGUF")),
    ],
    "patch": [lambda folder: patch_in(folder), given("p.safetensors", struct.pack("<Q", len(HEADER)) + HEADER)],
    "adapter": [
        both(without(WEIGHTS, CONFIG), write("adapter_config.json", ADAPTER)),
        both(without(WEIGHTS), write("adapter_config.json", ADAPTER), write("adapter_model.safetensors", b"")),
        both(without(WEIGHTS, CONFIG), write("adapter_config.json", ADAPTER), write("adapter_model.bin", b"")),
        both(write("adapter_config.json", ADAPTER), given("adapter_model.safetensors", b"x")),
    ],
    "adapter beside": [write("adapter_config.json", ADAPTER)],
    "no config": [without(CONFIG)],
    "broken config": [
        write(CONFIG, "{"), write(CONFIG, ""), write(CONFIG, "[]"), write(CONFIG, '{"a": 1, "a": 2}'),
        lambda folder: says(folder, model_type=None), lambda folder: says(folder, model_type=7),
        *[lambda folder, words=words: says(folder, **words) for words in (
            {"rope_parameters": {"rope_type": "odd", "rope_theta": 1e4}}, {"rope_parameters": {"rope_type": "yarn"}},
            {"rope_parameters": [1]}, {"hidden_act": "swishy"}, {"dtype": "floaty"},
            {"num_attention_heads": 0}, {"pad_token_id": 99999},
        )],
        lambda folder: says(folder, num_hidden_layers=0), lambda folder: says(folder, _attn_implementation="flash_attention_2"),
        lambda folder: says(folder, hidden_size="wide"), lambda folder: says(folder, num_attention_heads=5),
    ],
    "broken generation": [write("generation_config.json", text) for text in ("{", "[]", "", '{"a": 1, "a": 2}')],
    "no weights": [without(WEIGHTS), both(without(WEIGHTS), write("weights.safetensors", b""))],
    "pickled": [both(without(WEIGHTS), write(name, b"\x80\x04.")) for name in ("pytorch_model.bin", "c.00.pth", "m.pt")],
    "two sets": [write(f"{WEIGHTS}.index.json", json.dumps({"weight_map": {"x": WEIGHTS}}))],
    "missing shard": [
        sharded(missing=True), both(without(WEIGHTS), lambda folder: (folder / WEIGHTS).symlink_to("nothing")),
    ],
    "index": [
        sharded({"ghost.weight": "model-00001-of-00002.safetensors"}),
        sharded({"model.norm.weight": "model-00001-of-00002.safetensors"}),
    ],
    "two shards": [sharded(twice=True)],
    "lfs": [
        write(WEIGHTS, LFS), write(TOKENS, LFS), write(CONFIG, LFS), both(without(WEIGHTS), write(f"{WEIGHTS}.index.json", LFS)),
    ],
    "web page": [write(WEIGHTS, "<!DOCTYPE html><html>"), write(TOKENS, "<html>404</html>"), write(CONFIG, "\n<!doctype html>")],
    "cut": [cut(0.5), cut(0.99), cut(0.0), cut(0.001), write(WEIGHTS, b"\x01\x02")],
    "damaged": [
        write(WEIGHTS, b"PK\x03\x04" + bytes(range(200))),
        longer(WEIGHTS),
    ],
    "remote code": [lambda folder: says(folder, model_type="myown", auto_map={"AutoModelForCausalLM": "modeling_my.My"})],
    "unknown kind": [lambda folder: says(folder, model_type="llama9"), lambda folder: says(folder, model_type="LLAMA")],
    "encoder-decoder": [
        kind(transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)),
        kind(transformers.BartConfig(d_model=8, encoder_layers=1, decoder_layers=1)),
        kind(transformers.MarianConfig(d_model=8, encoder_layers=1, decoder_layers=1)),
        kind(transformers.PegasusConfig(d_model=8)), kind(transformers.WhisperConfig(d_model=8)),
    ],
    "masked": [
        kind(transformers.BertConfig(**SMALL)), kind(transformers.RobertaConfig(**SMALL)),
        kind(transformers.DistilBertConfig()), kind(transformers.ModernBertConfig()), kind(transformers.ElectraConfig()),
    ],
    "no language model": [
        kind(transformers.ViTConfig(**SMALL)), kind(transformers.CLIPConfig()), kind(transformers.Wav2Vec2Config()),
    ],
    "pictures": [
        kind(transformers.Gemma3Config(text_config=SMALL, vision_config=VISION)),
        kind(transformers.LlavaConfig(text_config={"model_type": "llama"}, vision_config={"model_type": "clip_vision_model"})),
        kind(transformers.Qwen2VLConfig()), kind(transformers.Idefics3Config()),
    ],
    "layout": [
        saved(transformers.MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=1024, state_size=4)),
        saved(transformers.BloomConfig(hidden_size=8, n_layer=1, n_head=2, vocab_size=1024)),
    ],
    "quantised": [
        *[lambda folder, words=words: says(folder, quantization_config=words) for words in (
            Q4, {"quant_method": "bitsandbytes", "load_in_8bit": True}, {"quant_method": "gptq", "bits": 4},
            {"quant_method": "awq", "bits": 4}, {"quant_method": "compressed-tensors"}, {"quant_method": "fp8"},
            {"quant_method": "hqq"}, {"quant_method": "aqlm"}, {"quant_method": "torchao"}, {"bits": 3},
        )],
        change("model.layers.0.mlp.up_proj.weight", lambda weight: weight.to(torch.int8)),
        change("model.layers.1.mlp.up_proj.weight", lambda weight: weight.to(torch.float8_e4m3fn)),
    ],
    "renamed tensors": [renaming(lambda name, prefix=prefix: prefix + name) for prefix in ("_orig_mod.", "module.", "wrap.")],
    "missing tensors": [
        renaming(lambda name: None if name == "model.norm.weight" else name),
        renaming(lambda name: name.replace("lm_head", "score")),
        lambda folder: says(folder, num_hidden_layers=4), lambda folder: says(folder, attention_bias=True),
    ],
    "resized vocabulary": [lambda folder: says(folder, vocab_size=1027), lambda folder: says(folder, vocab_size=1000)],
    "other shapes": [lambda folder: says(folder, intermediate_size=40), lambda folder: says(folder, num_key_value_heads=4)],
    "not finite": [
        change(name, lambda weight, value=value: weight.index_fill(0, torch.tensor([0]), value))
        for name in ("model.norm.weight", "lm_head.weight") for value in (float("nan"), float("inf"), float("-inf"))
    ],
    "long text": [lambda folder, limit=limit: says(folder, max_position_embeddings=limit) for limit in (4, 40)],
    "no tokenizer": [without(TOKENS), without(TOKENS, "tokenizer_config.json")],
    "broken tokenizer": [
        write(TOKENS, ""), write(TOKENS, "{}"), write(TOKENS, "[]"), write(TOKENS, '{"added_tokens": []}'),
        write(TOKENS, '{"added_tokens": [], "model": {"type": "Odd", "vocab": {}}}'), write("tokenizer_config.json", "{"),
        write("tokenizer_config.json", '{"tokenizer_class": 5}'), write("special_tokens_map.json", "{"),
        write("added_tokens.json", "["), write("chat_template.jinja", b"\xff\xfe"),
        shorter(TOKENS, 1000),
    ],
    "large tokenizer": [lambda folder: grown(folder, 1), lambda folder: grown(folder, 7)],
    "several templates": [template({"rag": "a", "tool_use": "b"}), template({"x": "a"})],
    "broken template": [
        template(text) for text in ("{% for m in messages %}", "{{ messages[0]", "{% endif %}", "{{ x | nofilter }}")
    ],
    "failing template": [
        template("{{ messages[0]['content'] + 1 }}"), template("{{ 1 / 0 }}"), template("{{ nothing.at.all }}"),
        template("{{ messages[7].content.upper() }}"), template("{{ messages[0]['content'].nothing() }}"),
    ],
}  # fmt: skip
