"""Checkpoints of any size with the shapes of known models, and patches for them, without a model."""

import json
import os
import struct
from pathlib import Path

import torch

from suture.checkpoint.change.rows import Rows
from suture.checkpoint.format.folder import Checkpoint
from suture.patch.delta import LowRank
from suture.patch.patch import Patch
from suture.patch.provenance import Provenance, Stamp

SHARE = 0.0465  # of the rows of a gate
SHARD = 4_500_000_000  # bytes, as save_pretrained does
LLAMA_8B = {"hidden": 4096, "inner": 14336, "heads": 1024, "layers": 32, "vocab": 128256}
LLAMA_70B = {"hidden": 8192, "inner": 28672, "heads": 1024, "layers": 80, "vocab": 128256}


def shapes(size: dict, layers: int, vocab: bool) -> dict[str, tuple[int, ...]]:
    found, hidden = {}, size["hidden"]
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for part, out in {"q": hidden, "k": size["heads"], "v": size["heads"], "o": hidden}.items():
            found[f"{prefix}self_attn.{part}_proj.weight"] = (out, hidden)
        found[prefix + "mlp.gate_proj.weight"] = found[prefix + "mlp.up_proj.weight"] = (size["inner"], hidden)
        found[prefix + "mlp.down_proj.weight"] = (hidden, size["inner"])
        found[prefix + "input_layernorm.weight"] = found[prefix + "post_attention_layernorm.weight"] = (hidden,)
    if vocab:
        found["model.embed_tokens.weight"] = found["lm_head.weight"] = (size["vocab"], hidden)
    return found


def make(folder: Path, tensors: dict[str, tuple[int, ...]], *, sparse: bool) -> Path:
    """Write a checkpoint of these shapes: random numbers, or holes."""
    folder.mkdir()
    groups: list[list[str]] = [[]]
    filled = 0
    for name, shape in tensors.items():
        size = 2 * torch.Size(shape).numel()
        if filled + size > SHARD and groups[-1]:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    block = (torch.randint(0, 2**15, (1 << 25,), dtype=torch.int16) % 0x0800 + 0x3C00).numpy().tobytes()  # +0.008 .. +2
    where = {}
    for number, names in enumerate(groups, 1):
        file = folder / f"model-{number:05}-of-{len(groups):05}.safetensors"
        header, position = {"__metadata__": {"format": "pt"}}, 0
        for name in names:
            end = position + 2 * torch.Size(tensors[name]).numel()
            header[name] = {"dtype": "BF16", "shape": list(tensors[name]), "data_offsets": [position, end]}
            where[name], position = file.name, end
        text = json.dumps(header).encode()
        with file.open("wb") as stream:
            stream.write(struct.pack("<Q", len(text)) + text)
            if sparse:
                stream.truncate(8 + len(text) + position)
            else:
                for begin in range(0, position, len(block)):
                    stream.write(memoryview(block)[: min(len(block), position - begin)])
            stream.flush()
            os.fsync(stream.fileno())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (folder / "config.json").write_text(json.dumps({"tie_word_embeddings": False}))
    return folder


def patch_for(folder: Path, path: Path, layers: range) -> Path:
    """A patch of 4.65 % of the rows of the gates of some blocks."""
    g = torch.Generator().manual_seed(0)
    checkpoint, terms, before = Checkpoint.open(folder), {}, {}
    for layer in layers:
        slot = checkpoint.slots[f"model.layers.{layer}.mlp.gate_proj.weight"]
        rows = torch.randperm(slot.shape[0], generator=g)[: round(SHARE * slot.shape[0])].sort().values
        terms[slot.name] = (LowRank(torch.ones(len(rows), 1), 0.05 * torch.randn(1, slot.shape[1], generator=g), rows),)
        there = Rows(slot, slot.shape)
        before[slot.name] = Stamp(slot.shape, slot.dtype, there.sha256(), there.sha256_of(rows))
    return Patch(terms, before, Provenance("bench")).save(path)
