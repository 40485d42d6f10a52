"""What 0.1.0 wrote must be read for ever: committed files of every format, read by this version, content compared.

The files and `expected.json` were made by version 0.1.0 itself (see fixtures/make.py). Never make them anew to let a test pass.
"""

import json
import shutil

import pytest
import torch

from checkpoint_parts import QUICK, Tensors, digests, weights
from fixtures import reading
from fixtures.reading import FOLDER
from suture import LM, Patch
from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.stack.ledger import Ledger as CheckpointLedger
from suture.checkpoint.stack.ledger import read_intent
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import CorruptFile, PatchMismatch
from suture.export import gguf_lora, lora
from suture.export.card import read_report
from suture.io.tensorfile import form_of
from suture.locate.region import Region
from suture.memory import Memory
from suture.patch.file import FORMAT
from suture.patch.provenance import Stamp
from suture.patch.runtime.steer import KINDS
from suture.runs.run import Run, events
from suture.search import Point

EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
STATES = json.loads((FOLDER / "checkpoints" / "states.json").read_text(encoding="utf-8"))
FILES = sorted(EXPECTED["files"])
PATCHES = [name for name in FILES if name.startswith("patches/")]
ON_MODEL = [name for name in PATCHES if "shift" not in name]
RUNS = FOLDER / "run folders"


@pytest.fixture(scope="module")
def lm():
    return LM.load(FOLDER / "model")


def put(name, tmp_path):
    """A checkpoint of the fixtures, to be changed."""
    return shutil.copytree(FOLDER / "checkpoints" / name, tmp_path / name)


def problems(path, **kwargs):
    return [finding for finding in verify(path, **kwargs) if finding.problem]


