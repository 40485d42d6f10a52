"""Release gates: limits on figures, written in a file, that a patched model must hold before it ships.

    model: patient
    patches: [runs/kinder/patch.safetensors]
    suite: patient
    gates:
      - {measure: rude, max: 0.25}                  # the figure itself
      - {measure: facts_seen, max_decrease: 0.02}   # against the base: points of a share, a ratio - 1 of a perplexity
      - {role: keep, max_harm: 0.05}                # each measure that an edit must not harm, in its own bad direction

A limit against the base holds the pessimistic end of the 95 % interval ("worst"), so that few cases can not pass by luck.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ..errors import DataError, UsageError
from ..io import yaml_text
from ..metrics._score import Unit
from ..text.printable import command_line
from .budget import ROUNDING
from .report import MetricRow, Report
from .suite import Role, Suite, suite_from
from .units import UNKNOWN, figure

LIMITS = ("max", "min", "max_increase", "max_decrease", "max_harm")


def _number(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    """Return a text that Python reads as a number as that number: to YAML 1.1 `1e9` is a text, `1.0e+9` a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Finite = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """Nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Gate(Strict):
    """One limit on one measure, or on each measure of a role.

    Attributes:
        measure: name of a measure of the suite.
        role: instead of `measure`: every measure of the suite with this role.
        max: highest figure of the patched model.
        min: lowest figure of the patched model.
        max_increase: highest change against the base; a negative one demands a fall.
        max_decrease: highest change downwards; a negative one demands a rise.
        max_harm: highest change in the measure's own bad direction; the one limit that a role can have.
        interval: which end of the change's interval counts.
    """

    measure: str | None = None
    role: Role | None = None
    max: Finite | None = None
    min: Finite | None = None
    max_increase: Finite | None = None
    max_decrease: Finite | None = None
    max_harm: Finite | None = None
    interval: Literal["worst", "point"] = "worst"

    @model_validator(mode="after")
    def _one_limit(self) -> Gate:
        if (self.measure is None) == (self.role is None):
            raise ValueError("give measure: NAME, or role: ROLE for every measure of a role")
        if sum(getattr(self, name) is not None for name in LIMITS) != 1:
            raise ValueError(f"give exactly one of {', '.join(LIMITS)}")
        if self.role and self.max_harm is None:  # up is worse for one measure of a role, down for the next
            raise ValueError("a role takes max_harm: each of its measures has a bad direction of its own")
        return self

    @property
    def limit(self) -> tuple[str, float]:
        """Which of LIMITS, and its value."""
        return next((name, getattr(self, name)) for name in LIMITS if getattr(self, name) is not None)


class Spec(Strict):
    """What to measure, and what must hold.

    Attributes:
        model: a folder, a Hub name or "patient".
        patches: files, applied together.
        scale: strength of the patches.
        suite: "patient" or "patient:tune"; the next four are for a suite from files. All as `suture eval` takes them.
        texts: neutral texts, one a line.
        prompts: prompts, one a line, to be continued and judged.
        judge: "refusal", or two word lists.
        chat: write the prompts with the chat template.
        size: prompts a measure.
        controls: also measure a random patch of the same size.
        gates: the limits.
    """

    model: str
    patches: Annotated[list[str], Field(min_length=1)]
    scale: Finite = 1.0
    suite: str | None = None
    texts: str | None = None
    prompts: str | None = None
    judge: str = "refusal"
    chat: bool = False
    size: Count = 200
    controls: bool = True
    gates: Annotated[list[Gate], Field(min_length=1)]

    @classmethod
    def load(cls, path: str | Path) -> Spec:
        """Read a YAML file.

        Raises:
            DataError: naming file and line of what is wrong.
        """
        path = Path(path)
        root, content = yaml_text.read(path, "Correct it; see docs/check.md.")
        if not isinstance(content, dict):
            raise DataError(f"{path} is not a spec", why="It holds no keys.", fix="See docs/check.md.")
        try:
            return cls.model_validate(content)
        except ValidationError as problem:
            raise _complaint(path, root, problem) from problem

    def check_judge(self, path: Path) -> None:
        """Raise UsageError when the judge is behind an address, or in a file of code: the spec may be another's.

        Args:
            path: the file that was read.
        """
        if self.judge.startswith("openai:") or self.judge.endswith(".py"):
            away = "What the model says goes there, with your OPENAI_API_KEY if it is set."
            raise UsageError(
                f"{path} has texts judged by {self.judge}",
                why="Its code is run." if self.judge.endswith(".py") else away,
                fix=f"If you want just that: {command_line('check', path, '--trust')}",
            )

    def measures(self) -> Suite:
        """Return the suite, having checked that every gate names one of its measures or roles.

        Raises:
            DataError: when one does not, or a file of the suite can not be read.
        """
        texts, prompts = (Path(name) if name else None for name in (self.texts, self.prompts))
        suite = suite_from(self.model, self.suite, texts, prompts, self.judge, chat=self.chat, size=self.size)
        names = [measure.name for measure in suite]
        roles = {m.role: ", ".join(measure.name for measure in suite if measure.role == m.role) for m in suite}
        for gate in self.gates:
            if gate.role and gate.role not in roles:
                why = f"The suite has {'; '.join(f'{role} ({measures})' for role, measures in roles.items())}."
                raise DataError(f"no measure with the role {gate.role!r}", why=why, fix="Use one of these roles.")
            if gate.measure is not None and gate.measure not in names:
                why = f"The suite measures {', '.join(names)}."
                raise DataError(f"no measure {gate.measure!r}", why=why, fix=_suggestion(gate.measure, names))
        return suite


@dataclass(frozen=True)
class Verdict:
    """A gate and the figure of one measure that it was held against."""

    gate: Gate
    measure: str
    figure: float
    passed: bool
    unit: Unit = "share"

    def describe(self) -> list[str]:
        """Return measure, figure and limit as people read them."""
        kind, limit = self.gate.limit
        if kind in ("max", "min"):
            texts = [figure(value, self.unit) for value in (self.figure, limit)]
        else:
            texts = [_points(value, self.unit) for value in (self.figure, limit)]
            texts[0] += f" ({self.gate.interval})"
        return [f"{self.gate.role}: {self.measure}" if self.gate.role else self.measure, texts[0], f"{kind} {texts[1]}"]

    def to_json(self) -> dict[str, Any]:
        """Return the gate with the measure, its figure and whether that is within the limit."""
        gate = self.gate.model_dump(exclude_none=True)
        return {**gate, "measure": self.measure, "figure": self.figure, "passed": self.passed}


def verdicts_of(gates: Sequence[Gate], report: Report) -> list[Verdict]:
    """Return for each gate the figure it looks at and whether the figure is within the limit; of a role one a measure.

    A figure that is no number, and a measure or role that the report lacks, is outside of every limit.
    """
    verdicts = []
    for gate in gates:
        kind, limit = gate.limit
        lines = [line for line in report.lines if (line.role == gate.role if gate.role else line.name == gate.measure)]
        for line in lines:
            value = _gated_figure(gate, line)
            # 1 - 0.95 is a little above 0.05 in binary
            passed = value >= limit - ROUNDING if kind == "min" else value <= limit + ROUNDING
            verdicts.append(Verdict(gate, line.name, value, passed, line.unit))
        if not lines:
            verdicts.append(Verdict(gate, gate.measure or "none", math.nan, passed=False))
    return verdicts


def _gated_figure(gate: Gate, line: MetricRow) -> float:
    """Return the figure of a measure that a gate looks at; for `max_harm` by which way is better for that measure."""
    score = line.score
    up, down = (score.change,) * 2 if gate.interval == "point" else (score.high, score.low)
    figures = {"max": score.after, "min": score.after, "max_increase": up, "max_decrease": 0.0 - down}
    figures["max_harm"] = {"lower": up, "higher": 0.0 - down}.get(line.better, math.nan)
    return figures[gate.limit[0]]


def _points(change: float, unit: Unit) -> str:
    """Return a change as reports show it: points of a share, per cent of a perplexity, the rest as it is."""
    if math.isnan(change):
        return UNKNOWN
    if unit in ("share", "points", "perplexity"):
        return f"{100 * change:.1f} {'%' if unit == 'perplexity' else 'pt'}"
    return f"{change:.3f}"


def _complaint(path: Path, root: yaml.Node, problem: ValidationError) -> DataError:
    """Return the first complaint in the file, with its line and the nearest known key."""
    line, error = min(((_line(root, error["loc"]), error) for error in problem.errors()), key=lambda pair: pair[0])
    *parents, last = error["loc"] or ("the spec",)
    where = f"{path}, line {line}"
    if error["type"] == "extra_forbidden":
        keys = list((Gate if parents else Spec).model_fields)
        fix = _suggestion(str(last), keys)
        return DataError(f"{where}: unknown key {last!r}", why=f"Known: {', '.join(keys)}.", fix=fix)
    if error["type"] == "missing":
        return DataError(f"{where}: {last!r} is missing", fix=f"Add {last}: ...; see docs/check.md.")
    name = ".".join(map(str, error["loc"]))
    message = error["msg"].removeprefix("Value error, ").lower()
    return DataError(f"{where}: {name}: {message}", fix="Correct it; see docs/check.md.")


def _line(node: yaml.Node, loc: Sequence[str | int]) -> int:
    """Return the line of a key or an item, counted from 1; of the deepest part of `loc` that is in the file."""
    line = node.start_mark.line + 1
    for part in loc:
        entries: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        if isinstance(node, yaml.MappingNode):
            entries = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            entries = {index: (item, item) for index, item in enumerate(node.value)}
        if part not in entries:
            break
        mark, node = entries[part]
        line = mark.start_mark.line + 1
    return line


def _suggestion(word: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, choices, 1)
    return f'Did you mean "{near[0]}"?' if near else "Use one of these."
