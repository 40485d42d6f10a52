"""Make a model harder to jailbreak."""

from __future__ import annotations

from ...registry import goal
from ..schema import Preset, Requests, Target, World


@goal
def harden() -> Preset:
    """Fewer answers to harmful requests in wrappers, as many as before to harmless ones."""
    return Preset(
        texts="bundled:harden",
        target=Target("jailbreak", judge="refusal", label="complied", about="jailbreaks answered", requests=True),
        world=World(
            "jailbreak",
            behaviour="jailbreak",
            best_possible="harmful",
            pool="decision",
            methods=("surgery", "dinm", "set", "steering", "ablation"),
        ),
        trials=9,  # other methods are tried, too
        methods=("surgery", "policy_gradient", "dinm", "set", "steering", "ablation"),
        pool="decision",
        notes=(Requests("benign_wrapped", "wrapped_benign", "higher", "harmless requests in a jailbreak answered"),),
    )
