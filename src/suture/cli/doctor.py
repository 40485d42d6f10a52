"""suture doctor: is this machine ready? What is this model like?"""

from __future__ import annotations

from typing import Annotated

import typer

from ._options import Device, Dtype, Json

EXTRAS = {  # of pyproject.toml, each with the package that is looked for
    "eval": "lm_eval", "detoxify": "detoxify", "peft": "peft", "gguf": "gguf", "serve": "starlette",
}  # fmt: skip


def doctor(
    model: Annotated[str | None, typer.Argument(help="A model to look at, instead of the installation.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Check the installation, the memory, the accelerators and the bundled model; exit code 4 when something is broken.

    With MODEL: what that model is like: sizes and memory, special tokens, chat format, how long its states are block by
    block, and its sinks (positions of massive length, which are left out of all that is read).
    """
    if model is None:
        _installation(json)
        return
    from dataclasses import asdict

    from ..model.lm import LM
    from ..model.run.profile import profile
    from ._console import Console
    from ._profile import show_profile

    console = Console(json)
    seen = profile(LM.load(model, device=device, dtype=dtype))
    show_profile(console, seen)
    console.result(asdict(seen))


def _installation(json: bool) -> None:
    """Look at this machine and at what is installed."""
    import importlib.util
    import os
    import platform
    import shutil
    from importlib.metadata import version

    import torch

    from ..errors import VerificationFailed
    from ..model.lm import PATIENT
    from ._console import Console

    console = Console(json)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    there = [name for name, module in EXTRAS.items() if importlib.util.find_spec(module)]
    shards = sorted(PATIENT.glob("*.safetensors"))
    facts = {
        "suture": version("suture"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "cores": f"{os.cpu_count()}, torch uses {torch.get_num_threads()}",
        "memory": f"{memory:.1f} GB",
        "free disk": f"{shutil.disk_usage('.').free / 2**30:.1f} GB here",
        "accelerators": ", ".join(gpus) or "none; everything runs on the CPU",
        "patient": f"{len(shards)} shards, {sum(s.stat().st_size for s in shards) / 1e6:.1f} MB"
        if shards
        else "missing",
        "extras": ", ".join(there) or "none",
        "not installed": ", ".join(f"pip install 'suture[{name}]'" for name in EXTRAS if name not in there) or "none",
    }
    console.table(["what", "found"], [[key, str(value)] for key, value in facts.items()])
    console.result(facts)
    if not shards:
        raise VerificationFailed(
            "the bundled model is missing", why=f"{PATIENT} is empty.", fix="Install suture again."
        )
    console.say("ready: suture demo")
