"""Every way out of a patch, written, read back and compared with it. make bench-export

For each format and each type the model runs in: bytes of the files, the largest difference of a logit between the export
and the patch, what that is compared with, and seconds to write and to check. The patch is Model Surgery against rude talk
on the bundled model; `two` is the sum of it and a random one of the same size, so that every matrix has two terms; `dense`
is random numbers in a whole matrix, approximated by rank 8. Control vectors are made from a probe of the residual stream.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from _common import finish, note, table

from suture.export import checkpoint, gguf_control, gguf_lora, lora
from suture.export.check import PROMPTS
from suture.locate.probe import fit_probe
from suture.methods.surgery import surgery
from suture.model.lm import LM
from suture.organisms.suites import behaviour, suite
from suture.patch.delta import Dense
from suture.patch.patch import Patch

DTYPES = ("float32", "bfloat16", "float16")
RANK = 8


def patches(lm) -> dict[str, Patch]:
    one = surgery(lm, behaviour("tone"), space="mlp.in", rows=0.05, strength=2.0)
    name = next(iter(one.terms))
    noise = torch.randn(tuple(lm.tensor(name).shape), generator=torch.Generator().manual_seed(0))
    dense = Patch.make(lm, {name: Dense(0.02 * noise)}, method="random", settings={})
    return {"surgery": one, "two": one + one.randomised(lm), "dense": dense}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--prompts", type=int, default=8, help="prompts of the rude talk measure, beside the built-in ones"
    )
    args = parser.parse_args()
    rude = next(measure for measure in suite("report", args.prompts) if measure.name == "rude")
    prompts = [*PROMPTS, *rude.cases.prompts]
    result: dict[str, dict] = {}
    with TemporaryDirectory() as place:
        for dtype in DTYPES:
            lm = LM.load("patient", dtype=dtype)
            made = patches(lm)
            probe = fit_probe(lm, behaviour("tone"), space="residual")
            result.setdefault("patch file", {})["bytes"] = made["surgery"].save(Path(place) / "p").stat().st_size
            ways = {
                "lora": partial(lora.export, lm, made["surgery"]),
                "lora, two terms": partial(lora.export, lm, made["two"]),
                f"lora, dense at rank {RANK}": partial(lora.export, lm, made["dense"], rank=RANK),
                "gguf-lora": partial(gguf_lora.export, lm, made["surgery"]),
                "gguf-control": partial(gguf_control.export, lm, probe, strength=2.0),
                "checkpoint": partial(checkpoint.export, lm, made["surgery"]),
            }
            if dtype == "float16":
                del ways["checkpoint"]  # it does not hold the stored bf16, and says so
            for label, write in ways.items():
                began = time.perf_counter()
                written = write(Path(place) / f"{dtype} {label}")
                middle = time.perf_counter()
                seen = written.check(prompts)
                result[f"{label}, {dtype}"] = {
                    "bytes": written.size,
                    "difference": seen.difference,
                    "effect": seen.effect,
                    "logit": seen.logit,
                    "kept": min(written.kept.values(), default=1.0),
                    "passed": seen.passed if written.exact else None,
                    "seconds": [round(middle - began, 3), round(time.perf_counter() - middle, 3)],
                }
                note(f"{label}, {dtype}: {seen.difference:.2g}")
    rows = [
        [
            label,
            f"{r['bytes'] / 1000:,.1f}",
            f"{r['difference']:.2g}",
            f"{r['effect']:.3g}",
            f"{r['logit']:.3g}",
            f"{r['kept']:.1%}",
            f"{r['seconds'][0]:.2f} + {r['seconds'][1]:.2f}",
        ]
        for label, r in result.items()
        if "difference" in r
    ]
    columns = ["format, type", "kB", "largest difference", "effect", "largest logit", "kept", "s, write + check"]
    table(
        f"logits on {len(prompts)} prompts; the patch itself has {result['patch file']['bytes']:,} bytes", columns, rows
    )
    finish(result)


if __name__ == "__main__":
    main()
