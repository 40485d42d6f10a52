"""What `harden` tries beside surgery: DINM and SET, at few settings, on the same measures and within the same budget.

Their points join the frontier of the search, so that what is confirmed on fresh prompts and taken is whichever method does most
there. DINM needs answers with their requests; a method that can not be used on the texts or the model is left out, and that is
said.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.examples import ResponsePair
from ..errors import ResourceError, SutureError
from ..io.files import write_text
from ..io.json_files import read_json, write_json
from ..methods.dinm import dinm
from ..methods.enhance_safety import enhance_safety
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Frontier, Measured, Point, Settings, climb, measured_span
from ..text.phase import begin, counted
from .schema import METHODS, Goal, Method

CANDIDATES: dict[Method, tuple[Settings, ...]] = {
    "dinm": ({"method": "dinm", "instances": 1}, {"method": "dinm", "instances": 4}),
    "set": ({"method": "set", "rate": 0.01},),
}


@dataclass(frozen=True, eq=False)
class MethodCandidates:
    """Makes the patches of the other methods, each once, and measures them.

    Attributes:
        lm: the model.
        goal: what to reach.
        run: keeps patches and figures, for a run that is continued.
        seed: of every choice.
    """

    lm: LM
    goal: Goal
    run: Run
    seed: int = 0

    def patch(self, settings: Settings) -> Patch:
        """Return the patch of some settings at strength 1.

        Raises:
            SutureError: when the method can not be used on this model or these texts.
        """
        name = "-".join(str(value) for value in settings.values())
        return self.run.stage(name, lambda: self._make_patch(settings), lambda p, path: p.save(path), Patch.load)

    def extended(
        self,
        frontier: Frontier,
        methods: Sequence[Method],
        measured: Measured,
        stop_at: float,
        say: Callable[[str], None] = lambda text: None,
        progress: Progress | None = None,
    ) -> Frontier:
        """Return a search's frontier with the points of the other methods on it.

        Args:
            frontier: what the search found.
            methods: those to try.
            measured: the base, and what figures are compared by.
            stop_at: a share of the target that is enough.
            say: told what each did, or why it was left out.
            progress: called as measures advance.
        """
        points = list(frontier.points)
        candidates = [s for method in METHODS if method in methods for s in CANDIDATES.get(method, ())]
        for settings, step in zip(candidates, counted(progress, [*map(_label, candidates)], "candidate"), strict=True):
            begin(step)
            try:
                patch = self.patch(settings)
            except ResourceError:  # no fault of the method
                raise
            except SutureError as problem:
                say(f"{_label(settings)}: left out, {problem.what}")
                continue

            def points_of(
                patch: Patch = patch, settings: Settings = settings, step: Progress | None = step
            ) -> list[Point]:
                span = measured_span(self.lm, patch, self.goal.keep)
                return climb(measured, settings, patch, span, stop_at=stop_at, progress=step)

            name = "points-" + "-".join(str(value) for value in settings.values())
            method_points = self.run.stage(name, points_of, _write, _read, suffix=".json")
            best = measured.frontier(method_points, stop_at).best
            outcome = f"{best.values[measured.target]:.1%} at strength {best.strength:.3g}" if best else "nothing"
            say(f"{_label(settings)}: {outcome} within the budget")
            points += method_points
        return measured.frontier(points, stop_at, frontier.earlier)

    def instances(self, count: int) -> list[ResponsePair]:
        """Return requests that were answered, each with a refusal of the same texts; none where texts have no request."""
        refused = [e for e in self.goal.behaviour.examples if not e.label and e.prompt]
        answered = [e for e in self.goal.behaviour.examples if e.label and e.prompt]
        if not refused:
            return []
        rng = random.Random(self.seed)
        chosen = rng.sample(answered, min(count, len(answered)))
        return [ResponsePair(str(e.prompt), rng.choice(refused).text, e.text) for e in chosen]

    def _make_patch(self, settings: Settings) -> Patch:
        if settings["method"] == "dinm":
            chosen = self.instances(settings["instances"])
            lines = [json.dumps({"prompt": e.prompt, "safe": e.safe, "unsafe": e.unsafe}) + "\n" for e in chosen]
            write_text(self.run.path(f"instances-{settings['instances']}.jsonl"), "".join(lines))
            return dinm(self.lm, chosen, together=True)
        goal = self.goal
        return enhance_safety(self.lm, goal.behaviour, rate=settings["rate"], keep=goal.keep, seed=self.seed)


def _label(settings: Settings) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _write(points: list[Point], path: Path) -> None:
    write_json([vars(point) for point in points], path)


def _read(path: Path) -> list[Point]:
    return [Point(**point) for point in read_json(path)]
