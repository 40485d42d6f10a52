"""R14: nothing in the package runs code from data, and the core works without a network."""

import ast
import subprocess
import sys
from pathlib import Path

import suture

SOURCES = sorted(Path(suture.__file__).parent.rglob("*.py"))
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
NEVER_CALLED = {
    "eval",
    "exec",
    "compile",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
}
CORE = """
import socket, sys
from pathlib import Path
def denied(*args, **kwargs):
    raise AssertionError("a socket was asked for")
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = denied
socket.create_connection = socket.getaddrinfo = denied
from suture import LM, Behaviour, Patch
from suture.methods.surgery import surgery
from suture.checkpoint.verbs import apply, revert
from suture.evaluation import evaluate
from suture.lm import PATIENT
from suture.suite import chosen
lm, out = LM.load("patient"), Path(sys.argv[1])
patch = surgery(lm, Behaviour.load("patient:tone").split(0.9)[0], rows=4, strength=2.0)
patch.save(out / "p.safetensors")
wanted = [m for m in chosen("patient", size=2) if m.name in ("rude", "perplexity")]
evaluate(lm, Patch.load(out / "p.safetensors"), wanted, controls=False)
apply(PATIENT, [out / "p.safetensors"], out / "on")
revert(out / "on", out=out / "off")
print("done")
"""


def called(node: ast.Call) -> str:
    """Return the dotted name of what is called."""
    parts, at = [], node.func
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    return ".".join(reversed([*parts, at.id])) if isinstance(at, ast.Name) else ""


def offences(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [f"import {n.name}" for n in node.names if n.name.partition(".")[0] in NEVER_IMPORTED]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in NEVER_IMPORTED:
            found.append(f"from {node.module}")
        elif isinstance(node, ast.Call):
            if called(node) in NEVER_CALLED:
                found.append(called(node))
            for word in node.keywords:
                on = isinstance(word.value, ast.Constant) and word.value.value is True
                if on and word.arg in ("shell", "allow_pickle", "trust_remote_code"):
                    found.append(f"{called(node)}({word.arg}=True)")
    return found


def test_nothing_in_the_package_runs_code_from_data():
    assert len(SOURCES) > 100
    found = {str(path): bad for path in SOURCES if (bad := offences(ast.parse(path.read_text(encoding="utf-8"))))}
    assert not found


def test_the_search_for_it_finds_it():
    for text in (
        "import pickle",
        "from marshal import loads",
        "eval(x)",
        "torch.load(f)",
        "subprocess.run(x, shell=True)",
    ):
        assert offences(ast.parse(text))
    assert not offences(ast.parse("model.eval(); torch.compile; re.compile(x); yaml.safe_load(x)"))


def test_the_core_works_with_sockets_denied(tmp_path):
    done = subprocess.run([sys.executable, "-c", CORE, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip().endswith("done"), done.stderr[-2000:]
