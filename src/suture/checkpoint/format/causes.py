"""What can be wrong with a model that was given: one table, for all that open one; docs/models.md shows it to users.

    raise fault("pickled", name=folder, file="pytorch_model.bin")
A row says how it is seen, the error's class (and so the exit code), and its three lines; {words} are filled in by who sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import CorruptFile, DataError, SutureError, UnsupportedModel, UsageError

GRID = "A change smaller than the grid of a quantised weight would be lost or distorted."
FINER = "Use the unquantised checkpoint; with a patch on it, quantise that again."
AGAIN = "Fetch the checkpoint again."
CONVERT = (
    "Convert it where you trust it: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) in transformers."
)
SAVED = "Save it again in transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)."
SOURCE = 'Check the name and the network, or use a local folder or "patient".'
DECODERS = "Use a model that writes on from a text, such as Llama, Qwen, Gemma or GPT-2."
FOLDER = "Give the folder that save_pretrained wrote."
TOKENIZER = "Put the tokenizer's files of this model beside its weights: tokenizer.json and tokenizer_config.json."

PLAIN = "%s has no chat template: of a conversation it reads the texts alone, a line each"  # a note, no error
WRAPPERS = {"_orig_mod.": "torch.compile", "module.": "DistributedDataParallel", "base_model.model.": "PEFT"}


class Cause(NamedTuple):
    """One thing that can be wrong.

    Attributes:
        seen: how it is seen, for the page.
        kind: of error; its exit code is the command's.
        what: went wrong, with {words} to be filled in.
        why: the cause, likewise.
        fix: the next step, likewise.
    """

    seen: str
    kind: type[SutureError]
    what: str
    why: str
    fix: str


CAUSES = {
    # what was given for a model
    "a file": Cause("a file of weights in place of a folder", UsageError,
        "{name} is a file, not the folder of a model",
        "It is a file. A model is a folder, with config.json and a tokenizer beside its weights.",
        f"{FOLDER[:-1]}; perhaps the one it lies in: {{folder}}"),
    "gguf": Cause("a GGUF file, or a folder with no other weights", UnsupportedModel,
        "{name} is a model as GGUF",
        "{file}: made for llama.cpp, with other names of tensors, mostly quantised, and without the tokenizer's files.",
        "Make a folder of it: suture get PATH.gguf -o FOLDER. Or use the model that it was made from, in safetensors. "
        "A patch of either can be exported for llama.cpp: `export.gguf_lora`"),
    "patch": Cause("a patch or probe of suture in place of a model", UsageError,
        "{name} is a {kind} of suture, not a model", "suture made it for a model.",
        "Give the model that it was made for: suture show {name}"),
    "adapter": Cause("`adapter_config.json` without weights of a model", UsageError,
        "{name} is an adapter of {base}, not a model",
        "Loaders follow its adapter_config.json, and take the base from elsewhere.",
        "Give the base as the model, and this as a patch of it: suture eval BASE --patch {name}"),
    "adapter beside": Cause("`adapter_config.json` beside weights of a model", UsageError,
        "{name} holds an adapter of {base}",
        "Loaders follow its adapter_config.json, and put the adapter on what is here, or on what lies elsewhere.",
        "Give the base, or a merged model: in peft, merge_and_unload() and save_pretrained(NEW). "
        "If its own weights are meant: take adapter_config.json away."),
    # its files
    "no config": Cause("a folder without `config.json`", UsageError,
        "{name} is not a model", "It has no config.json.", FOLDER),
    "broken config": Cause("`config.json` is no JSON, or values in it can not be", CorruptFile,
        "can not load {name}: can not read the config of it", "{why}", "Fetch config.json again, or correct it."),
    "broken generation": Cause("`generation_config.json` is no JSON object", CorruptFile,
        "can not load {name}: can not read generation_config.json of it", "{why} It says where an answer ends.",
        "Fetch it again or correct it; without that file, config.json says where an answer ends."),
    "no weights": Cause("no safetensors, and no other weights either", UsageError,
        "{name} is not a checkpoint", "It has neither {single} nor {index}.", FOLDER),
    "pickled": Cause("weights as pickles (`.bin`, `.pt`)", UnsupportedModel,
        "{name} holds its weights as pickles", "{file}: loading one can run any code.", CONVERT),
    "two sets": Cause("one file of weights, and an index of others", CorruptFile,
        "{name} has both {single} and {index}", "Which of them a loader takes depends on the loader.",
        "Remove the one that is not meant."),
    "missing shard": Cause("the index names files that are not there", CorruptFile,
        "{missing} of the {total} files of weights of {name} are not there", "First {file}.",
        "Fetch the rest of them; for a model of the Hub: hf download NAME --local-dir FOLDER"),
    "index": Cause("the index lists what its files do not hold", CorruptFile,
        "the index of {name} and its shards disagree", "First at {tensor!r}, which is not in {file}.",
        f"{AGAIN} If it is so at its source: {SAVED}"),
    "two shards": Cause("a tensor that stands in two files", CorruptFile,
        "{tensor} stands in two shards of {name}", "Which of them a loader takes depends on the loader.", SAVED),
    "lfs": Cause("a pointer of git-lfs in place of a file", CorruptFile,
        "{file} is a pointer of git-lfs, not the file itself", "The repository was cloned without its large files.",
        "Fetch them; in {folder}: git lfs pull"),
    "web page": Cause("a page of the web in place of a file", CorruptFile,
        "{file} is a page of the web, not the file itself", "Whatever fetched it was given a page that says why it may not.",
        "Fetch it again, logged in if the model asks for it: hf auth login"),
    "cut": Cause("a file of weights that ends too early", CorruptFile,
        "{file} is not a whole safetensors file", "{why} It was cut short: a fetch or a copy that was stopped.", AGAIN),
    "damaged": Cause("a file of weights that does not fit together", CorruptFile,
        "{file} is not a whole safetensors file", "{why}", AGAIN),
    # what kind of model it is
    "remote code": Cause("a model that brings its own code", UnsupportedModel,
        "{name} needs code of its own",
        "config.json names it (auto_map), and transformers does not know {kind}. suture runs no code that comes with a model.",
        "Use a model that transformers knows, or a newer transformers, if it knows this one: pip install -U transformers"),
    "unknown kind": Cause("a model_type that transformers does not know", UnsupportedModel,
        "{name} is of a kind that is not known", "transformers {version} does not know the model_type {kind!r} of config.json.",
        "pip install -U transformers, if a newer one knows it; else use a model of another kind."),
    "encoder-decoder": Cause("an encoder and a decoder (T5, BART)", UnsupportedModel,
        "{name} is no decoder-only language model", "config.json says {architecture}, an encoder and a decoder.", DECODERS),
    "masked": Cause("a model that fills gaps (BERT)", UnsupportedModel,
        "{name} is no decoder-only language model",
        "config.json says {architecture}. It fills gaps in a text, and reads it in both directions.", DECODERS),
    "no language model": Cause("any other model that writes no text", UnsupportedModel,
        "{name} is no decoder-only language model", "config.json says {architecture}.", DECODERS),
    "pictures": Cause("a language model that also reads pictures or sound (Gemma 3 from 4B on, Llava)", UnsupportedModel,
        "{name} is a language model inside a larger one",
        "config.json says {architecture}, which also reads {reads}.",
        "Use a model that reads text alone{or_text}."),
    "layout": Cause("a decoder whose parts suture does not know", UnsupportedModel,
        "the parts of {kind} are not known", "None of the layouts fits its module graph.",
        "Known layouts: {known}. Add one to suture/model/arch/layouts.py."),
    "quantised": Cause("weights on a grid: bitsandbytes, GPTQ, AWQ, compressed-tensors, fp8 ...", UnsupportedModel,
        "{name} is quantised: {scheme}", GRID, FINER),
    # what its weights are
    "renamed tensors": Cause("names with something before them (`_orig_mod.` of torch.compile)", CorruptFile,
        "{missing} of the {total} tensors of {name} are not in its files",
        "First {first}. The files have them with {prefix!r} before their names{by}.",
        "Take {prefix!r} off the names in the files, or save the model again from inside its wrapper."),
    "missing tensors": Cause("tensors of the model that its files do not hold", CorruptFile,
        "{missing} of the {total} tensors of {name} are not in its files", "First {first}. {others}",
        "Fetch or save the checkpoint again, with the config.json that belongs to it."),
    "resized vocabulary": Cause("embeddings with more or fewer rows than `config.json` says", CorruptFile,
        "{unfit} of the {total} tensors of {name} have another shape in its files",
        "{tensor} is {stored} there, and {wanted} by config.json. The vocabulary was resized.",
        'Set "vocab_size": {rows} in config.json.'),
    "other shapes": Cause("tensors of another shape than `config.json` says", CorruptFile,
        "{unfit} of the {total} tensors of {name} have another shape in its files",
        "{tensor} is {stored} there, and {wanted} by config.json.", "Use the config.json of these weights."),
    "not finite": Cause("weights that are NaN or infinite", CorruptFile,
        "{broken} of the {total} tensors of {name} hold what is no finite number",
        "First {tensor}: {entries:,} of {size:,} entries. Everything that the model says would be NaN.",
        "Fetch the checkpoint again; if it was merged or trained so, use the one before that."),
    "long text": Cause("a text with more tokens than the model reads, rotary positions or not", DataError,
        "a text is longer than {name} reads",
        "It has {tokens:,} tokens{followed}, the model reads {limit:,}. It begins {beginning!r}",
        "Shorten or split it, or leave it out. Only perplexity and drift read long texts, window by window."),
    # its tokenizer and its chat template
    "no tokenizer": Cause("no tokenizer beside the weights", UsageError,
        "{name} has no tokenizer", "None of {files} is there.",
        'Save it there, from where the model comes: AutoTokenizer.from_pretrained(SOURCE).save_pretrained("{name}").'),
    "broken tokenizer": Cause("tokenizer files that can not be read", CorruptFile,
        "the tokenizer of {name} can not be read", "{why}", TOKENIZER),
    "large tokenizer": Cause("a tokenizer with more tokens than the model has rows", UsageError,
        "the tokenizer of {name} has {tokens:,} tokens, the model {rows:,} rows",
        "No row for {added}: tokens were added, and the embeddings not resized.",
        "Use the tokenizer of this model, or model.resize_token_embeddings(len(tokenizer)) and save_pretrained."),
    "several templates": Cause("several chat templates, and none called default", UsageError,
        "{name} has several chat templates, and none is called default", "They are called {names}.",
        "Keep the one for plain talk alone: save it as chat_template.jinja beside the weights, and take the others away."),
    "failing template": Cause("a chat template that fails on a conversation", UsageError,
        "the chat template of {name} fails on the conversation", "{why}",
        "Correct it (chat_template.jinja, or chat_template in tokenizer_config.json), or leave out the system text."),
    "broken template": Cause("a chat template that Jinja can not read", UsageError,
        "the chat template of {name} can not be read", "{why}",
        "Correct it (chat_template.jinja, or chat_template in tokenizer_config.json), or fetch it again."),
}  # fmt: skip


def fault(cause: str, **words: object) -> SutureError:
    """Return the error of a row, with its words filled in.

    Args:
        cause: name of the row.
        words: what its lines need.
    """
    row = CAUSES[cause]
    return row.kind(row.what.format(**words), why=row.why.format(**words), fix=row.fix.format(**words))


def renamed(name: object, prefix: str, missing: Sequence[str], total: int) -> SutureError:
    """Return that all tensors of a model have something before their names.

    Args:
        name: of the model.
        prefix: what stands there.
        missing: the names without it.
        total: tensors of the model.
    """
    by = f", as {WRAPPERS[prefix]} names them" if prefix in WRAPPERS else ""
    first = ", ".join(missing[:3])
    return fault("renamed tensors", name=name, missing=len(missing), total=total, first=first, prefix=prefix, by=by)
