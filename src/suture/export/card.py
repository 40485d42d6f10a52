"""A model card: README.md with the front matter that the Hugging Face Hub reads, then what anyone should know before use.

Everything in it comes from the patch and from the report.json of an evaluation; what was not measured is said to be so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ..errors import DataError, SutureError
from ..io import yaml_text
from ..io.files import check_place, read_text, sha256, write_text
from ..measure.report import ROLES
from ..measure.units import FORMS, difference, figure
from ..metrics._score import Score, Unit
from ..patch.patch import Patch
from ..text.printable import printable
from ._exported import Exported

NAME = "README.md"
TAGGED = ("suture", "model-editing")
TAGS = "- suture\n- model-editing\n"  # as they stand in a card
ODD = re.compile(r"[^\w./ -]")  # never copied into code: a name can come from anyone's patch
HUB = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # OWNER/NAME
INERT = str.maketrans("|`<>[]", "/'()()")  # what Markdown and HTML would act on
Form = Literal["patch", "lora", "gguf-lora", "gguf-control", "checkpoint"]
LIBRARY: dict[Form, str] = {"patch": "suture", "lora": "peft", "checkpoint": "transformers"}
USE: dict[Form, str] = {
    "patch": """```python
from suture import LM, Patch

lm = LM.load("{base}")
with Patch.from_pretrained("FOLDER-OR-REPOSITORY").applied(lm):  # refuses any other base; on leaving, every bit is back
    ...
```""",
    "lora": """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "FOLDER-OR-REPOSITORY")
```""",
    "checkpoint": """```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("FOLDER-OR-REPOSITORY")
```""",
    "gguf-lora": "`llama-cli -m BASE.gguf --lora {file}`; the strength: `--lora-scaled {file}:0.5`",
    "gguf-control": "`llama-cli -m BASE.gguf --control-vector {file}`; the strength: `--control-vector-scaled {file}:0.5`",
}


def check_card(path: Path) -> None:
    """Raise UsageError when a file is there that is not a card of ours: no other README.md is replaced."""
    check_place(path, lambda file: TAGS.encode() in file.read_bytes(), "a card that suture wrote")


@dataclass(frozen=True)
class Card:
    """What a card says beyond the patch.

    Attributes:
        form: what it goes with.
        report: the content of a report.json.
        commands: to type to get this again; those of the report come first.
        files: to list with their SHA-256.
        kept: share of the change kept, by matrix, of an approximation.
        notes: more limits, a sentence each.
    """

    form: Form = "patch"
    report: Mapping[str, Any] | None = None
    commands: Sequence[str] = ()
    files: Sequence[Path] = ()
    kept: Mapping[str, float] | None = None
    notes: Sequence[str] = ()

    def text(self, patch: Patch) -> str:
        """Return the whole card."""
        provenance, base = patch.provenance, patch.provenance.base.get("name", "?")
        front: dict[str, Any] = {"base_model": base} if HUB.fullmatch(base) and not Path(base).exists() else {}
        front |= {
            "base_model_relation": "finetune" if self.form == "checkpoint" else "adapter",
            **({"library_name": LIBRARY[self.form]} if self.form in LIBRARY else {}),
            "tags": [*TAGGED, _line(provenance.method), *(["gguf"] if "gguf" in self.form else [])],
        }
        name = next((file.name for file in self.files if file.suffix == ".gguf"), "FILE.gguf")
        parts = [
            f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
            f"# {_line(base)}, edited by {_line(provenance.method)}",
            _summary(patch),
            f"## Use\n\n{USE[self.form].format(base=ODD.sub('', base), file=ODD.sub('', name))}",
            f"## What it does\n\n{_figures(self.report)}",
            f"## How it was made\n\n{_origin(patch)}",
            f"## Limits\n\n{self._limits(patch)}",
            f"## Files\n\n{_files(self.files)}\n\n{_tensors(patch)}",
        ]
        commands = [*(self.report or {}).get("commands", ()), *self.commands]
        if commands:
            parts.insert(
                -2,
                "## Commands\n\n```bash\n"
                + "\n".join(printable(" ".join(command.split())).replace("`", "'") for command in commands)
                + "\n```",
            )
        return "\n\n".join(parts) + "\n"

    def export(self, patch: Patch, out: str | Path) -> Exported:
        """Write the card: README.md in a folder, or a file that ends in .md."""
        path = Path(out) if Path(out).suffix == ".md" else Path(out) / NAME
        check_card(path)
        write_text(path, self.text(patch))
        return Exported(path, [path])

    def _limits(self, patch: Patch) -> str:
        lines = [
            "Made for exactly one base: the hashes below. On another revision, fine-tune or quantisation it was not measured.",
            "Figures hold for the prompts they were measured on; an edit lowers how often something happens, it does not rule "
            "it out. Measure it on your own prompts before you rely on it."
            if self.report
            else "Nothing about its effect is known from this card: measure it before use.",
            *self.notes,
        ]
        if self.kept:
            worst = min(self.kept.values())
            lines.append(
                f"An approximation: of {len(self.kept)} matrices at least {worst:.1%} of the squared change is kept."
            )
        if not patch.after:
            lines.append("The patch was scaled or combined: it promises no hash of the result.")
        return "\n".join(f"- {line}" for line in lines)


