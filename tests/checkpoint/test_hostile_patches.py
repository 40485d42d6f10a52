"""R10: patch files whose header was bent in its structure. They are refused, or they are patches and say what they change.

The header is written piece by piece, so that it can hold what `json.dumps` never writes: a key twice, numbers of any size. Half
of the files carry the digest of what they hold, so that the checks behind the digest are reached.
"""

import contextlib
import json
import struct
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint_parts import QUICK, cases, counted, digests, patch_of, weights, write_checkpoint
from suture.checkpoint.verbs import apply
from suture.errors import SutureError
from suture.io import tensorfile
from suture.patch.patch import Patch

HUGE = [
    "1e999",
    "-1e999",
    "NaN",
    "1" * 5000,
    "9223372036854775808",
    "18446744073709551616",
    "-1",
    "1.5",
    "0.0",
    "true",
    "null",
]
TEXTS = [
    '"\\ud800"',
    '"\\u0000"',
    '"../../etc/passwd"',
    '"{{7*7}}"',
    '"a.weight|0"',
    '""',
    '"F32"',
    '"lowrank"',
    '"' + "0" * 64 + '"',
]
ODD = st.sampled_from([*HUGE, *TEXTS, "[]", "{}", "[[]]", "[" * 2000 + "]" * 2000])
KEYS = st.sampled_from(
    ["a.weight|0.lowrank.left", "__metadata__", "x", "\ud800", "a.weight|9.dense.values", "|", "norm|0.dense.values"]
)


@st.composite
def bendings(draw):
    """A change of one place of a JSON value: (steps to it, what happens there, with what)."""
    steps = draw(st.lists(st.integers(0, 8), min_size=1, max_size=4))
    return steps, draw(st.sampled_from(["replace", "drop", "rename", "twice", "nest", "number"])), draw(ODD), draw(KEYS)


def written(value) -> str:
    """JSON of what `parsed` returns: objects are lists of pairs, raw pieces stand as they are."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{written(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


class Raw(str):
    """JSON that is written as it is."""


class Pairs(list):
    """An object whose keys may stand twice."""


def bend(value, steps, how, odd, key):
    """Follow steps into a value, whatever it is, and change it there."""
    if isinstance(value, list) and value:
        place = steps[0] % len(value)
        paired = isinstance(value, Pairs)
        item = value[place][1] if paired else value[place]
        if len(steps) > 1 and isinstance(item, list) and item:
            bend(item, steps[1:], how, odd, key)
        elif how == "drop":
            del value[place]
        elif how == "twice":
            value.append(value[place])
        elif how == "rename" and paired:
            value[place] = (key, item)
        elif how == "number" and isinstance(item, int):
            changed = item + (1, -1, 8, 2**40)[steps[0] % 4]
            value[place] = (value[place][0], changed) if paired else changed
        else:
            made = [item] if how == "nest" else Raw(odd)
            value[place] = (value[place][0], made) if paired else made


def fitted(header: str, data: bytes) -> str:
    """Give a header the digest of what it says, where it says anything that can be read."""
    with contextlib.suppress(Exception):
        found = json.loads(header)
        metadata = {key: value for key, value in found.pop("__metadata__").items() if key != "digest"}
        tensors = {}
        for name, entry in found.items():
            begin, end = entry["data_offsets"]
            piece = torch.frombuffer(bytearray(data[begin:end]), dtype=tensorfile.DTYPES[entry["dtype"]])
            tensors[name] = piece.reshape(entry["shape"])
        old = json.loads(header)["__metadata__"]["digest"]
        return header.replace(old, tensorfile._digest(tensors, metadata))
    return header


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    work = tmp_path_factory.mktemp("hostile")
    base = write_checkpoint(work / "base", weights())
    content = patch_of(weights()).save(work / "reference").read_bytes()
    apply(base, [work / "reference"], work / "warm", disk=QUICK)  # what is lazy is imported now
    (size,) = struct.unpack("<Q", content[:8])
    return work, base, digests(base), content[8 : 8 + size].decode(), content[8 + size :], watched(work)


def watched(inside: Path):
    """Return a list that collects, from now on while it is not None, what is opened or started outside a folder."""
    seen: dict[str, list[str] | None] = {"events": None}

    def hook(event, arguments):
        if seen["events"] is None or event not in (
            "open",
            "subprocess.Popen",
            "os.system",
            "socket.connect",
            "exec",
            "os.exec",
        ):
            return
        if event == "open" and (isinstance(arguments[0], int) or str(arguments[0]).startswith((str(inside), "/proc/"))):
            return
        seen["events"].append(f"{event} {str(arguments[0])[:100]}")

    sys.addaudithook(hook)  # can not be taken off again: it is silent outside the test
    return seen


@settings(max_examples=cases(300), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(bendings(), min_size=1, max_size=3),
    st.sampled_from([None, "terms", "before", "after", "provenance"]),
    st.booleans(),
)
def test_a_bent_header_is_refused_or_a_patch(reference, changes, within, fits):
    work, base, before, header, data, seen = reference
    value = json.loads(header, object_pairs_hook=Pairs)
    place, metadata = next((i, item) for i, (key, item) in enumerate(value) if key == "__metadata__")
    inner = json.loads(dict(metadata)[within], object_pairs_hook=Pairs) if within else value
    for change in changes:
        bend(inner, *change)
    if within:
        value[place] = ("__metadata__", Pairs((k, written(inner) if k == within else v) for k, v in metadata))
    text = written(value)
    content = (fitted(text, data) if fits else text).encode("utf-8", "surrogatepass")
    target = work / "case"
    target.write_bytes(struct.pack("<Q", len(content)) + content + data)
    seen["events"] = []
    try:
        patch = Patch.load(target)
        outcome = apply(base, [target], work / "out", dry_run=True)
    except SutureError:
        counted("R10 a bent header is refused")
    else:
        assert patch.before.keys() == {name for name, *_ in outcome.tensors}
        counted("R10 a bent header is a patch still")
    finally:
        events, seen["events"] = seen["events"], None
    assert not events
    assert digests(base) == before
    assert not (work / "out").exists()
