"""What the library says in Python's words, said in options: `in_place=True` becomes --in-place, `out=OUT` becomes -o OUT.

Errors mark settings with backticks, and nothing else. What is no setting of ours stays as it is: it is a word of somebody's.
"""

from __future__ import annotations

import re

MARK = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"([a-z]\w*)(?:=(.*))?")
FORMAT = re.compile(r"export\.(\w+)")
SETTINGS = frozenset(
    "allow_large cast cors dtype energy force host in_place inexact judge keep kl layer layers link neurons on_conflict out port "
    "prompts quick radius rank rows scale site subject suite texts threshold trials unwanted".split()
)
OTHERWISE = {  # what the command line calls by other words
    "budget=Budget(kl=0.2, points=0.04)": "--budget kl=0.2,points=0.04",
    "check=False": "--no-check",
    "export.sums(FOLDER)": "--to sums -o FOLDER",
    "file=FILE.whl": "--from FILE.whl",
    "goal.behaviour": "--data",
    "label=NAME": "--label-column NAME",
    "lm": "--model MODEL",
    "prompts=[TEXT]": "--prompt TEXT",
    "load_ripples(FILE)": "--ripples FILE",
    "text=NAME": "--text-column NAME",
    "token": "--token-file FILE or SUTURE_TOKEN=...",
}


def in_options(text: str) -> str:
    """Return a text of the library as somebody at the command line can use it."""
    return MARK.sub(_option, text)


def _option(mark: re.Match[str]) -> str:
    if mark[1] in OTHERWISE:
        return OTHERWISE[mark[1]]
    if form := FORMAT.fullmatch(mark[1]):
        return f"--to {_dashed(form[1])}"
    setting = SETTING.fullmatch(mark[1])
    if setting is None or setting[1] not in SETTINGS:
        return mark[0]
    name, value = setting[1], (setting[2] or "True").strip('"')
    if value == "True":
        return f"--{_dashed(name)}"
    option = "-o" if name == "out" else f"--{_dashed(name)}"
    return f"{option} {value}"


def _dashed(name: str) -> str:
    return name.replace("_", "-")
