"""Hostile patches and checkpoints: never a crash, a hang, a silent application, or a file opened outside.

    python benchmarks/fuzz.py --mutations 10000

  mutated    patch files with bytes, lengths, header values and metadata changed; half of them with a digest made to fit
  flipped    every bit of a reference patch flipped
  names      shard names and tensor names that lead elsewhere
  pickles    files with pickled code under the names that loaders look for
  code       remote-code keys in config.json

Each case is loaded and, if it loads, tried on a checkpoint (dry run). Allowed: a SutureError, or a patch that fits and says
what it changes. An audit hook counts files opened outside the work folder, imports and processes started meanwhile.
"""

import argparse
import json
import pickle
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

import torch
from _common import finish, note, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from checkpoint_parts import CONFIG, QUICK, digests, patch_of, weights, write_checkpoint
from suture.checkpoint.format.folder import Checkpoint
from suture.checkpoint.verbs import apply
from suture.errors import SutureError
from suture.io import tensorfile
from suture.patch.patch import Patch

HANG, MEMORY = 2.0, 512  # seconds, megabytes
WATCHED = (
    "open",
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "import",
    "socket.connect",
    "pickle.find_class",
)


class Watch:
    """Counts what happens outside a folder while it is on."""

    def __init__(self, inside: Path) -> None:
        self.inside, self.on, self.seen = str(inside), False, []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on or event not in WATCHED:
            return
        if event == "open":
            path = arguments[0]
            if isinstance(path, int) or str(path).startswith(self.inside):
                return
        if event == "import" and str(arguments[0]).split(".")[0] in ("suture", "torch", "numpy", "json", "encodings"):
            return
        self.seen.append((event, str(arguments[0])))


class Count:
    """How the cases ended."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.refused, self.applied, self.crashes, self.slowest, self.cases = watch, 0, 0, [], 0.0, 0

    def case(self, label: str, run) -> None:
        self.cases += 1
        began = time.monotonic()
        self.watch.on = True
        try:
            run()
            self.applied += 1
        except SutureError:
            self.refused += 1
        except BaseException as problem:
            self.crashes.append(f"{label}: {type(problem).__name__}: {problem}"[:200])
        finally:
            self.watch.on = False
        self.slowest = max(self.slowest, time.monotonic() - began)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a patch file somewhere; half of the time so that its digest fits again."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    if rng.random() < 0.35:
        raw = bytearray(content)
        for _ in range(rng.choice((1, 2, 8, 64))):
            match rng.randrange(4):
                case 0:
                    raw[rng.randrange(len(raw))] = rng.randrange(256)
                case 1:
                    del raw[rng.randrange(len(raw)) :][: rng.randrange(1, 20)]
                case 2:
                    place = rng.randrange(len(raw))
                    raw[place:place] = rng.randbytes(rng.randrange(1, 9))
                case 3:
                    raw[:8] = struct.pack(
                        "<Q", rng.choice((0, 1, 2**32, 2**63, 2**64 - 1, len(raw), rng.randrange(len(raw))))
                    )
            if not raw:
                break
        return bytes(raw)
    entry = header[rng.choice([name for name in header if name != "__metadata__"])]
    metadata = header["__metadata__"]
    odd = [-1, 0, 1, 2**31, 2**62, 2**63, 1e300, float("nan"), None, "x", [], {}, True, [[]], "../../etc/passwd"]
    match rng.randrange(6):
        case 0:
            entry["shape"] = [rng.choice([*odd, 3, 5]) for _ in range(rng.randrange(5))]
        case 1:
            entry["dtype"] = rng.choice(["F64", "F16", "BF16", "I64", "I8", "F8_E4M3", "", None, 3])
        case 2:
            entry["data_offsets"] = [rng.choice(odd), rng.choice(odd)]
        case 3:
            for _ in range(rng.randrange(1, 9)):
                if data:
                    data[rng.randrange(len(data))] = rng.randrange(256)
        case _:
            key = rng.choice(["terms", "before", "after", "provenance", "terms", "before"])
            metadata[key] = json.dumps(bent(json.loads(metadata[key]), rng, odd))
    return fitted(header, bytes(data))


def bent(value, rng: random.Random, odd: list):
    """Replace, rename or drop something in a JSON value."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(4):
            case 0:
                value.pop(key)
            case 1:
                value[rng.choice(["|", "", "../x", "a|0", "\0", "b.weight", "b.weight|0", "w" * 5000])] = value.pop(key)
            case _:
                value[key] = bent(value[key], rng, odd)
        return value
    if isinstance(value, list) and value and rng.random() < 0.9:
        value[rng.randrange(len(value))] = rng.choice(odd)
        return value
    return rng.choice([*odd, "lowrank", "dense", "entries", "shift", "0" * 64])


