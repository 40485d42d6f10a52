"""GGUF files of tiny models, as llama.cpp's converter writes them: its names, its order of rotary rows, its norms of Gemma."""

import json

import gguf
import numpy as np
import torch

from models import tiny_family

FAMILIES = {  # as llama.cpp names them -> as transformers does
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma2": "gemma2", "gemma3": "gemma3_text", "phi3": "phi3",
}  # fmt: skip
HEADS, KEYS, HEAD = 4, 2, 8
SENTENCEPIECE = ("gemma2", "gemma3", "phi3")  # of a tokenizer with scores


def tiny_gguf(path, family, tokenizer, *, kind=gguf.GGMLQuantizationType.F32, leave=(), name="tiny"):
    """Write a tiny random model as a GGUF file and return the model.

    Args:
        path: of the file.
        family: one of FAMILIES, or any other word for a family that nobody knows.
        tokenizer: of the model; Gemma and Phi get one of as many pieces, with scores.
        kind: how matrices are stored.
        leave: tensors that are left out, by their names in the file.
        name: general.name.
    """
    known = FAMILIES.get(family, "llama")
    sizes = {"pad_token_id": 1, "tie_word_embeddings": "gemma" in family}
    if family == "gemma3":
        sizes |= {"layer_types": ["sliding_attention"] * 2, "sliding_window": 16}
    lm = tiny_family(known, tokenizer, **sizes)
    with torch.no_grad():  # so that every norm matters
        for parameter in lm.model.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    writer = gguf.GGUFWriter(path, family)
    _config(writer, family, lm.model.config, name)
    _tokenizer(writer, family, tokenizer)
    arch = {value: key for key, value in gguf.MODEL_ARCH_NAMES.items()}[family if family in FAMILIES else "llama"]
    names = gguf.get_tensor_name_map(arch, 2)
    tied = lm.model.config.tie_word_embeddings
    for called, tensor in lm.model.state_dict().items():
        there = names.get_name(called, try_suffixes=(".weight", ".bias"))
        if there in leave or (tied and called == "lm_head.weight"):
            continue
        assert there is not None, called
        values = tensor.float().numpy()
        if known == "llama" and there.split(".")[-2] in ("attn_q", "attn_k"):
            values = _paired(values, HEADS if "attn_q" in there else KEYS)
        if "gemma" in family and there.endswith("norm.weight"):
            values = values + 1
        whole = values.shape[-1] % 32 == 0 or kind.name == "F16"  # blocks of most types are so long
        if values.ndim > 1 and whole and kind != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(there, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(there, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return lm


def _paired(values, heads):
    """Rows in the order of llama.cpp, which turns neighbours, not halves of a head."""
    return values.reshape(heads, 2, HEAD // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _config(writer, family, config, name):
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base((config.rope_parameters.get("sliding_attention") or config.rope_parameters)["rope_theta"]
                              if family != "gemma3" else 1_000_000.0)  # fmt: skip
    writer.add_vocab_size(config.vocab_size)
    if family.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if family == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _tokenizer(writer, family, tokenizer):
    backend = tokenizer.backend_tokenizer
    pieces = [backend.id_to_token(i) for i in range(len(tokenizer))]
    special = set(tokenizer.all_special_tokens)
    if family in SENTENCEPIECE:
        named = ["<s>", "</s>"] if family == "phi3" else ["<bos>", "<eos>"]
        pieces = [*named, "<pad>", "<unk>", "<mask>", *(f"<0x{i:02X}>" for i in range(256))]
        letters = [f"\u2581{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz"]
        pieces += ["\u2581", *"abcdefghijklmnopqrstuvwxyz", *letters]
        pieces = [*pieces, *(f"<unused{i}>" for i in range(len(tokenizer)))][: len(tokenizer)]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(pieces)
        writer.add_token_scores([-float(i) for i in range(len(pieces))])
        kinds = [3 if i < 3 else 2 if i == 3 else 6 if 5 <= i < 261 else 1 for i in range(len(pieces))]
        writer.add_token_types(kinds)
        writer.add_unk_token_id(3)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("default")
        writer.add_token_list([piece if piece != "<pad>" else "<|endoftext|>" for piece in pieces])
        writer.add_token_types([3 if piece in special else 1 for piece in pieces])
        merges = json.loads(backend.to_str())["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}")
