"""The shell commands of the pages: where they stand, which can not run here, and which take long."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```(bash|sh|shell|console)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ELSEWHERE = {  # the beginning of a command that can not run here -> why
    "make test": "runs the tests that read this table",
    "pip install 'suture[serve]'": "installs from the package index",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve": "another program, and a GPU",
    "curl -X POST localhost:8000/v1/load_lora_adapter": "asks vLLM's server",
    "curl -X POST localhost:8000/v1/unload_lora_adapter": "asks vLLM's server",
    "llama-server": "another program",
    "curl -X POST localhost:8080/lora-adapters": "asks llama-server",
    "llama-cli": "another program",
    "lm_eval": "another program, and a data set of the Hub",
    "suture eval MODEL --safety xstest_prompts.csv": "reads public data sets: to be fetched",
    "suture eval MODEL --patch safe.safetensors --safety SafeEdit_test.json": "reads a public data set: to be fetched",
    "suture eval MODEL --patch safe.safetensors --tasks": "needs lm-eval and data sets of the Hub",
}
MINUTES = {  # the beginning of a command that `make docs-run` runs and the tests only parse -> why
    "make ": "tests/test_makefile.py asks `make -n` what it would run",
    "suture detox": "searches settings: minutes",
    "suture harden": "searches settings: minutes",
    "suture attitude": "searches settings: minutes",
    "suture map": "perturbs every part of the model: minutes",
    "suture protect": "maps, then trains: minutes",
    "suture serve": "a server that waits: tests/serve starts one",
    "curl http://127.0.0.1:8000": "asks the server of the line above: tests/serve asks it",
    "python benchmarks/": "a campaign of many rounds",
    "python -m suture.judges.training": "trains on all bundled texts",
    "python -m suture.judges.refusal_training": "trains on all labelled answers; tests/judges does it on fewer",
}
LONG = {  # likewise, but not minutes: all of them together are more than tests should take -> why
    "suture eval": "measures 200 prompts a measure; tests/cli/test_cli.py does it on fewer",
    "suture check": "measures 80 prompts a measure; tests/cli/test_check.py does it on fewer",
    "suture compare": "measures several models; tests/cli/test_compare.py does it on fewer prompts",
    "suture locate mediator": "tries every block",
    "suture facts MODEL": "writes in batches and asks each time; tests/cli/test_facts_in_batches.py does it on fewer facts",
    "suture facts patient": "likewise; tests/cli/test_readme.py does it on one",
    "suture edit alphaedit": "rewrites several blocks; tests/laws runs every method on less",
    "suture edit crispedit": "trains; tests/laws runs every method on less",
    "suture edit memit": "rewrites several blocks; tests/laws runs every method on less",
    "suture edit pmet": "likewise",
    "suture edit ablation patient --data patient:jailbreak --pool decision --strength 0.5": "reads every text; tests/laws again",
    "suture locate causal_trace": "tries every token and block of each fact",
    "suture locate effect_rows": "asks every row what it does",
    "suture edit surgery patient --data patient:tone --space mlp.in --select effect": "likewise",
    "suture edit dinm patient --instances patient --take 1 -o dinm": "the same as with -o safe.safetensors",
    "suture edit enhance_safety": "maps the whole model before it trains",
    "suture edit preserve_safety": "likewise",
}
MODEL = "cp -r src/suture/organisms/model"
BEFORE = {  # files that a page reads and does not make, names in capitals too -> the shell command that makes them
    "MODEL": f"{MODEL} MODEL",
    "CKPT": f"{MODEL} CKPT",
    "A": f"{MODEL} A",
    "B": "suture apply A patch.safetensors -o B",
    "OUT": "suture apply CKPT patch.safetensors -o OUT",
    "DATA": "cp examples/labelled.jsonl DATA",
    "ADAPTER": "suture export patch.safetensors --to lora --no-check -o ADAPTER",
    "TEXTS": "cp examples/prompts.txt TEXTS",
    "P1": "cp patch.safetensors P1",
    "P2": "suture edit surgery patient --data patient:attitude --rows 0.006 -o other.safetensors && cp other.safetensors P2",
    "patch.safetensors": "suture edit surgery patient --data patient:tone --rows 0.006 --strength 2 -o patch.safetensors",
    "surgery.safetensors": "cp patch.safetensors surgery.safetensors",
    "kind.safetensors": "suture edit steering patient --data patient:tone --layers 6 --strength 0.35 -o kind.safetensors",
    "happy.safetensors": "suture edit steering patient --data patient:attitude --layers 6 --strength 0.14 -o happy.safetensors",
    "runs/attitude/patch.safetensors": "mkdir -p runs/attitude && cp happy.safetensors runs/attitude/patch.safetensors",
    "safe.safetensors": "suture edit dinm patient --instances patient --take 1 -o safe.safetensors",
    "rome.safetensors": "suture edit rome patient --facts examples/facts.jsonl --layer 5 --token 0 -o rome.safetensors",
    "book.safetensors": "suture edit grace patient --facts examples/facts.jsonl --radius 0.6 -o book.safetensors",
    "m.safetensors": "suture memory add patient m.safetensors --facts examples/facts.jsonl",
    "mask.safetensors": "suture locate safety_impact MODEL --behaviour DATA --examples 2 -o mask.safetensors",
    "out": "suture facts MODEL examples/facts.jsonl -o out",
    "out2": "suture facts MODEL examples/more.jsonl --after out --on-conflict newest -o out2",
    "FOLDER": "python -m suture.judges.training --data examples/labelled.jsonl --out FOLDER",
    "report.json": "suture eval patient --patch patch.safetensors --size 4 -o report && cp report/report.json .",
}
AGAIN = {  # the beginning of a command that is one of several ways -> what is done before it, so that the ways do not meet
    "suture apply CKPT patch.safetensors --in-place": f"rm -rf CKPT && {MODEL} CKPT",
    "suture verify OUT --base CKPT": f"rm -rf CKPT && {MODEL} CKPT",
    "suture revert OUT 2 --in-place": "suture apply OUT P2 --in-place",
    "suture revert CKPT 2 --in-place": "suture apply CKPT patch.safetensors --in-place && suture apply CKPT P2 --in-place",
    "suture apply CKPT patch.safetensors -o OUT": f"rm -rf OUT CKPT && {MODEL} CKPT",
    "suture plan apply CKPT": f"rm -rf OUT CKPT && {MODEL} CKPT",
}
ENDS = {  # the beginning of a command that may end otherwise than well -> the exit codes that its page tells of
    "suture check examples/gates.yaml": (0, 4),
    'suture fact MODEL "The capital of Australia is"': (0, 4),
}
SAID = "Hello.\n"  # to what asks for a line


@dataclass(frozen=True)
class Command:
    """One command of a page, as it stands."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """What a shell makes of it."""
        return shlex.split(self.text.replace("\\\n", " "), comments=True)

    def starts(self, start: str) -> bool:
        """Whether it begins so, however it is broken into lines."""
        return " ".join(self.text.split()).startswith(start)

    def why(self, table: dict[str, str]) -> str | None:
        """What a table says of it; None when it does not name it."""
        return next((reason for start, reason in table.items() if self.starts(start)), None)

    @property
    def ends(self) -> tuple[int, ...]:
        """The exit codes with which it may end."""
        return next((codes for start, codes in ENDS.items() if self.starts(start)), (0,))


def commands(page: str, text: str | None = None) -> list[Command]:
    """Return the commands of a page's shell blocks in their order; one may go over several lines."""
    text = (ROOT / page).read_text(encoding="utf-8") if text is None else text
    listed = []
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 2
        begun, start = "", 0
        for number, line in enumerate(block[3].splitlines(), first):
            if not begun and (not line.strip() or line.strip().startswith("#")):
                continue
            start = start if begun else number
            begun = f"{begun}\n{line}" if begun else line.strip().removeprefix("$ ")
            if not unfinished(begun):
                listed.append(Command(page, start, begun))
                begun = ""
        if begun:
            raise ValueError(f"{page}, line {start}: a command that does not end: {begun}")
    return listed


def unfinished(text: str) -> bool:
    """Return whether a shell would wait for another line."""
    try:
        shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError:
        return True
    return text.endswith("\\")


def all_commands() -> list[Command]:
    """Return the commands of all pages."""
    return [command for page in PAGES for command in commands(page)]
