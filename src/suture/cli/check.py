"""suture check: hold a patched model against the gates of a spec; what a release pipeline runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ._options import Device, Dtype, Json, Out


def check(
    spec: Annotated[Path, typer.Argument(help="A YAML file with model, patches, suite and gates; see docs/check.md.")],
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Also ask a judge behind an address that the spec names; it may get your key."),
    ] = False,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Measure a patched model and compare the figures with release gates. Exit code 4 when one falls."""
    from ..errors import VerificationFailed
    from ..measure.evaluation import evaluate
    from ..measure.gates import Spec, verdicts_of
    from ..model.lm import LM
    from ..report.page import check_free, save
    from ..runs.run import new_folder
    from ._console import Console
    from ._inputs import load_patch

    console = Console(json)
    if out is not None:
        check_free(out)
    loaded_spec = Spec.load(spec)
    if not trust:
        loaded_spec.check_judge(spec)
    measures = loaded_spec.measures()
    patch = load_patch(loaded_spec.patches, loaded_spec.model, loaded_spec.scale)
    assert patch is not None  # a spec has at least one
    lm = LM.load(loaded_spec.model, device=device, dtype=dtype)
    with console.progress("measuring") as step:
        report = evaluate(lm, patch, measures, controls=loaded_spec.controls, progress=step)
    verdicts = verdicts_of(loaded_spec.gates, report)
    gates = [verdict.to_json() for verdict in verdicts]
    full_report = replace(report, extra={**report.extra, "gates": gates, **console.noted})
    paths = save(full_report, out or new_folder("check"))
    rows = [[*verdict.describe(), "pass" if verdict.passed else "FAIL"] for verdict in verdicts]
    console.table(["gate", "figure", "limit", ""], rows, f"{lm.name} with {', '.join(loaded_spec.patches)}")
    console.say(f"wrote {paths['html']} and {paths['json'].name} beside it")
    fallen = [verdict.measure for verdict in verdicts if not verdict.passed]
    console.result({"passed": not fallen, "gates": gates, "report": str(paths["html"])})
    if fallen:
        raise VerificationFailed(
            f"{len(fallen)} of {len(verdicts)} gates fell",
            why=f"Outside the limit: {', '.join(fallen)}.",
            fix=f"Change the patch or its scale, and look at {paths['html']}",
        )