def read_report(path: str | Path) -> dict[str, Any]:
    """Return the content of a report.json.

    Raises:
        DataError: when it is none.
    """
    fix = "Give the report.json of: suture eval MODEL --patch PATCH"
    try:
        report = json.loads(read_text(Path(path), fix=fix))
        _figures(report)
        return dict(report)
    except SutureError:  # said already
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise DataError(f"{path} is not a report", why=repr(problem), fix=fix) from problem


def check(path: str | Path) -> dict[str, Any]:
    """Read a card's front matter again and return it.

    Raises:
        DataError: when it has none.
    """
    text = read_text(Path(path))
    try:
        _, front, _ = text.split("---\n", 2)
        return dict(yaml_text.parsed(front, str(path), "Write it again: `export.card`")[1])
    except SutureError:  # said already
        raise
    except (ValueError, TypeError) as problem:
        raise DataError(
            f"{path} has no front matter", why=repr(problem), fix="Write it again: `export.card`"
        ) from problem


def _summary(patch: Patch) -> str:
    provenance = patch.provenance
    changed = f"{provenance.effect['entries']:,.0f} weights" if "entries" in provenance.effect else "Weights"
    version = provenance.library.get("suture", "?")
    return (
        f"{changed} in {len(patch.terms)} of the tensors of `{_line(provenance.base.get('name', '?'))}` are changed, everything "
        f"else is the base. Made with suture {_line(version)}."
    )


def _figures(report: Mapping[str, Any] | None) -> str:
    if report is None:
        return "Not measured: no report was given."
    sections = []
    for role, title in ROLES.items():
        rows = []
        for line in report["lines"]:
            if line["role"] != role:
                continue
            score = Score(**line["score"])
            unit: Unit = line["unit"] if line["unit"] in FORMS else "share"
            control = difference(Score(**line["random"]), unit) if line.get("random") else "not measured"
            cells = [
                _line(str(line["about"])),
                figure(score.before, unit),
                figure(score.after, unit),
                difference(score, unit),
                control,
            ]
            rows.append("| " + " | ".join((*cells, f"{score.cases:d}")) + " |")
        if rows:
            head = f"| {title} | base | edited | change [95 %] | random patch | n |\n|---|---|---|---|---|---|"
            sections.append("\n".join([head, *rows]))
    return "\n\n".join(sections) or "The report holds no figures."


def _origin(patch: Patch) -> str:
    provenance = patch.provenance
    lines = [f"- method: `{_line(provenance.method)}`"]
    lines += [f"- {_line(key)}: `{_line(str(value))}`" for key, value in sorted(provenance.settings.items())]
    for behaviour in provenance.examples.get("behaviours", []):
        examples = {key: _line(str(behaviour.get(key, "?"))) for key in ("name", "count", "sha256")}
        lines.append(f"- examples: {examples['name']}, {examples['count']} texts, sha256 `{examples['sha256']}`")
    lines += [f"- combined from: `{_line(str(parent.get('method', '?')))}`" for parent in provenance.parents]
    return "\n".join(lines)


def _files(files: Sequence[Path]) -> str:
    return "\n".join(f"- `{_line(file.name)}` sha256 `{sha256(file)}`" for file in files) or "See SHA256SUMS."


def _tensors(patch: Patch) -> str:
    rows = ["| tensor | sha256 before | after |", "|---|---|---|"]
    for name, before in sorted(patch.before.items()):
        after = patch.after[name].sha256 if name in patch.after else "-"
        rows.append(f"| `{_line(name)}` | `{before.sha256}` | `{after}` |")
    return "<details><summary>Tensors changed</summary>\n\n" + "\n".join(rows) + "\n\n</details>"


def _line(text: str) -> str:
    """Return a text that breaks no table, list or code span, and is no link, picture, tag or control character."""
    return printable(" ".join(text.split())).translate(INERT)
