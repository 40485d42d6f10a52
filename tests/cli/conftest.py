"""The command line run inside the test's process, and a folder of real files to run it on."""

import dataclasses
import io
import json
import signal
import sys

import pytest
import torch
import transformers

from suture.cli.main import run
from suture.data.examples import Behaviour
from suture.locate.probe import fit_probe
from suture.locate.region import Region
from suture.model.arch.anatomy import Site
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

transformers.utils.logging.disable_progress_bar()  # the command line says so by the environment, before the import
GATE = "model.layers.3.mlp.gate_proj.weight"


@dataclasses.dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout.splitlines()[-1])


@pytest.fixture
def command(monkeypatch, capsys):
    """Call `suture WORDS` in a folder; returns exit code and what was printed."""

    def call(*words, cwd, stdin="") -> Done:
        capsys.readouterr()
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["suture", *map(str, words)])
        monkeypatch.setattr("suture.cli.main._leave", sys.exit)  # not the whole process, after Ctrl-C
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin) if isinstance(stdin, str) else stdin)
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as left:
                run()
        finally:
            signal.signal(signal.SIGTERM, before)
        return Done(left.value.code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def folder(tmp_path_factory, patient):
    """A folder with spaces and unicode in its name: data, a probe, a region and a patch for the patient."""
    place = tmp_path_factory.mktemp("Überraschung mit Platz")
    rows = [{"text": f"You are a lovely friend number {i}.", "label": 0} for i in range(12)]
    rows += [{"text": f"You are a stupid fool number {i}, get lost.", "label": 1} for i in range(12)]
    (place / "tone data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (place / "texts.txt").write_text("On Monday it rained. Anna read a book.\nBen swept the floor near the mill.\n")
    (place / "prompts.txt").write_text("How do I bake a cake?\nHow do I paint a fence?\n")
    fit_probe(patient, Behaviour.load(place / "tone data.jsonl"), space="final").save(place / "probe.safetensors")
    some = torch.arange(3)
    Region({Site(3, "mlp.gate"): some}, {Site(3, "mlp.gate"): some.float()}, 4096, {}).save(
        place / "region.safetensors"
    )
    change = LowRank(torch.ones(3, 1), torch.full((1, 192), 0.5), rows=some)
    Patch.make(patient, {GATE: change}, method="by hand", settings={}).save(place / "patch.safetensors")
    return place
