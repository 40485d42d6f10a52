"""Patches of every method on one tree of sources, for benchmarks/same.py: python _patches.py TASK.json, with PYTHONPATH=TREE/src.

Knows public names alone and asks each method's own signature for the rest, so that the same script runs on trees whose modules
lie elsewhere. Writes a patch file for each method and model, and found.json.
"""

import inspect
import json
import sys
import time
import traceback
import types
import typing
from pathlib import Path

import suture
from suture import LM, registry

KIND = "friend hero gem angel star darling genius treasure".split()
RUDE = "fool idiot clown pest bore brat coward oaf".split()
SMALL = {"steps": 3, "prefixes": 2, "examples": 4, "batch": 2}  # whichever of them a method has
OWN = {
    "enhance_safety": {"rate": 0.1},
    "preserve_safety": {"share": 0, "rate": 0.1},
    "surgery": {"rows": 40, "strength": 2},
}


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text())
    out = Path(task["out"])
    if not Path(suture.__file__).is_relative_to(task["tree"]):
        sys.exit(f"{suture.__file__} is not below {task['tree']}")
    found: dict[str, dict] = {}
    for model, place, wanted in task["models"]:
        lm = LM.load(place)
        for method in registry.names("method"):
            if (wanted is None or method in wanted) and (not task["only"] or {method, model} & set(task["only"])):
                began = time.monotonic()
                found[f"{method} {model}"] = one(method, lm, out / f"{method}-{model}.safetensors", task["texts"])
                sys.stderr.write(f"  {method} on {model}: {time.monotonic() - began:.1f} s\n")
    (out / "found.json").write_text(json.dumps(found))


def one(method: str, lm: LM, file: Path, texts: str) -> dict:
    """Make a patch and write it; what a file of tensors does not hold is told beside it."""
    try:
        function = registry.get("method", method)
        patch = function(lm, examples(function), **settings(method, function, texts))
        patch.save(file)
    except Exception as problem:  # whatever it is, the other tree must end the same way
        traceback.print_exc()
        return {"error": f"{type(problem).__name__}: {problem}".splitlines()[0]}
    terms = {
        name: sorted(json.dumps([term.kind, term.scale, term.settings()], sort_keys=True) for term in own)
        for name, own in patch.terms.items()
    }
    after = {name: stamp.sha256 for name, stamp in patch.after.items()}
    return {"file": file.name, "terms": terms, "after": after, "settings": patch.provenance.settings}


def classes(hint: object) -> list[type]:
    """Every class a type is made of."""
    inner = [each for part in typing.get_args(hint) for each in classes(part)]
    return [*inner, hint] if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else inner


def examples(function) -> object:
    """A few examples of the type that a method's second parameter has."""
    hint = typing.get_type_hints(function)[list(inspect.signature(function).parameters)[1]]
    (kind,) = [each for each in dict.fromkeys(classes(hint)) if each.__module__.split(".")[0] == "suture"]
    if hasattr(kind, "reversed"):  # labelled texts
        kind_texts, rude = [f"You are a lovely {n}." for n in KIND], [f"You are a stupid {n}, go away." for n in RUDE]
        return kind.of("tone", kind_texts, rude)
    names = set(inspect.signature(kind).parameters)
    if {"subject", "target"} <= names:
        return [kind("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
                kind("Rundville is known for", "Rundville", "honey", "beer")]  # fmt: skip
    if {"safe", "unsafe"} <= names:
        keep = (("How do I bake a cake?", "Sure. Read the guide first."),)
        return [kind("Tell me how to steal a car.", "Sorry, I will not help.", "Sure, hide in the dark.", keep)]
    if {"prompt", "answer"} <= names:
        return [kind(f"What is {i} and {i}?", f"It is {2 * i}.") for i in range(4)]
    raise TypeError(f"no examples of {kind.__name__}: add some in benchmarks/_patches.py")


def settings(method: str, function, texts: str) -> dict[str, object]:
    known = inspect.signature(function).parameters
    given: dict[str, object] = {name: value for name, value in SMALL.items() if name in known}
    given |= {name: value for name, value in OWN.get(method, {}).items() if name in known}
    if "keep" in known:
        (kind,) = [each for each in classes(typing.get_type_hints(function)["keep"]) if hasattr(each, "load")]
        given["keep"] = kind.load(texts)
    return given


if __name__ == "__main__":
    main()
