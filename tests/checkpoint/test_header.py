import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from suture.checkpoint.format.header import LARGEST, read_header, read_json
from suture.errors import CorruptFile


def written(path, header, data=b"\0" * 8):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def test_what_the_reference_writer_writes_is_read(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b": torch.zeros(0, 2), "e": torch.ones(2, 3, 5, dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "x.safetensors")
    slots = read_header(tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    a = slots["a"]
    assert content[a.begin : a.begin + a.size] == tensors["a"].numpy().tobytes()
    assert slots["b"].size == 0
    assert slots["e"].shape == (6, 5)
    assert slots["e"].raw == (2, 3, 5)


@pytest.mark.parametrize(
    "header",
    [
        {"x": {**ENTRY, "dtype": "F99"}},
        {"x": {**ENTRY, "shape": [2**40, 2**40]}},
        {"x": {**ENTRY, "shape": [-2]}},
        {"x": {**ENTRY, "shape": [True, 2]}},
        {"x": {**ENTRY, "shape": [1.0, 2]}},
        {"x": {**ENTRY, "shape": [1] * 9 + [2]}},
        {"x": {**ENTRY, "data_offsets": [0, 4]}},
        {"x": {**ENTRY, "data_offsets": [4, 12]}},
        {"x": {**ENTRY, "data_offsets": [8, 0]}},
        {"x": {**ENTRY, "data_offsets": [0, 2**64]}},
        {"x": {**ENTRY, "more": 1}},
        {"x": ENTRY, "y": ENTRY},
        {"x": None},
        {},
        [],
        b"{",
        b'{"x":1,"x":2}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, header):
    with pytest.raises(CorruptFile):
        read_header(written(tmp_path / "x.safetensors", header))


def test_four_bit_types_count_their_bits(tmp_path):
    entry = {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]}
    assert read_header(written(tmp_path / "x.safetensors", {"x": entry}))["x"].size == 8


def test_a_claimed_size_is_compared_with_the_file_before_it_is_read(tmp_path):
    for size in (LARGEST, LARGEST + 1, 2**63, 2**64 - 1):
        (tmp_path / "x").write_bytes(struct.pack("<Q", size) + b"{}")
        with pytest.raises(CorruptFile, match="claims"):
            read_header_of(tmp_path / "x")


def read_header_of(path):
    try:
        return read_header(path)
    except CorruptFile as problem:
        raise CorruptFile(problem.why) from problem


def test_only_plain_files_are_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent"):
        with pytest.raises(CorruptFile):
            read_header(path)
        with pytest.raises(CorruptFile):
            read_json(path)