def fitted(header: dict, data: bytes) -> bytes:
    """Write a header with the digest that its content would have, where that can be said at all."""
    metadata = header["__metadata__"]
    metadata.pop("digest", None)
    try:
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                piece = bytearray(data[begin:end])
                tensors[name] = torch.frombuffer(piece, dtype=tensorfile.DTYPES[entry["dtype"]]).reshape(entry["shape"])
        metadata["digest"] = tensorfile._digest(tensors, metadata)
    except Exception:
        metadata["digest"] = "0" * 64
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def hostile_names(rng: random.Random) -> list[str]:
    fixed = [
        *("../x", "/etc/passwd", "..", ".", "", "~/x", "a/../../x", "\0", "con", "x\n", "%2e%2e/x", "\\\\host\\x"),
        *("file:///etc/passwd", "{{7*7}}", "${HOME}", "$(id)", "`id`", "|id", ";id", "\u202ex", "x" * 5000),
    ]
    steps = ["..", ".", "", "etc", "~", "x", "\0", "proc", "self"]
    made = ["/".join(rng.choice(steps) for _ in range(rng.randrange(2, 9))) for _ in range(200)]
    return [name + suffix for name in [*fixed, *made] for suffix in ("", ".safetensors")][:300]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flips", type=int, default=0, help="at most so many flipped bits (0: every bit)")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        base = write_checkpoint(work / "base", weights())
        patch = patch_of(weights())
        content = patch.save(work / "reference").read_bytes()
        apply(base, [work / "reference"], work / "warm", disk=QUICK)  # everything lazy is imported now
        before = digests(base)
        watch = Watch(work)
        counts = {name: Count(watch) for name in ("mutated", "flipped", "names", "pickles", "code")}
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        target = work / "case"

        def tried() -> None:
            Patch.load(target)
            apply(base, [target], work / "out", dry_run=True)

        for number in range(given.mutations):
            target.write_bytes(mutated(content, rng))
            counts["mutated"].case(f"mutation {number}", tried)
        note(f"mutated: {counts['mutated'].refused} refused, {counts['mutated'].applied} fit")
        places = range(8 * len(content))
        for place in places if not given.flips else sorted(rng.sample(places, min(given.flips, len(places)))):
            byte, bit = divmod(place, 8)
            target.write_bytes(content[:byte] + bytes([content[byte] ^ 1 << bit]) + content[byte + 1 :])
            counts["flipped"].case(f"bit {bit} of byte {byte}", tried)
        for number, name in enumerate(hostile_names(rng)):
            bad = write_checkpoint(work / f"bad{number}", weights())
            index = json.loads((bad / "model.safetensors.index.json").read_text())
            index["weight_map"]["a.weight"] = name
            (bad / "model.safetensors.index.json").write_text(json.dumps(index))
            counts["names"].case(repr(name)[:60], lambda bad=bad: Checkpoint.open(bad))
            shutil.rmtree(bad)
        for name in ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "model.safetensors", "suture.json",
                     "config.json", "model.safetensors.index.json", "suture.intent"):  # fmt: skip
            bad = write_checkpoint(work / "bad", weights(), 1)
            if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")):
                (bad / "model.safetensors").unlink()
            (bad / name).write_bytes(pickle.dumps(Evil()))
            counts["pickles"].case(name, lambda bad=bad: apply(bad, [work / "reference"], work / "out", disk=QUICK))
            target.write_bytes(pickle.dumps(Evil()))
            counts["pickles"].case("a patch", tried)
            shutil.rmtree(bad)
        for number, key in enumerate(("auto_map", "custom_pipelines", "trust_remote_code", "_attn_implementation",
                                      "quantization_config",
                                      "model_type", "architectures", "transformers_version", "tokenizer_class", "processor_class",
                                      "feature_extractor_type", "image_processor_type")):  # fmt: skip
            evil = (
                {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil--repo.Model"} if number % 2 else "evil.py"
            )
            bad = write_checkpoint(work / "bad", weights(), 2, {**CONFIG, key: evil})
            (bad / "evil.py").write_text("raise SystemExit('executed')")
            counts["code"].case(key, lambda bad=bad: apply(bad, [work / "reference"], work / "out", disk=QUICK))
            shutil.rmtree(work / "out", ignore_errors=True)
            shutil.rmtree(bad)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1000
        unchanged = digests(base) == before
    rows = [
        [n, str(c.cases), str(c.refused), str(c.applied), str(len(c.crashes)), f"{c.slowest:.3f}"]
        for n, c in counts.items()
    ]
    table("How hostile input ended", ["what", "cases", "refused", "fit", "crashes", "slowest s"], rows)
    crashes = [crash for count in counts.values() for crash in count.crashes]
    for crash in sorted(set(crashes))[:20]:
        note(crash)
    for event in sorted(set(watch.seen))[:20]:
        note(f"seen: {event}")
    wrong = {
        "crashes": len(crashes),
        "outside": len(watch.seen),
        "hangs": sum(c.slowest > HANG for c in counts.values()),
        "too much memory": int(grown > MEMORY),
        "flips that were not found": counts["flipped"].applied,
        "names that were taken": counts["names"].applied,
        "pickles that were taken": counts["pickles"].applied,
        "code keys that changed the result": 12 - counts["code"].applied - counts["code"].refused,
        "base changed": int(not unchanged),
    }
    cases = {name: count.cases for name, count in counts.items()}
    finish({"bad": sum(wrong.values()), "wrong": wrong, "cases": cases, "grown_mb": round(grown, 1)})
    sys.exit(4 if sum(wrong.values()) else 0)


class Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (print, ("executed",))


if __name__ == "__main__":
    main()
