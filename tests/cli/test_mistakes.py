"""Mistakes made on purpose: each is answered by what, why and what to try, with the documented exit code."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import tiny_gpt2, tiny_llama
from suture.locate.probe import Probe
from suture.locate.region import Region
from suture.model.arch.anatomy import Site
from suture.model.lm import PATIENT
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

GOOD = '{"text": "a lovely friend", "label": 0}\n'
FILES = {
    "broken.jsonl": '{"text": "a", "label": 0}\n{"text": \n',
    "empty.jsonl": "",
    "array.jsonl": f"{GOOD}[1, 2]\n",
    "textless.jsonl": f'{GOOD}{{"text": " ", "label": 1}}\n',
    "number.jsonl": f'{GOOD}{{"text": 5, "label": 1}}\n',
    "promptless.jsonl": f'{GOOD}{{"text": "a", "label": 1, "prompt": 7}}\n',
    "maybe.jsonl": f'{GOOD}{{"text": "a", "label": "maybe"}}\n',
    "columns.jsonl": '{"speech": "a", "label": 1}\n',
    "unlabelled.jsonl": '{"text": "a"}\n',
    "one kind.jsonl": GOOD * 5,
    "data.xlsx": "x",
    "ragged.csv": "text,label\none, two, three\n",
    "quotes.csv": 'text,label\n"never closed,1\n',
    "empty.txt": "\n",
    "three.txt": "one\ntwo\nthree\n",
    "broken.json": '{"lines": [',
    "other.json": '{"a": 1}',
    "text.safetensors": "this is no tensor file at all, only text that goes on",
    "short.safetensors": "x",
    "syntax.py": "def syntax(lm:\n",
    "raises.py": "raise RuntimeError('at import')\n",
    "nameless.py": "x = 1\n",
    "unmarked.py": "def unmarked(lm): ...\n",
    "tab.yaml": "model: patient\n\tpatches: []\n",
    "list.yaml": "- model\n",
    "key.yaml": "model: patient\npatches: [patch.safetensors]\nscael: 2\ngates: [{measure: rude, max: 1}]\n",
    "gatekey.yaml": "model: patient\npatches: [patch.safetensors]\ngates:\n  - {measure: rude, max: 1}\n"
    "  - measure: kind\n    max_increse: 1\n",
    "two.yaml": "model: patient\npatches: [patch.safetensors]\ngates:\n- {measure: rude, max: 1, min: 0}\n",
    "type.yaml": "model: patient\npatches: [patch.safetensors]\nscale: strong\ngates: [{measure: rude, max: 1}]\n",
    "judged.yaml": "model: patient\npatches: [patch.safetensors]\nprompts: prompts.txt\n"
    "judge: openai:m@http://elsewhere.invalid/v1\ngates: [{measure: refused, max: 1}]\n",
    "coded.yaml": "model: patient\npatches: [patch.safetensors]\nprompts: prompts.txt\njudge: raises.py\n"
    "gates: [{measure: refused, max: 1}]\n",
    "README.md": "# A project\n",
    "missing.yaml": "model: patient\npatches: [patch.safetensors]\n",
    "measure.yaml": "model: patient\npatches: [patch.safetensors]\nsize: 1\ngates: [{measure: rued, max: 1}]\n",
    "nopatch.yaml": "model: patient\npatches: [none.safetensors]\nsize: 1\ngates: [{measure: rude, max: 1}]\n",
    "suite.yaml": "model: patient\nsuite: world\npatches: [patch.safetensors]\ngates: [{measure: rude, max: 1}]\n",
    "falls.yaml": "model: patient\ntexts: texts.txt\ncontrols: false\nsize: 1\npatches: [patch.safetensors]\n"
    "gates: [{measure: drift, max: 0}]\n",
    "unfinished/recipe.yaml": "command: [probe\n",
    "wordless/recipe.yaml": "command: 5\n",
    "empty model/readme": "",
    "bad model/config.json": "{",
    "out is a file": "x",
}


@pytest.fixture(scope="module")
def place(folder, tmp_path_factory, tokenizer):
    """The folder of good files with all the bad ones beside them."""
    work = tmp_path_factory.mktemp("mistakes") / "mein Ordner"
    shutil.copytree(folder, work)
    for name, content in FILES.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(content)
    (work / "latin.jsonl").write_bytes('{"text": "Müll", "label": 1}\n'.encode("latin-1"))
    (work / "latin.txt").write_bytes("Müll\n".encode("latin-1"))
    (work / "latin.yaml").write_bytes("model: Müll\n".encode("latin-1"))
    content = bytearray((work / "patch.safetensors").read_bytes())
    content[-5] ^= 1
    (work / "flipped.safetensors").write_bytes(content)
    _models(work, tokenizer)
    some = torch.tensor([99_999])
    Region({Site(0, "mlp.gate"): some}, {Site(0, "mlp.gate"): some.float()}, 10, {}).save(work / "far row.safetensors")
    Region({Site(99, "mlp.gate"): some}, {Site(99, "mlp.gate"): some.float()}, 10, {}).save(
        work / "far block.safetensors"
    )
    probe = Probe.load(work / "probe.safetensors")
    thin = Probe("thin", "final", [-1], torch.ones(1, 8), -torch.ones(1, 8), probe.bias, probe.scores)
    thin.save(work / "thin.safetensors")
    return work


def _models(work: Path, tokenizer) -> None:
    """A patch for another architecture, the patient with another weight, and one with a broken weight file."""
    for tiny in (tiny_gpt2(tokenizer), tiny_llama(tokenizer)):
        weight = tiny.anatomy.weights("mlp.down")[0]
        change = weight.place(LowRank(torch.ones(32, 1), torch.ones(1, 48)))
        Patch.make(tiny, {weight.tensor: change}, method="x", settings={}).save(work / f"{tiny.name}.safetensors")
    wide = tiny_llama(tokenizer, square=True).anatomy.weights("mlp.down")[0]
    Patch.make(
        tiny_llama(tokenizer, square=True), {wide.tensor: LowRank(torch.ones(32, 1), torch.ones(1, 32))}, method="x",
        settings={},
    ).save(work / "wide.safetensors")  # fmt: skip
    for name in ("other", "torn"):
        shutil.copytree(PATIENT, work / name)
    for file in (work / "other").glob("*.safetensors"):
        changed = {key: value + 0.5 if "gate_proj" in key else value for key, value in load_file(file).items()}
        save_file(changed, file, {"format": "pt"})
    for file in (work / "torn").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:1000])


DATA = ("--data", "tone data.jsonl")
EDIT = ("edit", "surgery", "patient", *DATA)
COMBINE = ("combine", "patch.safetensors", "patch.safetensors")
PROBED = (*EDIT, "--probe", "probe.safetensors")
EVAL = ("eval", "patient", "--texts", "texts.txt")
CHAT = ("chat", "patient", "--prompt", "Hello")
MISTAKES = [
    # the command line itself
    (("operate",), 2, "operate"),
    (("prob", "patient"), 2, "probe"),
    (("probe",), 2, "model"),
    (("probe", "patient"), 2, "--data"),
    (("probe", "patient", *DATA, "--sede", "1"), 2, "--sede"),
    (("probe", "patient", *DATA, "--seed", "one"), 2, "--seed"),
    (("probe", "patient", *DATA, "--space", "attic"), 2, "attic"),
    (("probe", "patient", *DATA, "--parity", "exact"), 2, "no parity"),
    (("probe", "patient", *DATA, *DATA), 2, "one behaviour"),
    (("edit", "surgeri", "patient", *DATA), 2, 'Did you mean "surgery"'),
    (("plan", "aply", "patient", "p.safetensors"), 2, "Did you mean 'apply'"),
    (("plan", "detox", "patient", "--toward", "negative"), 2, "detox goes one way"),
    (("plan", "attitude", "patient", "--methods", "magic"), 2, "names no methods"),
    ((*EDIT, "--strength", "much"), 2, "--strength"),
    ((*EDIT, "--unit", "miles"), 2, "--unit"),
    # methods from files
    (("edit", "./none.py", "patient", *DATA), 2, "no file"),
    (("edit", "./syntax.py", "patient", *DATA), 2, "syntax.py"),
    (("edit", "./raises.py", "patient", *DATA), 2, "at import"),
    (("edit", "./nameless.py", "patient", *DATA), 2, "marked @method"),
    (("edit", "./unmarked.py", "patient", *DATA), 2, "marked @method"),
    # models
    (("edit", "surgery", "./nowhere", *DATA), 2, "no folder"),
    (("edit", "surgery", "empty model", *DATA), 2, "not a model"),
    (("edit", "surgery", "bad model", *DATA), 5, "can not load"),
    (("edit", "surgery", "torn", *DATA), 5, "not a whole safetensors file"),
    ((*EDIT, "--device", "gpu"), 2, "no device 'gpu'"),
    ((*EDIT, "--device", "cuda:77"), 2, "no device 'cuda:77'"),
    ((*EDIT, "--dtype", "float31"), 2, "no dtype"),
    ((*EDIT, "--dtype", "int8"), 2, "no dtype"),
    # data
    (("probe", "patient", "--data", "none.jsonl"), 2, "no file"),
    (("probe", "patient", "--data", "."), 2, ". is a folder"),
    (("probe", "patient", "--data", "broken.jsonl"), 2, "line 2"),
    (("probe", "patient", "--data", "array.jsonl"), 2, "line 2"),
    (("probe", "patient", "--data", "textless.jsonl"), 2, "line 2"),
    (("probe", "patient", "--data", "number.jsonl"), 2, "line 2"),
    (("probe", "patient", "--data", "promptless.jsonl"), 2, "line 2"),
    (("probe", "patient", "--data", "maybe.jsonl"), 2, "'maybe'"),
    (("probe", "patient", "--data", "columns.jsonl"), 2, "--text-column"),
    (("probe", "patient", "--data", "unlabelled.jsonl"), 2, "--label-column"),
    (("probe", "patient", *DATA, "--label-column", "mood"), 2, "no column 'mood'"),
    (("probe", "patient", *DATA, "--unwanted", "purple"), 2, "Its labels are 0 (12), 1 (12)"),
    (("probe", "patient", "--data", "one kind.jsonl"), 2, "0 unwanted"),
    (("probe", "patient", "--data", "empty.jsonl"), 2, "is empty"),
    (("probe", "patient", "--data", "latin.jsonl"), 2, "UTF-8"),
    (("probe", "patient", "--data", "data.xlsx"), 2, "line 1: not an object, so without a label"),
    (("probe", "patient", "--data", "ragged.csv"), 2, "line 2"),
    (("probe", "patient", "--data", "quotes.csv"), 2, "quotes.csv"),
    (("probe", "patient", "--data", "three.txt,none.txt"), 2, "none.txt"),
    (("probe", "patient", "--data", "three.txt,empty.txt"), 2, "empty.txt is empty"),
    (("probe", "patient", "--data", "patient:mood"), 2, "no behaviour"),
    # settings of a method
    ((*PROBED, "--strength", "0"), 3, "would change nothing"),
    ((*PROBED, "--strength", "nan"), 2, "strength"),
    ((*PROBED, "--rows", "99999"), 2, "can not choose"),
    ((*PROBED, "--rows", "-3"), 2, "can not choose"),
    ((*PROBED, "--rows", "nan"), 2, "--rows can not be nan"),
    ((*PROBED, "--site", "mlp.gaet"), 2, "no weight"),
    ((*PROBED, "--layers", "99"), 2, "no weight"),
    ((*EDIT, "--space", "mlp.in", "--layers", "99"), 2, "no block 99"),
    ((*EDIT, "--keep", "empty.txt"), 2, "is empty"),
    ((*EDIT, "--keep", "none.txt"), 2, "none.txt"),
    # probes, regions, patches
    ((*EDIT, "--probe", "none.safetensors"), 2, "can not read"),
    ((*EDIT, "--probe", "patch.safetensors"), 2, "is a patch file"),
    ((*EDIT, "--probe", "thin.safetensors"), 5, "192"),
    ((*PROBED, "--region", "probe.safetensors"), 2, "is a probe file"),
    ((*PROBED, "--region", "far row.safetensors"), 5, "rows: outside 0..511"),
    ((*PROBED, "--region", "far block.safetensors"), 2, "no weight"),
    (("locate", "probe_rows", "patient", "--probe", "patch.safetensors"), 2, "is a patch file"),
    (("locate", "probe_rows", "patient", "--probe", "thin.safetensors"), 5, "192"),
    (("locate", "probe_row", "patient", "--probe", "probe.safetensors"), 2, 'Did you mean "probe_rows"'),
    ((*EVAL, "--patch", "flipped.safetensors"), 5, "digest"),
    ((*EVAL, "--patch", "short.safetensors"), 5, "shorter"),
    ((*EVAL, "--patch", "text.safetensors"), 5, "header"),
    ((*EVAL, "--patch", "tiny-gpt2.safetensors"), 5, "no tensor"),
    ((*EVAL, "--patch", "tiny-llama.safetensors"), 5, "differs"),
    (("eval", "./other", "--texts", "texts.txt", "--patch", "patch.safetensors"), 5, "differs from the weight"),
    ((*EVAL, "--patch", "patch.safetensors", "--scale", "nan"), 2, "scale"),
    # suites
    (("eval", "patient", "--suite", "world"), 2, "no suite"),
    (("eval", "patient", "--texts", "nothing.txt"), 2, "no file"),
    (("eval", "patient", "--texts", "empty.txt"), 2, "is empty"),
    (("eval", "patient", "--prompts", "latin.txt"), 2, "UTF-8"),
    (("eval", "patient", "--prompts", "prompts.txt", "--judge", "fair"), 2, "no judge"),
    (("eval", "patient", "--prompts", "prompts.txt", "--judge", "texts.txt,none.txt"), 2, "none.txt"),
    ((*EVAL, "--size", "0"), 2, "greater than or equal to 1"),
    # where to write
    ((*PROBED, "--rows", "3", "-o", "out is a file"), 2, "can not write"),
    ((*PROBED, "--rows", "3", "-o", "out is a file/patch.safetensors"), 2, "can not write"),
    ((*PROBED, "--rows", "3", "-o", "folder.safetensors"), 2, "can not write"),
    ((*EVAL, "--patch", "patch.safetensors", "--no-controls", "-o", "out is a file"), 2, "can not write"),
    # show
    (("show", "none.safetensors"), 2, "can not read"),
    (("show", "tone data.jsonl"), 2, "not a suture file"),
    (("show", "flipped.safetensors"), 5, "digest"),
    (("show", "broken.json"), 2, "not a report"),
    (("show", "other.json"), 2, "not a report"),
    (("show", "."), 2, "no patch is on"),
    (("show", "text.safetensors"), 5, "not a whole suture.patch/1 file"),
    # what is there already
    ((*PROBED, "--rows", "3", "-o", "probe.safetensors"), 2, "not a patch file"),
    ((*PROBED, "--rows", "3", "-o", "other/model-00001-of-00004.safetensors"), 2, "not replaced"),
    ((*COMBINE, "-o", "probe.safetensors"), 2, "not replaced"),
    ((*COMBINE, "-o", "patch.safetensors"), 2, "one of the patches"),
    ((*COMBINE, "-o", "other/new.safetensors"), 2, "is a model"),
    (("export", "patch.safetensors", "--to", "lora", "--no-check", "-o", "other"), 2, "is a model"),
    (("export", "patch.safetensors", "--to", "card", "-o", "."), 2, "not replaced"),
    # combine
    ((*COMBINE, "--scale", "1", "--scale", "-1", "--force", "-o", "none.safetensors"), 3, "adds up to 0"),
    (("combine", "tiny-llama.safetensors", "wide.safetensors", "-o", "none.safetensors"), 5, "different"),
    (("combine", "patch.safetensors", "probe.safetensors", "-o", "none.safetensors"), 2, "is a probe file"),
    # check
    (("check", "judged.yaml"), 2, "--trust"),
    (("check", "coded.yaml"), 2, "Its code is run"),
    (("check", "none.yaml"), 2, "can not read"),
    (("check", "latin.yaml"), 2, "UTF-8"),
    (("check", "tab.yaml"), 2, "line 2"),
    (("check", "list.yaml"), 2, "not a spec"),
    (("check", "key.yaml"), 2, 'Did you mean "scale"'),
    (("check", "gatekey.yaml"), 2, "line 6: unknown key 'max_increse'"),
    (("check", "two.yaml"), 2, "exactly one of"),
    (("check", "type.yaml"), 2, "line 3"),
    (("check", "missing.yaml"), 2, "'gates' is missing"),
    (("check", "measure.yaml"), 2, 'Did you mean "rude"'),
    (("check", "nopatch.yaml"), 2, "can not read"),
    (("check", "suite.yaml"), 2, "no suite"),
    (("check", "falls.yaml", "-o", "fallen"), 4, "1 of 1 gates fell"),
    # chat
    ((*CHAT, "--patch", "flipped.safetensors"), 5, "digest"),
    ((*CHAT, "--prompt", "/strenght 2"), 2, "no command /strenght"),
    ((*CHAT, "--prompt", "/strength hard"), 2, "needs a number"),
    ((*CHAT, "--prompt", "/save out is a file/talk.jsonl"), 2, "can not write"),
    (("chat", "patient", "--prompt", "/save"), 2, "nothing to save"),
    (("chat", "patient", "--prompt", "word " * 600), 2, "longer than the model can read"),
    # runs
    (("runs", "nowhere"), 2, "no folder"),
    (("resume", "nowhere"), 2, "not a run"),
    (("resume", "unfinished"), 2, "not YAML"),
    (("resume", "wordless"), 2, "names no command"),
]


# what stands before an error in a pipe
PROGRESS = re.compile(r"(?!error)[\w ]+: (search$|(phase|pass|measure|layer|texts|tensors|\d+ of) )")


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES, ids=[" ".join(m[0])[:70] for m in MISTAKES])
def test_a_mistake_is_answered_in_a_few_lines_with_its_code(command, place, monkeypatch, words, code, said):
    (place / "folder.safetensors").mkdir(exist_ok=True)
    monkeypatch.setenv("COLUMNS", "80")
    done = command(*words, cwd=place)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if not PROGRESS.match(line)]
    assert sum(line.startswith("error: ") for line in lines) == 1, done.stderr
    assert lines[0].startswith("error: "), done.stderr
    assert sum(line.startswith("  try: ") and len(line) > len("  try: x") for line in lines) == 1, done.stderr
    assert len(lines) <= 3, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_there_are_at_least_sixty_mistakes_and_no_two_alike():
    assert len({json.dumps(words) for words, _, _ in MISTAKES}) == len(MISTAKES) >= 60
