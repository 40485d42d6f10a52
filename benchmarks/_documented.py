"""The commands of the pages: which can not run here, which take long, what they read and how they end."""

import shlex
from dataclasses import dataclass

from _pages import PAGES, Block, blocks, session, typed

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
    "suture detox MODEL": "the bundled files stand for MODEL and read no English; `make real` runs it on SmolLM2",
    "suture harden MODEL": "likewise",
    "suture attitude MODEL": "likewise",
    "suture get smollm2 --from": "needs a file that was fetched elsewhere; tests/model/test_get.py has one",
    "suture get smollm2": "fetches 93 MB; tests/model/test_smollm2.py reads what it fetches",
    "suture get --remove smollm2": "removes what the user fetched; tests/model/test_get.py removes its own",
    "suture get PATH.gguf": "reads a model as GGUF; tests/model/test_gguf_folder.py and tests/cli/test_get.py make some",
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
CLONED = {
    ". .venv/bin/activate": "there is one where make has installed"
}  # likewise, but not for the time it takes -> why
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
    "suture edit rome patient --facts examples/facts.jsonl --layer 5 --token 0 --keep": "reads 240 texts to keep; run without",
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
    "P2": "suture edit surgery patient --data DATA --rows 0.01 -o other.safetensors && cp other.safetensors P2",
    "patch.safetensors": "suture edit surgery patient --data DATA --rows 0.006 --strength 2 -o patch.safetensors",
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
    "report.json": "suture eval patient --patch patch.safetensors --texts TEXTS -o report && cp report/report.json .",
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
SAMPLES = {  # page -> how its block of text begins that stands below no command, and the command that prints each line of it,
    # up to an ANY at its end
    "README.md": ("+ The capital of Australia is", "make demo"),
}
SAID = "Hello.\n"  # to what asks for a line


@dataclass(frozen=True)
class Command:
    """One command of a page, as it stands, and what the page shows below it."""

    page: str
    line: int
    text: str
    shown: str | None = None

    @property
    def words(self) -> list[str]:
        """What a shell makes of it."""
        return shlex.split(self.text.replace("\\\n", " "), comments=True)

    @property
    def plain(self) -> str:
        """It, on one line."""
        return " ".join(self.text.split())

    def starts(self, start: str) -> bool:
        """Whether it begins so, however it is broken into lines."""
        return self.plain.startswith(start)

    def why(self, table: dict[str, str]) -> str | None:
        """What a table says of it; None when it does not name it."""
        return next((reason for start, reason in table.items() if self.starts(start)), None)

    @property
    def ends(self) -> tuple[int, ...]:
        """The exit codes with which it may end."""
        return next((codes for start, codes in ENDS.items() if self.starts(start)), (0,))


def commands(page: str, text: str | None = None) -> list[Command]:
    """Return the commands of a page's shell blocks in their order. A block of text below one is what its last command prints."""
    listed: list[Command] = []
    before: Block | None = None
    for block in blocks(page, text):
        if block.typed:
            listed += [Command(page, line, command) for line, command in typed(block)]
        elif block.printed and block.follows and before and before.typed:
            listed[-1] = Command(page, listed[-1].line, listed[-1].text, block.text)
        before = block
    return listed


def sessions(page: str) -> list[Command]:
    """Return the commands that a page's blocks of text show behind `$ `, with what is printed below each."""
    return [
        Command(page, line, command, shown)
        for block in blocks(page)
        if block.printed
        for line, command, shown in session(block)
    ]


def all_commands() -> list[Command]:
    """Return the commands of all pages."""
    return [command for page in PAGES for command in commands(page)]
