"""The commands that make the edit of a goal again, without its search, from files of the goal's run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..patch.provenance import Provenance
    from ..runs.run import Run
    from ..search import Settings

Options = dict[str, object]  # of a command, by name; "" for one that takes no value
KEPT = {  # settings that are said again as the method had them
    "dinm": ("seed",),
    "enhance_safety": ("rate", "steps", "batch", "examples", "seed"),
    "natural_gradient": ("pairs", "toward", "seed"),
    "steering": ("toward",),
    "ablation": ("strength",),
    "surgery": ("toward", "seed"),
}


def made_again(
    run: Run, model: str, data: str, provenance: Provenance, chosen: Settings
) -> tuple[list[str], dict[str, Path]]:
    """Return the commands, and the files they read by the name of their option.

    Args:
        run: of the goal.
        model: as it was named.
        data: labelled texts, as an option has them.
        provenance: of the patch.
        chosen: settings and strength that the goal took.
    """
    method, settings = provenance.method, provenance.settings
    files = {name: run.path(file) for name, file in _files(method, chosen).items()}
    options: Options = {} if method in ("dinm", "policy_gradient") else {"data": data}
    options |= files | _options(method, settings)
    words = [
        word
        for name, value in {**options, "out": "again.safetensors"}.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    commands = [shlex.join(["suture", "edit", method, model, *filter(None, words)])]
    if method != "surgery":
        commands.append(f"# and {chosen['strength']:g} times as strong")
    return commands, files


def _files(method: str, chosen: Settings) -> dict[str, str]:
    """Return the files of a run that a method reads, by the name of its option."""
    from ..goals.candidates import CONTINUED, KEEP, POLICY_KEEP, SET_KEEP

    match method:
        case "dinm":
            return {"instances": f"instances-{chosen['instances']}.jsonl"}
        case "enhance_safety":
            return {"mask": "mask.safetensors", "keep": SET_KEEP}
        case "policy_gradient":
            return {"prompts": CONTINUED, "keep": POLICY_KEEP}
        case "natural_gradient":
            return {"keep": KEEP}
        case "steering" | "ablation":
            return {"direction": f"direction-{chosen['pool']}.safetensors"}
    return {"probe": f"probe-{chosen['space']}.safetensors", "region": "region.safetensors"}


def _options(method: str, settings: Mapping[str, Any]) -> Options:
    """Return what else a method is told."""
    if method == "policy_gradient":  # all of it: what texts were written depends on everything
        return {name: "" if value is True else value for name, value in settings.items() if value is not False}
    options: Options = {name: settings[name] for name in KEPT[method]}
    if method == "dinm":
        return {"together": "", **options}
    return {"strength": f"{settings['strength']:g}", **options} if method == "surgery" else options
