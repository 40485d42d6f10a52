"""A patch as one safetensors file: its tensors, and in the header the kind of each term, stamps and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..errors import CorruptFile, SutureError
from ..io import tensorfile
from .delta import canonical
from .delta_kind import Delta
from .provenance import Provenance, Stamp, read_provenance, read_stamp
from .runtime.steer import KINDS

FORMAT = "suture.patch/1"
Terms = dict[str, tuple[Delta, ...]]


def write(
    path: Path,
    terms: Mapping[str, tuple[Delta, ...]],
    before: Mapping[str, Stamp],
    after: Mapping[str, Stamp],
    provenance: Provenance,
) -> None:
    """Write the parts of a `Patch`; the same parts give the same bytes."""
    tensors, kinds = {}, {}
    for name, deltas in terms.items():
        for number, term in enumerate(deltas):
            kinds[f"{name}|{number}"] = {"kind": term.kind, "scale": term.scale, **term.settings()}
            for part, tensor in term.tensors().items():
                tensors[f"{name}|{number}.{term.kind}.{part}"] = tensor.detach().cpu()
    content = {
        "terms": kinds,
        "before": {name: stamp.plain() for name, stamp in before.items()},
        "after": {name: stamp.plain() for name, stamp in after.items()},
        "provenance": vars(provenance),
    }
    metadata = {"format": FORMAT, **{key: json.dumps(value, sort_keys=True) for key, value in content.items()}}
    tensorfile.write(path, tensors, metadata)


def read(path: Path) -> tuple[Terms, dict[str, Stamp], dict[str, Stamp], Provenance]:
    """Return terms, stamps before and after, and provenance, all checked.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when it is not a whole patch.
    """
    tensors, metadata = tensorfile.read(path, FORMAT)
    try:
        before, after = (
            {name: read_stamp(stamp) for name, stamp in tensorfile.parsed(metadata[key]).items()}
            for key in ("before", "after")
        )
        provenance = read_provenance(tensorfile.parsed(metadata["provenance"]))
        terms: dict[str, list[Delta]] = {}
        for key, entry in tensorfile.parsed(metadata["terms"]).items():
            kind = KINDS[entry["kind"]]
            prefix = f"{key}.{kind.kind}."
            parts = {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}
            settings = {name: value for name, value in entry.items() if name not in ("kind", "scale")}
            term = kind(scale=float(entry["scale"]), **settings, **parts)
            terms.setdefault(key.rpartition("|")[0], []).append(term)
        if tensors or terms.keys() != before.keys():
            raise KeyError("tensors and index do not agree")
        for name, deltas in terms.items():
            for term in deltas:
                term.check(before[name].shape, name)
    except SutureError:  # said already
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise CorruptFile(f"{path} is not a patch", why=f"{problem!r}", fix="Make it again.") from problem
    return {name: canonical(deltas) for name, deltas in terms.items()}, before, after, provenance
