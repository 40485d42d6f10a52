"""Several judges on the same texts: their rates side by side, and how far each two agree.

Two judges may have different labels; they are compared on what both decide: is a text unwanted, or not?
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any

from ..judges import others, unwanted
from ..judges.agreement import agreement, figure
from ..metrics._score import Observation
from .suite import Suite

Panel = dict[str, Any]  # "rates": name -> label -> share; "agreement": a list of {a, b, texts, raw, kappa}


def panel(suite: Suite, observations: Mapping[str, Observation]) -> Panel:
    """Return rates and pairwise agreement of the judges that labelled the same texts; empty when none did.

    Args:
        suite: the measures; a judge goes by the name of its first one.
        observations: an observation of each.
    """
    groups: dict[Hashable, dict[str, str]] = {}  # the same texts -> judge -> name of its first measure
    for measure in suite:
        key = measure.kind.cache_key
        if key and "labels" in observations[measure.name].extra:
            judges = groups.setdefault(key(measure.cases), {})
            judges.setdefault(repr(measure.cases.judge), measure.name)
    shared = [list(judges.values()) for judges in groups.values() if len(judges) > 1]
    cases = {measure.name: measure.cases for measure in suite}
    rates, pairs = {}, []
    for names in shared:
        labels = {name: [label for case in observations[name].extra["labels"] for label in case] for name in names}
        flags = {name: [label == unwanted(cases[name].judge) for label in labels[name]] for name in names}
        for name in names:
            judge = cases[name].judge
            all_labels = dict.fromkeys((*judge.labels, *others(judge)))
            rates[name] = {label: labels[name].count(label) / len(labels[name]) for label in all_labels}
        for a, b in combinations(names, 2):
            both = agreement([str(flag) for flag in flags[a]], [str(flag) for flag in flags[b]])
            pairs.append({"a": a, "b": b, "texts": both.count, "raw": both.raw.value, "kappa": both.kappa})
    return {"rates": rates, "agreement": pairs} if shared else {}


def tables(comparison: Panel) -> list[tuple[list[str], list[list[str]]]]:
    """Return a panel as (columns, rows), first the rates, then the agreement; nothing for an empty panel."""
    if not comparison:
        return []
    rates = [
        [name, label, f"{100 * share:.1f} %"]
        for name, labels in comparison["rates"].items()
        for label, share in labels.items()
    ]
    pairs = [
        [f"{pair['a']} and {pair['b']}", f"{100 * pair['raw']:.1f} %", figure(pair["kappa"]), str(pair["texts"])]
        for pair in comparison["agreement"]
    ]
    return [(["judge", "label", "texts"], rates), (["on what is unwanted", "agreement", "kappa", "texts"], pairs)]
