import json

import pytest
import torch

from checkpoint_parts import CONFIG, shard, weights, write_checkpoint
from suture.checkpoint.format.folder import Checkpoint
from suture.errors import CorruptFile, UnsupportedModel, UsageError


def index_of(folder, change):
    path = folder / "model.safetensors.index.json"
    content = json.loads(path.read_text())
    change(content["weight_map"])
    path.write_text(json.dumps(content))


def test_a_checkpoint_is_read(base):
    opened = Checkpoint.open(base)
    assert set(opened.slots) == set(weights())
    assert [str(f) for f in opened.others] == [
        "config.json", "model.safetensors.index.json", "more/template.txt", "tokenizer ä.json",
    ]  # fmt: skip
    assert not opened.notes


HOSTILE = ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", "x.bin", "", ".x.safetensors", "x\0.safetensors",
           "a\\b.safetensors", "x.safetensors\n", "C:x.safetensors", "x" * 300 + ".safetensors"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_elsewhere_are_refused(base, name):
    index_of(base, lambda where: where.update({"a.weight": name}))
    with pytest.raises(CorruptFile, match="unsafe"):
        Checkpoint.open(base)


@pytest.mark.parametrize(
    "change",
    [
        lambda where: where.update({"ghost": "model-00001-of-00002.safetensors"}),
        lambda where: where.update({"a.weight": "model-00002-of-00002.safetensors"}),
        lambda where: where.update({"a.weight": "model-00009-of-00002.safetensors"}),
        lambda where: where.update({"a.weight": 3}),
        lambda where: where.clear(),
    ],
)
def test_an_index_that_is_wrong_is_refused(base, change):
    index_of(base, change)
    with pytest.raises(CorruptFile):
        Checkpoint.open(base)


@pytest.mark.parametrize("names", [["a.weight"], ["a.weight", "b.weight"]])
def test_tensors_that_the_index_does_not_list_are_there_all_the_same_and_noted(base, names):
    names = [name for name in names if name in weights()]
    index_of(base, lambda where: [where.pop(name) for name in names])
    opened = Checkpoint.open(base)
    assert set(opened.slots) == set(weights())
    (note,) = opened.notes
    assert note.startswith(names[0])
    assert "not in their index" in note


def test_a_tensor_in_two_shards_is_refused(base):
    shard(base / "model-00002-of-00002.safetensors", weights())
    with pytest.raises(CorruptFile, match="two shards"):
        Checkpoint.open(base)


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "tokenizer ä.json"])
def test_links_out_of_the_folder_are_refused(base, tmp_path, name):
    (base / name).rename(tmp_path / "elsewhere")
    (base / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptFile, match="leads out"):
        Checkpoint.open(base)


def test_the_links_of_the_hub_cache_are_followed(base, tmp_path):
    snapshot = tmp_path / "models--x--y" / "snapshots" / "abc"
    blobs = tmp_path / "models--x--y" / "blobs"
    snapshot.parent.mkdir(parents=True)
    blobs.mkdir()
    base.rename(snapshot)
    for number, file in enumerate(sorted(snapshot.glob("model*"))):
        file.rename(blobs / str(number))
        file.symlink_to(f"../../blobs/{number}")
    assert len(Checkpoint.open(snapshot).slots) == len(weights())


def test_pickles_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UnsupportedModel, match="save_pretrained"):
        Checkpoint.open(tmp_path)


def test_single_file_and_index_together_are_refused(base):
    shard(base / "model.safetensors", weights())
    with pytest.raises(CorruptFile, match="both"):
        Checkpoint.open(base)


def test_no_checkpoint_is_a_usage_error(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError):
            Checkpoint.open(path)


def test_remote_code_is_data(tmp_path):
    folder = write_checkpoint(tmp_path / "x", weights(), 1, {**CONFIG, "auto_map": {"AutoModel": "evil--x.Model"}})
    assert "never executed" in Checkpoint.open(folder).notes[0]


@pytest.mark.parametrize(
    ("tensors", "wanted", "named"),
    [
        ({"m.gate_up_blocks": torch.ones(2, 2), "m.gate_up_scales": torch.ones(2)}, "m.gate_up_blocks", "MXFP4"),
        ({"m.gate_up_blocks": torch.ones(2, 2), "m.gate_up_scales": torch.ones(2)}, "m.gate_up", "MXFP4"),
        ({"m.qweight": torch.ones(2), "m.qzeros": torch.ones(2)}, "m.weight", "GPTQ or AWQ"),
        ({"m.weight": torch.ones(2), "m.weight_scale_inv": torch.ones(2)}, "m.weight", "fp8"),
        ({"m.weight": torch.ones(2), "m.SCB": torch.ones(2)}, "m.weight", "bitsandbytes"),
        ({"m.weight": torch.ones(2, dtype=torch.int64)}, "m.weight", "I64"),
    ],
)
def test_quantised_tensors_are_refused_by_name(tmp_path, tensors, wanted, named):
    folder = write_checkpoint(tmp_path / "x", tensors, 1, {"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(UnsupportedModel, match=named) as caught:
        Checkpoint.open(folder).slot(wanted)
    assert "quant_method gptq" in caught.value.what
