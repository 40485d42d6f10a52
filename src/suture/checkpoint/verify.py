"""Check a checkpoint: its files, the patches on it, and that everything they did not touch is the base's, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..errors import CorruptFile, ResourceError, SutureError
from ..text.phase import numbered
from ..text.printable import command_line
from .change.plan import Progress, silent
from .change.rows import Rows
from .change.surveys import completed, examine
from .format.folder import INTENT, Checkpoint, check_finished
from .format.header import Slot, regular
from .format.reading import reading
from .format.spans import equal
from .stack.fitting import doubled, placed
from .stack.stack import Stack, read_layer
from .write.pool import parallel_map

PHASES = ("tensors", "base")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        what: a tensor, a file or a patch.
        problem: what is wrong, or "".
    """

    what: str
    problem: str = ""


def verify(
    checkpoint: Path, patches: Sequence[Path] = (), *, base: Path | None = None, progress: Progress = silent
) -> list[Finding]:
    """Check a checkpoint.

    Always: headers and index, the patches and base bits that suture.json names, and that each touched tensor is exactly
    what base bits and patches give. With `patches`: whether they would fit. With `base`: that taking all patches off
    gives the base, and that every other byte is the base's already.

    Raises:
        UsageError, UnsupportedModel, CorruptFile: when it can not be read at all.
        ResourceError: when it, or the base, is being changed.
    """
    with ExitStack() as locks:
        opened = locks.enter_context(reading(checkpoint, unfinished=True))
        other = None if base is None else locks.enter_context(reading(base))
        return _verify(opened, patches, other, progress)


def _verify(opened: Checkpoint, patches: Sequence[Path], base: Checkpoint | None, progress: Progress) -> list[Finding]:
    checkpoint = opened.path
    findings = [Finding("headers and index")]
    if (checkpoint / INTENT).exists():
        findings.append(Finding(INTENT, f"an interrupted run; finish it: {command_line('fsck', checkpoint)}"))
    else:
        try:
            check_finished(checkpoint)
        except CorruptFile as unready:  # a copy under way: what it holds may be right, and is not all
            findings.append(Finding("finished", f"{unready.what}. {unready.fix}"))
    stack = Stack.load(opened)
    phases = [numbered(i + 1, 2, name) for i, name in enumerate(PHASES)] if base else list(PHASES)
    findings += [Finding(name) for name in stack.ledger.files]
    problems = parallel_map(lambda name: examine(stack, name), stack.tensors)
    for number, (name, (_, problem)) in enumerate(zip(stack.tensors, problems, strict=True)):
        progress(f"{phases[0]}: {name}", number + 1, len(stack.tensors))
        findings.append(Finding(name, problem))
    for path in patches:
        layer = read_layer(path, 1.0)
        try:
            layer = doubled(opened, layer, force=False)
            placed(completed(stack, [*layer.patch.before]), layer, force=False)
            findings.append(Finding(f"{path.name} fits"))
        except ResourceError:  # that says nothing of the patch
            raise
        except SutureError as problem:
            findings.append(Finding(f"{path.name} fits", problem.what))
    if base is not None:
        findings += _against(stack, base, phases[1], progress)
    return findings


def _against(stack: Stack, base: Checkpoint, phase: str, progress: Progress) -> list[Finding]:
    """Compare everything with the base."""
    here = stack.checkpoint
    if here.slots.keys() != base.slots.keys():
        odd = min(here.slots.keys() ^ base.slots.keys())
        return [Finding("tensors", f"{odd} is in one of them only")]
    findings = []
    for number, (name, slot) in enumerate(sorted(here.slots.items())):
        progress(f"{phase}: {name}", number + 1, len(here.slots))
        other = base.slots[name]
        if (slot.dtype, slot.raw) != (other.dtype, other.raw):
            findings.append(Finding(name, "another type or shape than in the base"))
        elif name in stack.ledger.tensors:
            same = Rows(other, other.shape).sha256() == stack.ledger.tensors[name].base
            findings.append(Finding(f"{name} without patches", "" if same else "not the base's"))
        else:
            findings.append(Finding(name, "" if equal(slot, other) else "differs from the base"))
    for file in sorted({*here.others} | {*base.others}):
        findings.append(Finding(str(file), _file(here.path / file, base.path / file)))
    return findings


def _file(one: Path, other: Path) -> str:
    if not one.exists() or not other.exists():
        return "is in one of them only"
    first, second = (Slot("", path, "U8", (regular(path).st_size,), 0, regular(path).st_size) for path in (one, other))
    return "" if equal(first, second) else "differs from the base"