def of_old(found, expected):
    """What is found without keys that were not known then: a reader may know more today, and must still say what it said."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {key: of_old(value, expected[key]) for key, value in found.items() if key in expected}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [of_old(*pair) for pair in zip(found, expected, strict=True)]
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_what_it_held(name):
    assert of_old(reading.described(name), EXPECTED["files"][name]) == EXPECTED["files"][name]


def test_no_file_that_can_be_read_is_forgotten():
    assert sorted(reading.readable()) == FILES


def test_every_kind_of_change_is_among_the_patches():
    kinds = {term["kind"] for name in PATCHES for terms in EXPECTED["files"][name]["terms"].values() for term in terms}
    assert kinds >= {"lowrank", "entries", "dense", "shift", "steer", "codebook"}
    assert kinds == set(KINDS), "a new kind of change: commit a patch of it, made by the version that brought it"


def test_the_base_is_the_one_they_were_made_for():
    known = {
        (stamp["dtype"], name, stamp["sha256"])
        for file in ON_MODEL
        for name, stamp in EXPECTED["files"][file]["before"].items()
    }
    model = LM.load(FOLDER / "model")
    found = {
        (s.dtype, name, s.sha256)
        for _, name, _ in known
        for s in [Stamp.of(model.tensor(name), model.disk_dtype(name))]
    }
    assert found == known


@pytest.mark.parametrize("name", ON_MODEL)
def test_a_patch_does_what_it_did(lm, name):
    """On the committed base the weights become, bit for bit, what 0.1.0 promised; one of activations can be attached."""
    patch = Patch.load(FOLDER / name)
    if not patch.steers:
        with patch.applied(lm):
            made = {tensor: Stamp.of(lm.tensor(tensor), lm.disk_dtype(tensor)) for tensor in patch.terms}
        assert {tensor: made[tensor].sha256 for tensor in patch.after} == {t: s.sha256 for t, s in patch.after.items()}
        assert all(made[tensor] != patch.before[tensor] for tensor in made)
    ids = lm.batch([lm.encode("The mayor of Wandton is")])
    with torch.no_grad():
        before = lm.forward(ids).logits
        with patch.used(lm):
            during = lm.forward(ids).logits
        assert torch.equal(lm.forward(ids).logits, before)
    acts = {s.get("positions") for terms in patch.terms.values() for t in terms for s in [t.settings()]} - {"generated"}
    assert torch.equal(during, before) == (not acts)


def test_a_shift_and_columns_of_a_patch_made_by_hand():
    patch = Patch.load(FOLDER / "patches" / "shift.safetensors")
    host = Tensors(weights(torch.float32))
    for name, (term,) in patch.terms.items():
        rows = term.touched_rows(patch.before[name].shape)
        change = term.at(rows, patch.before[name].shape)
        if name == "norm":
            assert change.tolist() == list(range(8))
        else:
            assert change.sum(0).tolist() == [0, 12, 0, 0, 0, 12, 0, 0]
        assert host.tensor(name).shape == patch.before[name].shape


def test_sums_and_multiples_are_those_of_their_parts():
    parts = {name: Patch.load(FOLDER / "patches" / f"{name}.safetensors") for name in ("surgery", "rome", "finetune")}
    digests_of = lambda patch: {n: sorted(t.digest() for t in ts) for n, ts in patch.terms.items()}  # noqa: E731
    read = {name: Patch.load(FOLDER / "patches" / f"{name}.safetensors") for name in ("sum", "scaled", "combined")}
    assert digests_of(read["sum"]) == digests_of(parts["surgery"] + parts["rome"] * 2)
    assert digests_of(read["scaled"]) == digests_of(parts["surgery"] * -0.5)
    assert digests_of(read["combined"]) == digests_of(parts["surgery"] + parts["rome"] + parts["finetune"])
    assert [len(read[name].provenance.parents) for name in read] == [2, 0, 2]
    methods = [parent["method"] for parent in read["sum"].provenance.parents]
    assert sorted(methods) == ["rome", "surgery"]


def test_a_flipped_byte_of_an_old_patch_is_still_seen(tmp_path):
    content = bytearray((FOLDER / "patches" / "rome.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "p.safetensors").write_bytes(content)
    with pytest.raises(CorruptFile):
        Patch.load(tmp_path / "p.safetensors")


def test_a_shared_folder_is_read(lm):
    patch = Patch.from_pretrained(FOLDER / "shared")
    assert patch.verify(lm) == EXPECTED["files"]["shared/patch.safetensors"]["provenance"]["effect"]
    assert form_of(FOLDER / "shared" / "patch.safetensors") == FORMAT


@pytest.mark.parametrize("name", ["one", "stack", "floors", "quick"])
def test_a_patched_checkpoint_verifies_and_gives_its_base_back(name, tmp_path):
    path = put(name, tmp_path)
    assert digests(path) == STATES[name]
    assert not problems(path, base=FOLDER / "checkpoints" / "base")
    revert(path, in_place=True, disk=QUICK)
    assert digests(path) == STATES["base"]


def test_a_quick_change_is_taken_back_quickly(tmp_path):
    path = put("quick", tmp_path)
    assert any(mark.rows for mark in CheckpointLedger.load(path).tensors.values())
    revert(path, in_place=True, quick=True, disk=QUICK)
    assert digests(path) == STATES["base"]


def test_a_stack_says_what_is_on_it_and_one_can_be_taken_out(tmp_path):
    path = put("stack", tmp_path)
    entries = CheckpointLedger.load(path).patches
    assert [(e.name, e.scale, bool(e.forced)) for e in entries] == [
        ("patch-0.safetensors", 1.0, False), ("patch-1.safetensors", 0.5, False), ("other.safetensors", 1.0, True),
    ]  # fmt: skip
    assert [e.floor for e in CheckpointLedger.load(FOLDER / "checkpoints" / "floors").patches] == [0, 1]
    revert(path, ["3"], in_place=True, disk=QUICK)
    revert(path, ["patch-1.safetensors"], in_place=True, disk=QUICK)
    assert digests(path) == STATES["one"]


def test_an_old_patch_goes_on_as_it_went(tmp_path):
    path = put("base", tmp_path)
    apply(path, [FOLDER / "checkpoints" / "patch-0.safetensors"], in_place=True, disk=QUICK)
    found, expected = digests(path), STATES["one"]
    assert {name: found[name] for name in expected if name != "suture.json"} == {
        name: digest for name, digest in expected.items() if name != "suture.json"
    }
    with pytest.raises(PatchMismatch):
        apply(path, [FOLDER / "checkpoints" / "other.safetensors"], in_place=True, disk=QUICK)


@pytest.mark.parametrize(("name", "old", "new"), [("cut-apply", "base", "one"), ("cut-revert", "one", "base")])
@pytest.mark.parametrize("rollback", [False, True])
def test_a_change_cut_off_by_0_1_0_is_finished_or_rolled_back(name, old, new, rollback, tmp_path):
    path = put(name, tmp_path)
    assert digests(path) == STATES[name]
    assert (path / INTENT).is_file()
    shards = [file for file in STATES["base"] if file.startswith("model-")]
    assert any(STATES[name][file] not in (STATES[old][file], STATES[new][file]) for file in shards), (
        "half of it is written"
    )
    before, after = (len(ledger.patches) for ledger in read_intent(path))
    assert (before, after) == ((0, 1) if old == "base" else (1, 0))
    repaired, findings = fsck(path, rollback=rollback, disk=QUICK)
    assert repaired[0] == ("rolled back an interrupted run" if rollback else "finished an interrupted run")
    assert not [finding for finding in findings if finding.problem]
    assert digests(path) == STATES[old if rollback else new]


@pytest.mark.parametrize(("name", "new"), [("cut-apply", "one"), ("cut-revert", "base")])
def test_the_next_command_finishes_it_too(name, new, tmp_path):
    revert_or_apply = put(name, tmp_path)
    outcome = apply(revert_or_apply, [FOLDER / "checkpoints" / "patch-2.safetensors"], in_place=True, disk=QUICK)
    assert "finished an interrupted run" in outcome.notes
    revert(revert_or_apply, ["patch-2.safetensors"], in_place=True, disk=QUICK)
    assert digests(revert_or_apply) == STATES[new]


def test_a_memory_still_knows_its_facts(lm):
    memory = Memory.load(FOLDER / "memory" / "memory.safetensors")
    assert (memory.scope, memory.reach.reach, len(memory.facts)) == ("both", 0.25, 3)
    (reminded,) = memory.reminded(lm, ["The mayor of Wandton is"])
    assert reminded == "The mayor of Wandton is Ida Relk. The mayor of Wandton is"


def test_runs_are_listed_as_they_ended():
    assert reading.states() == EXPECTED["runs"]
    assert {state["folder"]: state["state"] for state in reading.states()} == {
        "attitude": "interrupted", "facts": "finished", "failed": "failed", "interrupted": "interrupted", "lost": "failed",
        "newer": "finished", "probe": "finished", "removed": "failed", "stopped": "failed",
    }  # fmt: skip


def test_statuses_of_edits_are_all_among_the_ledgers():
    seen = {
        edit["status"] for name in FILES if name.endswith("ledger.jsonl") for edit in EXPECTED["files"][name]["edits"]
    }
    assert seen == {"holds", "lost", "superseded", "removed", "refused"}
    again = [edit["again"] for edit in EXPECTED["files"]["run folders/lost/ledger.jsonl"]["edits"]]
    assert any(again)


def test_a_finished_stage_of_an_interrupted_run_is_used_again(tmp_path):
    """Going on with the folder that 0.1.0 left: the batch it had finished is loaded, not made anew."""
    folder = shutil.copytree(RUNS / "interrupted", tmp_path / "interrupted")
    command = EXPECTED["files"]["run folders/interrupted/recipe.yaml"]["command"]

    def never():
        raise AssertionError("it was made already")

    with Run.begin("facts", command, {}, folder) as run:
        patch = run.stage("batch-001", never, Patch.save, Patch.load)
    assert list(patch.terms) == list(EXPECTED["files"]["run folders/interrupted/batch-001.safetensors"]["terms"])
    assert [event["stage"] for event in events(folder)][-2:] == ["reused", "finished"]


def test_points_of_a_search_of_0_1_0_are_read():
    lines = [json.loads(line) for line in (RUNS / "attitude" / "search.jsonl").read_text(encoding="utf-8").splitlines()]
    (points,) = [json.loads(line["user_attr"]["points"]) for line in lines if "points" in line.get("user_attr", {})]
    assert points
    for point in points:
        assert Point(**point).settings == {"space": "mlp.in", "select": "effect", "rows": 0.05, "blocks": "all"}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in RUNS.glob("*/report.json")))
def test_a_report_is_read(name):
    content = json.loads((RUNS / name / "report.json").read_text(encoding="utf-8"))
    report = read_report(RUNS / name / "report.json")
    assert report["lines"] == content["lines"]
    assert all({"before", "after", "cases"} <= line["score"].keys() for line in report["lines"])


def test_adapters_have_the_effect_of_their_patch(lm):
    pytest.importorskip("peft")
    pytest.importorskip("gguf")
    patch = Patch.load(FOLDER / "patches" / "rome.safetensors")
    for way in (lora, gguf_lora):
        name = "lora" if way is lora else "lora.gguf"
        assert way.check(lm, patch, FOLDER / "exported" / name).passed, name


def test_a_region_of_old_names_its_rows():
    region = Region.load(FOLDER / "found" / "region.safetensors")
    assert region.count == 5
    assert {site.part for site in region.rows} == {"mlp.gate"}
