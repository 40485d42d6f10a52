"""Who may import whom, and what the package never does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "suture"
FILES = sorted(SOURCE.rglob("*.py"))
ALLOWED = {  # module -> modules of the package it may import
    "errors": set(),
    "files": {"errors", "redact"},
    "tensorfile": {"errors", "files", "redact"},
    "delta_kind": {"errors"},
    "rounding": set(),
    "delta": {"delta_kind", "rounding"},
    "hooks": set(),
    "dose": {"errors"},
    "moving": {"delta", "errors"},
    "codebook": {"moving"},
    "steer": {"codebook", "delta", "moving"},
    "passes": {"codebook", "errors", "dose", "hooks", "moving", "steer"},
    "provenance": {"tensorfile"},
    "patch_file": {"delta", "errors", "provenance", "steer", "tensorfile"},
    "patch": {"delta", "dose", "effect", "errors", "hub", "moving", "passes", "patch_file", "provenance", "tensorfile"},
    "overlap": {"delta", "patch"},
    "checkpoint/undisturbed": set(),
    "checkpoint/copying": {"checkpoint.undisturbed"},
    "checkpoint/disk": {"errors", "files", "checkpoint.copying"},
    "checkpoint/header": {"errors", "files"},
    "checkpoint/folder": {"errors", "checkpoint.header", "checkpoint.ledger", "checkpoint.refusals", "printable"},
    "checkpoint/refusals": {"checkpoint.folder"},
    "checkpoint/undo": {"errors", "tensorfile", "checkpoint.disk", "checkpoint.header", "checkpoint.spans"},
    "layouts": set(),
    "sites": {"delta", "layouts"},
    "anatomy": {"errors", "layouts", "sites"},
    "checkpoint_forms": {"sites"},
    "batches": {"errors"},
    "lm": {"anatomy", "batches", "checkpoint_forms", "errors", "hooks", "loading", "patient", "reading"},
    "network": set(),
    "loading": {
        "checkpoint.folder",
        "checkpoint.header",
        "checkpoint.reading",
        "checkpoint.refusals",
        "checkpoint_forms",
        "errors",
        "files",
        "network",
        "patient",
    },
    "tracing": {"anatomy", "errors", "hooks", "lm"},
    "file_rows": {"errors", "files"},
    "letters": set(),
    "reasoning": set(),
    "unread": set(),
    "prompt_rows": {"errors", "letters"},
    "examples": {"data", "errors", "fact_files", "file_rows", "instances", "patient.suites", "prompt_rows", "unread"},
    "instances": {"errors", "examples", "json_records", "patient.attacks", "unread"},
    "repetition": {"letters"},
    "safety_files": {"errors", "examples", "file_rows", "files", "unread"},
    "harness": {"errors", "lm", "patch"},
    "hub": {"errors", "export", "export.card", "files", "network", "patch", "patch_file", "tensorfile"},
    "fact_files": {"errors", "examples", "fact_formats", "json_records", "references", "unread"},
    "fact_formats": {"errors", "examples", "json_records", "letters", "subjects"},
    "json_records": {"errors", "file_rows"},
    "subjects": {"errors", "letters"},
    "fact_rows": {"errors", "examples", "letters", "lm", "reading", "spacing"},
    "linalg": set(),
    "judges/_base": {"letters"},
    "judges/_text": {"letters", "reasoning"},
    "judges/agreement": {"errors", "files", "judges._base", "judges._named"},
    "judges/lexicon": {"judges._base", "judges._text", "letters", "reasoning"},
    "judges/refusal": {"judges._base", "judges._text"},
    "judges/toxicity": {"judges._base", "judges._text", "judges._toxic_words"},
    "judges/sentiment": {"judges._base", "judges._text", "judges._sentiment_words"},
    "judges/steady": {"judges._base", "reasoning", "repetition"},
    "judges/training": {
        "errors",
        "examples",
        "files",
        "instances",
        "judges._base",
        "judges._text",
        "judges.agreement",
        "judges.linear",
        "linalg",
    },
    "judges/linear": {"errors", "files", "judges._base", "judges._text"},
    "judges/classifier": {"errors", "files", "judges._base", "reasoning"},
    "judges/endpoint": {"errors", "judges._base", "judges._text"},
    "judges/detoxify": {"errors", "judges._base", "reasoning"},
    "region": {"errors", "anatomy", "tensorfile"},
    "topk": set(),
    "mask": {"errors", "lm", "tensorfile"},
    "contrasts": {"examples", "lm"},
    "lessons": {"errors", "file_rows", "unread"},
    "perturbation": {"delta", "lm", "mask", "patch"},
    "locate/_gradients": {"anatomy"},
    "locate/_scores": {"anatomy", "contrasts", "examples", "features", "lm", "probe", "tracing"},
    "locate/_judge_scores": {"errors", "generation", "lm", "locate._scores", "reading", "spacing"},
    "methods/_trained/masked": {"errors", "lm", "tensorfile"},
    "methods/_trained/places": {"delta", "lm", "mask", "methods._trained.masked"},
    "methods/_trained/harmless": {"data", "errors", "examples", "generation", "lm", "methods._trained.watch"},
    "methods/_trained/lowrank": {"delta", "lm", "mask", "methods._trained.masked", "methods._trained.places"},
    "features": {"anatomy", "examples", "lm", "tracing"},
    "flow": {"errors", "lm"},
    "generation": {"errors", "flow", "lm", "patch", "reading"},
    "serve/speech": set(),
    "serve/ticket": {"generation", "serve.speech"},
    "serve/errands": set(),
    "serve/engine": {
        "dose",
        "errors",
        "flow",
        "generation",
        "lm",
        "memory.store",
        "patch",
        "reading",
        "serve.errands",
        "serve.limits",
        "serve.speech",
        "serve.ticket",
        "several",
    },
    "serve/limits": {"errors", "generation", "lm", "patch", "serve.ticket"},
    "serve/wire": {"generation", "serve.ticket"},
    "serve/refusals": {"errors", "serve.limits", "serve.wire"},
    "serve/app": {"lm", "serve.engine", "serve.refusals", "serve.ticket", "serve.wire"},
    "serve/run": {"errors", "serve.app"},
    "registry": {"errors"},
    "redact": set(),
    "printable": {"redact"},
    "yaml_text": {"errors", "files"},
    "authorship": {"errors", "files"},
    "resuming": {"authorship", "errors", "redact", "runs"},
    "runs": {"", "authorship", "errors", "files", "printable", "redact", "tensorfile", "yaml_text"},
    "dosing": {"generation", "judges", "lm", "patch"},
    "talk": {"dosing", "errors", "files", "generation", "judges", "lm", "memory.store", "patch"},
    "ledger": {"errors", "examples", "fact_formats", "files", "letters"},
    "health": {"delta", "errors", "lm", "metrics", "metrics._written", "patch"},
    "course": {"errors", "files", "health", "ledger", "patch"},
    "memory/entries": {"codebook", "delta", "errors", "lm", "patch"},
    "memory/scope": {"anatomy", "codebook", "errors", "examples", "letters", "lm", "tracing"},
    "memory/store": {
        "",
        "anatomy",
        "errors",
        "examples",
        "fact_files",
        "fact_formats",
        "lm",
        "memory.scope",
        "patch",
        "provenance",
        "spacing",
        "tensorfile",
    },
    "memory/hybrid": {"errors", "examples", "lm", "memory.entries", "memory.store", "metrics", "patch"},
    "direction": {"errors", "export", "export.gguf_control", "linalg", "lm", "probe", "tensorfile"},
    "condition": {"anatomy", "examples", "linalg", "lm", "passes", "steer", "tracing"},
    "kernel": set(),
    "bake": {"errors", "anatomy", "codebook", "delta", "lm", "patch", "steer"},
    "exemplars": {"anatomy", "errors", "examples", "features", "lm", "reading"},
    "levels": {
        "budget",
        "errors",
        "evaluation",
        "examples",
        "exemplars",
        "lm",
        "memory.store",
        "metrics._score",
        "patch",
        "reading",
        "report.comparison",
        "suite",
    },
    "several": {"errors", "dose", "patch"},
    "budget": {"errors", "metrics._score", "suite"},
    "references": {"errors", "json_records", "letters", "unread"},
    "ripples": {"errors", "json_records", "lm", "metrics", "metrics._score", "suite", "unread"},
    "multi_hop": {"errors", "examples", "fact_formats", "json_records", "metrics", "suite", "unread"},
    "methods/_facts/swapped": {"examples", "fact_rows", "generation", "lm", "metrics.completion", "reading"},
}


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, as dotted names below suture."""
    package = path.relative_to(SOURCE).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(package[: len(package) - node.level + 1])
            if node.module:
                found.add(".".join([*base, node.module]))
            else:
                found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


