"""What is bad: how a spoiled command, a reader and a repeated command are judged."""

import errno
import re
import signal
from dataclasses import dataclass, field

from _powerloss import Content
from _processes import Ended, mask
from _scenes import TAKEN, Command, Known

TRUE = re.compile(r"is written whole, but|is repaired, but")
REFUSED = re.compile(r"^error: ", re.MULTILINE)
UNFINISHED = re.compile(
    r"between two states|interrupted run|unfinished|not a finished|in use by another run|suture fsck|is being changed"
)
FAILING = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)  # of the disk, not of the place that was named


@dataclass
class Fault:
    """What goes wrong in a round.

    Attributes:
        kind: fail, short, kill, power.
        how: as the library takes it; "" where power fails after the end.
        calls: kinds of calls that are counted.
        at: which of them.
        code: the error.
        ever: all of these calls fail from then on.
    """

    kind: str
    how: str
    calls: tuple[str, ...]
    at: int
    code: int = 0
    ever: bool = False

    def environment(self) -> dict[str, str]:
        counted = {"FAULTS_CALLS": mask(*self.calls), "FAULTS_AT": str(self.at), "FAULTS_HOW": self.how}
        return {**counted, "FAULTS_ERRNO": str(self.code), "FAULTS_THEN": counted["FAULTS_CALLS"] if self.ever else "0"}

    def __str__(self) -> str:
        error = f" with {errno.errorcode[self.code]}" if self.code else ""
        where = f"{'/'.join(self.calls)} {self.at}" if self.how else "the end"
        return f"{self.kind} {self.how} {where}{error}{' and ever after' if self.ever else ''}"


@dataclass
class Round:
    """One round: what was drawn, and what was seen."""

    number: int
    command: Command
    fault: Fault
    extra: Content
    readers: list[str]
    after: str
    fresh: bool
    hit: str = ""
    ended: Ended | None = None
    answers: int = 0
    begun: bool = False
    litter: int = 0
    bad: list[str] = field(default_factory=list)
    spoiled: Content = field(default_factory=dict)

    def complain(self, what: str, why: str = "") -> None:
        text = f"{what}: {why}" if why else what
        if text not in self.bad:
            self.bad.append(text[:600])


def judge_end(found: Round, known: Known, state: Content) -> None:
    """Judge how the spoiled command ended, by what is there."""
    ended, fault, said = found.ended, found.fault, found.ended.err.strip()
    if ended.code == -signal.SIGKILL and fault.kind in ("kill", "power"):
        return
    if "Traceback" in said or "bug in suture" in said or ended.code < 0 or ended.code == 1:
        found.complain("a bug", f"exit {ended.code}: {said[-300:]}")
        return
    taken = any(name in found.extra for name in TAKEN)
    if ended.code == 0:
        noted = "suture fsck" in ended.out + ended.err  # it is done, but something could not be cleared away
        if core(state, intent=not noted) != core(known.new):
            found.complain("false ok", differences(state, known.new))
        elif state != known.new and fault.kind != "power" and not noted:
            found.complain("left, and nothing said", differences(state, known.new))
        return
    if not REFUSED.search(ended.err):
        found.complain("no error line", said[-300:])
    if ended.code == 2 and fault.code in FAILING and found.hit and not taken:
        found.complain("exit 2 for a failing disk", said[-300:])
    if TRUE.search(ended.err):  # an error of what comes behind the change, which says that it was made
        if core(state) != core(known.new) and fault.kind != "power":
            found.complain("told as done", differences(state, known.new))
    elif state == known.new and known.new != known.old and fault.kind != "power":
        found.complain("done, and told as failure", f"exit {ended.code}: {said[-300:]}")
    elif fault.kind == "power" and core(state) not in (core(known.old), core(known.new)):
        found.complain("neither old nor new after an error", differences(state, known.old))
    elif state != known.old and not fault.ever and fault.kind != "power" and not told_unfinished(found, known, state):
        found.complain("left after an error", differences(state, known.old))


def told_unfinished(found: Round, known: Known, state: Content) -> bool:
    """Whether an error says that a change is left half made; a repair that failed need not say how to repair."""
    begun = "ckpt/suture.intent" in state or core(state) == core(known.new)
    return "suture fsck" in found.ended.err or (found.command.how == "repair" and begun)


def judge_answer(found: Round, known: Known, name: str, answer: Ended, rest: Content | None = None) -> None:
    """Judge what a reader was told: of one of both states, or a refusal that says why. At `rest` nobody writes any more."""
    found.answers += 1
    text, said = answer.answer, answer.out + answer.err
    unfinished = rest is not None and "ckpt/suture.intent" in rest and found.command.how != "file"
    if "Traceback" in said or "bug in suture" in said or answer.code < 0:
        found.complain(f"reader {name}", f"exit {answer.code}: {said[-300:]}")
    elif answer.code and REFUSED.search(answer.err) and UNFINISHED.search(said):
        return
    elif text not in known.answers[name] or (unfinished and name != "plain" and not UNFINISHED.search(said)):
        when = "of an unfinished change at rest" if unfinished else "meanwhile" if rest is None else "at rest"
        found.complain(f"reader {name} {when}", f"exit {answer.code}: {said[-300:]}")


def core(state: Content, *, intent: bool = True) -> Content:
    """Return what counts of a state: without files that only a sweep removes, and if asked without a change under way."""
    swept = re.compile(r"ckpt/suture(/|$|\.begun$)|\.partial")
    return {n: what for n, what in state.items() if not swept.search(n) and (intent or n != "ckpt/suture.intent")}


def differences(found: Content, wanted: Content) -> str:
    """Name what differs."""
    odd = sorted(name for name in {*found, *wanted} if found.get(name, b"-") != wanted.get(name, b"-"))
    signs = ["+" if name not in wanted else "-" if name not in found else "~" for name in odd]
    return ", ".join(f"{sign}{name}" for sign, name in zip(signs, odd, strict=True))
