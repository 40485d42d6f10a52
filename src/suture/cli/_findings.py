"""How verify and fsck show what they found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..checkpoint.verify import Finding
    from ._console import Console


def judge(
    console: Console, path: Path, findings: list[Finding], repaired: list[str], *, dry_run: bool | None = None
) -> None:
    """Show findings; raise VerificationFailed when one is bad.

    Args:
        console: where.
        path: what was checked, as it was given.
        findings: of it.
        repaired: what was done, or would be.
        dry_run: whether nothing was changed; None for a verb that never changes anything.
    """
    from ..errors import VerificationFailed

    bad = [finding for finding in findings if finding.problem]
    for line in repaired:
        console.say(line)
    if bad:
        console.table(["what", "problem"], [[finding.what, finding.problem] for finding in bad])
    else:
        console.say(f"{path}: {len(findings)} checks, all hold")
    problems = {finding.what: finding.problem for finding in bad}
    extra = {} if dry_run is None else {"dry_run": dry_run}
    console.result({"checks": len(findings), "problems": problems, "repaired": repaired, **extra})
    if bad:
        raise VerificationFailed(
            f"{len(bad)} of {len(findings)} checks fail",
            why=f"{bad[0].what}: {bad[0].problem}",
            fix="Repair interrupted work by suture fsck; else take the base checkpoint again.",
        )