@pytest.mark.parametrize("name", ALLOWED)
def test_a_module_imports_only_what_lies_below_it(name):
    assert imports(SOURCE / f"{name}.py") <= ALLOWED[name]


def test_methods_and_locators_never_import_their_like():
    for folder in ("methods", "locate"):
        for file in (SOURCE / folder).glob("*.py"):
            own = {m for m in imports(file) if m.startswith(folder) and "._" not in m}
            assert not own, f"{file.name} imports {own}"
    for file in (SOURCE / "locate").glob("*.py"):
        assert not any(m.startswith("methods") for m in imports(file))


def test_metrics_know_no_method_and_no_patch():
    for file in (SOURCE / "metrics").glob("*.py"):
        assert not any(m.split(".")[0] in ("methods", "locate", "patch", "cli") for m in imports(file))


def test_patches_on_disk_know_no_model():
    below = {"errors", "files", "tensorfile", "delta", "patch", "provenance", "checkpoint", "printable", "redact"}
    for file in (SOURCE / "checkpoint").glob("*.py"):
        assert all(m.split(".")[0] in below for m in imports(file)), file


def test_pictures_know_numbers_alone():
    for file in (SOURCE / "figures").glob("*.py"):
        assert all(m == "figures._svg" for m in imports(file)), file


def test_nobody_imports_the_command_line():
    for file in FILES:
        if "cli" not in file.parts:
            assert not any(m.startswith("cli") for m in imports(file)), file


def test_no_pickle_no_eval_no_shell():
    forbidden = {"eval", "exec", "compile", "__import__"}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & {"pickle", "marshal", "shelve", "dill"}, file
            if isinstance(node, ast.Call):
                assert not (isinstance(node.func, ast.Name) and node.func.id in forbidden), file
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "yaml.load", "os.system"), file
                assert not any(k.arg == "shell" for k in node.keywords), file
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert ast.unparse(node.value) == "False", file


def test_no_silent_except():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body):
                assert isinstance(node.type, ast.Name), file
                assert node.type.id == "_Stop", f"{file}:{node.lineno}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import suture", ["torch", "transformers", "rich"]),
        ("from suture.patch.patch import Patch", ["transformers"]),
        ("import suture.checkpoint.verbs, suture.checkpoint.difference, suture.patch.overlap", ["transformers"]),
        ("import suture.cli.main", ["torch", "transformers", "numpy"]),
        ("import suture.runs.run", ["torch", "transformers", "numpy"]),
    ],
)
def test_light_imports_stay_light(code, absent):
    check = f"import sys\n{code}\nprint(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
