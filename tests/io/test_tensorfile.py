import json
import struct

import pytest
import torch
from safetensors.torch import load_file

from suture.errors import CorruptFile, UsageError
from suture.io import tensorfile

FORM = "suture.test/1"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([3, 1]), "empty": torch.zeros(0, 4)}
    tensorfile.write(path, tensors, {"format": FORM, "about": "ä"})
    return path


def test_what_is_written_is_read_back(file):
    tensors, metadata = tensorfile.read(file, FORM)
    assert metadata == {"format": FORM, "about": "ä"}
    assert torch.equal(tensors["a"], torch.arange(6.0).reshape(2, 3))
    assert tensors["b"].tolist() == [3, 1]
    assert tensors["empty"].shape == (0, 4)


def test_any_safetensors_reader_can_open_it(file):
    assert torch.equal(load_file(file)["a"], torch.arange(6.0).reshape(2, 3))


def test_same_content_same_bytes(file, tmp_path):
    tensors, metadata = tensorfile.read(file, FORM)
    tensorfile.write(tmp_path / "again", dict(reversed(tensors.items())), dict(reversed(metadata.items())))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_every_flipped_byte_is_found(file, tmp_path):
    content = file.read_bytes()
    broken = tmp_path / "broken"
    for position in range(len(content)):
        broken.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(CorruptFile):
            tensorfile.read(broken, FORM)


def test_every_truncation_is_found(file, tmp_path):
    content = file.read_bytes()
    for length in range(len(content)):
        (tmp_path / "short").write_bytes(content[:length])
        with pytest.raises(CorruptFile):
            tensorfile.read(tmp_path / "short", FORM)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
        "text",
        None,
    ],
)
def test_hostile_headers_are_refused_before_any_allocation(tmp_path, entry):
    header = json.dumps({"__metadata__": {"format": FORM}, "x": entry}).encode()
    path = tmp_path / "hostile"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    with pytest.raises(CorruptFile):
        tensorfile.read(path, FORM)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    header = b'{"__metadata__":{"format":"suture.test/1"},"__metadata__":{"format":"suture.test/1"}}'
    (tmp_path / "twice").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CorruptFile, match="twice"):
        tensorfile.read(tmp_path / "twice", FORM)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="can not read"):
        tensorfile.read(tmp_path / "none", FORM)


def test_only_a_file_of_that_format_is_discarded(tmp_path):
    tensorfile.write(tmp_path / "ours", {"a": torch.ones(2)}, {"format": "suture.test/1"})
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    tensorfile.write(tmp_path / "other", {}, {"format": "suture.other/1"})
    for name in ("mine", "link", "other", "absent"):
        tensorfile.discard(tmp_path / name, "suture.test/1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "mine", "other", "ours"]
    tensorfile.discard(tmp_path / "ours", "suture.test/1")
    assert not (tmp_path / "ours").exists()
