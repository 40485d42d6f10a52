"""What a report holds. All of it goes into the JSON; the page shows what is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..io.files import write_text
from ..metrics._score import Score, Unit
from ..renamed import renamed
from .budget import Budget

if TYPE_CHECKING:
    from ..locate.activity import Activity
    from ..locate.direction_similarity import Directions
    from ..locate.region import Region

ROLES = {
    "target": "What the edit is for",
    "floor": "How low it could go",
    "keep": "What it must not harm",
    "note": "Also",
}


@dataclass(frozen=True)
class Sample:
    """One prompt with a text from before and after, and what the judge called them."""

    prompt: str
    before: str
    after: str
    before_label: str
    after_label: str


@dataclass(frozen=True)
class MetricRow:
    """One property: its score and its controls (the base against itself; a random patch of the same size)."""

    name: str
    role: str
    better: str
    about: str
    score: Score
    itself: Score | None = None
    random: Score | None = None
    samples: Sequence[Sample] = ()
    unit: Unit = "share"


@dataclass(frozen=True)
class SearchPoint:
    """One candidate at one strength.

    Attributes:
        label: of the candidate.
        strength: it was measured at.
        target: figure of the target; None where so much was lost that it was not measured.
        cost: worst share of the budget used; 1 is all of it.
        within: the budget is kept.
        chosen: this is the point that was taken.
        rejected: why it was not to be taken besides its cost; empty when it could be.
    """

    label: str
    strength: float
    target: float | None
    cost: float
    within: bool
    chosen: bool
    rejected: str = ""


@dataclass(frozen=True)
class Where:
    """Which rows were chosen among which.

    Attributes:
        by: what they were scored by.
        edges: of the bars of a histogram of all scores; the outer bars hold what lies beyond, too.
        counts: candidates in each bar.
        chosen: chosen rows in each bar.
        layers: chosen rows of each block that was searched.
    """

    by: str
    edges: Sequence[float]
    counts: Sequence[int]
    chosen: Sequence[int]
    layers: Mapping[int, int]

    @classmethod
    def of(cls, region: Region) -> Where:
        """Return what a report says of a region; the histogram is empty when its file is from before there was one."""
        histogram = region.about.get("histogram", {"edges": [], "counts": [], "chosen": []})
        layers = dict.fromkeys(region.about.get("layers", []), 0)
        for site, rows in region.rows.items():
            layers[site.layer] = layers.get(site.layer, 0) + len(rows)
        return cls(region.about.get("by", "score"), **histogram, layers=layers)


@dataclass(frozen=True)
class Report:
    """What a patch did to a model. Beyond `lines` everything may be missing.

    Attributes:
        model: name of the base.
        method: that made the patch.
        settings: of the method.
        effect: norms and number of changed entries.
        lines: one a property.
        doses: figures at several strengths: strength -> name -> value.
        extra: anything a command adds (paths, times).
        target: name of the line that the edit was made to move.
        strength: the one of `doses` that was chosen.
        budget: what the edit may cost.
        search: every point that a search tried.
        where: which rows were edited.
        directions: how alike probes and general tasks are.
        activity: how often the edited neurons fire.
        commands: what to type to get this again.
        curve: figures at several numbers of edits: edits -> name -> share.
        moved: how far the changed matrices of each block moved, as a share of their norm.
    """

    model: str
    method: str
    settings: dict[str, Any]
    effect: dict[str, float]
    lines: list[MetricRow]
    doses: dict[float, dict[str, float]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    strength: float | None = None
    budget: Budget | None = None
    search: Sequence[SearchPoint] = ()
    where: Where | None = None
    directions: Directions | None = None
    activity: Activity | None = None
    commands: Sequence[str] = ()
    curve: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    moved: Mapping[int, float] = field(default_factory=dict)

    def values(self, when: str = "after") -> dict[str, float]:
        """Return the figures by name, "before" or "after"."""
        return {line.name: float(getattr(line.score, when)) for line in self.lines}

    def line(self, name: str) -> MetricRow:
        """Return a line by its name; KeyError if there is none."""
        lines = {line.name: line for line in self.lines}
        return lines[name]

    @property
    def aim(self) -> MetricRow | None:
        """The target: the line that was named, else of the lines with that role the one that moved most."""
        if self.target is not None:
            return self.line(self.target)
        return max((x for x in self.lines if x.role == "target"), key=lambda x: abs(x.score.change), default=None)

    def of_role(self, role: str) -> list[MetricRow]:
        """Return the lines of a role; once a target is named, the suite's other targets and their floors are notes."""
        mine = (self.target, f"{self.target}_floor")

        def role_of(line: MetricRow) -> str:
            other = self.target is not None and line.name not in mine
            return "note" if other and line.role in ("target", "floor") else line.role

        return [line for line in self.lines if role_of(line) == role]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, default=str)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a report that was written as JSON; settings and extras are as JSON has them.

        Raises:
            DataError: when it is no report.
        """
        from ..locate.activity import Activity
        from ..locate.direction_similarity import Directions

        def restored(kind: Callable[..., Any], value: Any) -> Any:  # noqa: ANN401 - what JSON holds
            return None if value is None else kind(**value)

        def where(entry: dict[str, Any]) -> Where:
            return Where(**{**entry, "layers": {int(block): rows for block, rows in entry["layers"].items()}})

        def line(entry: dict[str, Any]) -> MetricRow:
            scores = {name: restored(Score, entry[name]) for name in ("score", "itself", "random")}
            return MetricRow(**{**entry, **scores, "samples": [Sample(**sample) for sample in entry["samples"]]})

        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            parsed = {
                "lines": [line(entry) for entry in content["lines"]],
                "doses": {float(strength): values for strength, values in content["doses"].items()},
                "budget": restored(Budget, content["budget"]),
                "search": [SearchPoint(**point) for point in content["search"]],
                "where": content["where"] and where(content["where"]),
                "directions": restored(Directions, content["directions"]),
                "activity": restored(Activity, content["activity"]),
                "curve": {int(count): values for count, values in content["curve"].items()},
                "moved": {int(block): value for block, value in content["moved"].items()},
            }
            return cls(**{**content, **parsed})
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
            raise DataError(
                f"{path} is no report", why=repr(problem), fix="Give the report.json of a run."
            ) from problem

    def to_html(self) -> str:
        """Old name of `suture.report.page.page`; it goes with version 0.3."""
        page: str = renamed("Report.to_html", "suture.report.page.page")(self)
        return page

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Old name of `suture.report.page.save`; it goes with version 0.3."""
        paths: dict[str, Path] = renamed("Report.save", "suture.report.page.save")(self, folder)
        return paths
