"""What a model says to prompts before and after a patch, greedily, and whether that is the answer: for every verdict on facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model.lm import LM
    from ..patch.patch import Patch
    from ._console import Console

ROOM = 24  # tokens that are shown at least


def said(lm: LM, patch: Patch, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return for each prompt with its target the texts before and after, and whether the one after begins with the target.

    As `metrics.completion` decides it for `suture eval`: the prompt as it is, continued greedily.
    """
    from ..metrics.completion import complete
    from ..text.letters import begins_with

    prompts, targets = [prompt for prompt, _ in pairs], [target for _, target in pairs]
    before = complete(lm, prompts, targets, least=ROOM)
    with patch.used(lm):
        after = complete(lm, prompts, targets, least=ROOM)
    return [
        {
            "prompt": prompt,
            "target": target,
            "before": old.strip(),
            "after": new.strip(),
            "right": begins_with(new, target),
        }
        for (prompt, target), (old,), (new,) in zip(pairs, before, after, strict=True)
    ]


def advice(method: str, function: Callable[..., Any], lm: LM) -> str:
    """Return what may help when a fact is not said: settings that the method has, for blocks that the model has."""
    import inspect

    parameters = inspect.signature(function).parameters
    words = []
    if "layer" in parameters:
        tells = "; suture locate causal_trace tells which matter" if method != "grace" else ""
        words.append(f"Try another block (--set layer=N, 0 to {lm.anatomy.layers - 1}{tells})")
    if "token" in parameters:
        words.append("another token (--set token=-2, or 0 for those that say the target)")
    if "steps" in parameters:
        words.append("more steps (--set steps=N)")
    if method != "grace":
        words.append("--method grace, which serves facts beside the weights")
    sentence = ", ".join(words[:-1]) + " or " * (len(words) > 1) + words[-1] if words else "Try another method"
    return (sentence if sentence.startswith("Try") else f"Try {sentence}") + "."


def print_said(console: Console, texts: Sequence[dict[str, Any]]) -> None:
    """Print prompts with what is said before and after, each marked right (+) or wrong (-) where that was judged."""
    for text in texts:
        sign = {True: "+ ", False: "- ", None: ""}[text.get("right")]
        console.say()
        console.say(f"  {sign}{text['prompt']}", "bold")
        for when in ("before", "after"):
            console.say(f"    {when:7} {' '.join(text[when].split())}")
    console.say()
