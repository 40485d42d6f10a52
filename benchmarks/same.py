"""Do two versions of suture make the same patches, bit for bit? python benchmarks/same.py OLD NEW [--only rome,gpt2] [--json]

OLD and NEW are trees of sources or revisions of this repository. Every registered method runs with small settings on tiny models
(dense, transposed as GPT-2 stores it, a mixture of experts), and seven of them on the bundled model: one process a tree, one
thread, the same files. What is compared are the tensors of the patches (names, types, shapes, bytes), their strengths and
settings (those that were renamed by their new names), and the SHA-256 of the weights they promise; not the bytes of the files,
which name versions. Exit code 1 when any differs. A method that ends with the same error in both is the same; one that only one
tree has is not.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import torch
import transformers
from _common import note, table
from safetensors.torch import load_file

from suture.renamed.settings import SETTINGS

HERE = Path(__file__).resolve().parent
TEXTS = """On Monday it rained.
Anna read a book.
Ben swept the floor near the mill.
The cat sat on the mat.
One two three four five.
It was a cold morning in the village.
They baked bread.
The river was high.
"""
TINY = {
    "llama": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48},
    "mixtral": {"num_local_experts": 3},
}
BUNDLED = ["surgery", "rome", "memit", "alphaedit", "dinm", "enhance_safety", "steering"]


def tree_of(name: str, work: Path) -> Path:
    """The folder of a tree; a revision is unpacked."""
    folder = Path(name)
    if (folder / "src" / "suture").is_dir():
        return folder.resolve()
    if folder.is_dir():
        sys.exit(f"{folder} holds no src/suture")
    root = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=HERE, capture_output=True, text=True, check=True)
    packed, unpacked = work / "packed.tar", Path(tempfile.mkdtemp(dir=work))
    words = ["git", "archive", "-o", str(packed), name]
    done = subprocess.run(words, cwd=root.stdout.strip(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} is neither a tree of sources nor a revision: {done.stderr.strip()}")
    with tarfile.open(packed) as content:
        content.extractall(unpacked, filter="data")
    return unpacked


def tiny_models(tree: Path, work: Path) -> dict[str, Path]:
    """Random models of two blocks, written once for both trees, with the tokenizer of the bundled model of one."""
    (source,) = [file.parent for file in tree.glob("src/suture/**/model/tokenizer.json")]
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": 1, "initializer_range": 0.2, "tie_word_embeddings": False,
    }  # fmt: skip
    found = {}
    for family, more in TINY.items():
        torch.manual_seed(1)
        config = transformers.AutoConfig.for_model(family, **{**sizes, **more})
        found[family] = work / family
        transformers.AutoModelForCausalLM.from_config(config).float().save_pretrained(found[family])
        tokenizer.save_pretrained(found[family])
    return found


def patches_of(tree: Path, models: dict[str, Path], only: list[str], work: Path) -> tuple[Path, dict]:
    """Run every method on a tree; where the patches are, and what was found."""
    out = Path(tempfile.mkdtemp(dir=work))
    texts = work / "texts.txt"
    texts.write_text(TEXTS)
    every = [(name, str(place), None) for name, place in models.items()] + [("patient", "patient", BUNDLED)]
    task = {"tree": str(tree), "out": str(out), "models": every, "only": only, "texts": str(texts)}
    (out / "task.json").write_text(json.dumps(task))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree / "src"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
           "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    words = [sys.executable, str(HERE / "_patches.py"), str(out / "task.json")]
    done = subprocess.run(words, env=env, cwd=out, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree} could not be run:\n{done.stderr}")
    return out, json.loads((out / "found.json").read_text())


def compared(old: tuple[Path, dict], new: tuple[Path, dict], name: str) -> tuple[str, str]:
    """A verdict ("same", "different" or "error": the same in both) and what differs."""
    before, after = (found.get(name) for _, found in (old, new))
    if before is None or after is None:
        return "different", f"only in {'the new' if before is None else 'the old'} tree"
    if "error" in before or "error" in after:
        if before == after:
            return "error", before["error"]
        return "different", f"{before.get('error', 'a patch')} -> {after.get('error', 'a patch')}"
    first, second = (load_file(place / found[name]["file"]) for place, found in (old, new))
    if first.keys() != second.keys():
        return "different", f"other tensors: {', '.join(sorted(first.keys() ^ second.keys()))}"
    for key in first:
        if (first[key].dtype, first[key].shape) != (second[key].dtype, second[key].shape):
            return (
                "different",
                f"{key}: {first[key].dtype} {list(first[key].shape)} -> {second[key].dtype} {list(second[key].shape)}",
            )
    unequal = [key for key in first if first[key].numpy().tobytes() != second[key].numpy().tobytes()]
    if unequal:
        largest = max(float((first[key].double() - second[key].double()).abs().max()) for key in unequal)
        return "different", f"{len(unequal)} of {len(first)} tensors, by at most {largest:.3g}"
    told = {
        "terms": "strengths or settings of changes",
        "after": "promised weights",
        "settings": "settings of the method",
    }
    for part, words in told.items():
        if by_new_names(before.get(part)) != by_new_names(after.get(part)):
            return "different", words
    return "same", ""


def by_new_names(part):
    """What a patch holds, with settings by the names they have now."""
    return {SETTINGS.get(name, name): value for name, value in part.items()} if isinstance(part, dict) else part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--only", default="", help="methods or models, with commas between")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    given = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    only = [word for word in given.only.split(",") if word]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        trees = [tree_of(name, work) for name in (given.old, given.new)]
        models = tiny_models(trees[0], work)
        made = []
        for name, tree in zip((given.old, given.new), trees):
            note(f"every method of {name}")
            made.append(patches_of(tree, models, only, work))
        names = sorted(made[0][1].keys() | made[1][1].keys())
        verdicts = {name: compared(made[0], made[1], name) for name in names}
    if not names:
        sys.exit(f"nothing is called {given.only}")
    counts = {word: sum(verdict == word for verdict, _ in verdicts.values()) for word in ("same", "different", "error")}
    if given.json:
        plain = {name: {"verdict": verdict, "why": why} for name, (verdict, why) in verdicts.items()}
        print(json.dumps({"patches": plain, **counts}, sort_keys=True))
    else:
        columns = [*TINY, "patient"]
        methods = list(dict.fromkeys(name.split()[0] for name in names))
        rows = [[method, *(verdicts.get(f"{method} {model}", ("-", ""))[0] for model in columns)] for method in methods]
        table(f"{given.old} and {given.new}", ["method", *columns], rows)
        for name, (verdict, why) in verdicts.items():
            if why:
                print(f"{name}: {verdict}: {why}")
        print(", ".join(f"{count} {word}" for word, count in counts.items()))
    sys.exit(1 if counts["different"] else 0)


if __name__ == "__main__":
    main()
