"""What a patch does to a model in memory is what it does to the files, to the byte."""

import pytest
import torch

from checkpoint_parts import QUICK, digests
from models import FAMILIES, SHARED, tiny_family
from suture.checkpoint.change.rows import Rows
from suture.checkpoint.format.folder import Checkpoint
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.model.lm import LM, PATIENT
from suture.patch.delta import Dense, Entries, LowRank
from suture.patch.patch import Patch
from suture.patch.provenance import Stamp


def random_patch(lm, seed, names) -> Patch:
    g = torch.Generator().manual_seed(seed)
    changes = {}
    for number, name in enumerate(names):
        shape = tuple(lm.tensor(name).shape)
        kind = (number + seed) % 3
        if len(shape) == 1 or kind == 0:
            changes[name] = Dense(0.1 * torch.randn(shape, generator=g))
        elif kind == 1:
            rows = torch.randperm(shape[0], generator=g)[: max(1, shape[0] // 3)].sort().values
            left, right = torch.randn(len(rows), 2, generator=g), torch.randn(2, shape[1], generator=g)
            changes[name] = LowRank(left, right, rows)
        else:
            changes[name] = Entries(torch.tensor([0, 5, 11]), torch.randn(3, generator=g) + 1)
    return Patch.make(lm, changes, method="test", settings={})


def agree(lm, folder, tmp_path):
    """Apply two patches in memory and on disk, compare every tensor; take them off again."""
    names = sorted({w.tensor for part in lm.anatomy.parts for w in lm.anatomy.weights(part)})
    disk = Checkpoint.open(folder)
    names = [name for name in names if name in disk.slots]
    assert names
    one, two = random_patch(lm, 1, names[::2]), random_patch(lm, 2, names)
    files = [one.save(tmp_path / "one"), two.save(tmp_path / "two")]
    for scale in (1.0, 0.37):
        out = tmp_path / f"out{scale}"
        apply(folder, files, out, scale=scale, allow_large=True, disk=QUICK)
        written = Checkpoint.open(out)
        with (scale * one + scale * two).applied(lm):
            for name in disk.slots:
                if name in lm.anatomy.stored():
                    stamp = Stamp.of(lm.tensor(name), lm.disk_dtype(name))
                    assert Rows(written.slot(name), stamp.shape).sha256() == stamp.sha256, name
        assert not [finding for finding in verify(out, base=folder) if finding.problem]
        revert(out, out=tmp_path / f"back{scale}", disk=QUICK)
        assert digests(tmp_path / f"back{scale}") == digests(folder)


HALVES = [(n, d) for n in ("mixtral", "gpt_oss", "gpt2", "phi3") for d in (torch.bfloat16, torch.float16)]


@pytest.mark.parametrize(("name", "dtype"), [*((name, torch.float32) for name in FAMILIES), *HALVES])
def test_every_family(name, dtype, tokenizer, tmp_path):
    lm = tiny_family(name, tokenizer)
    lm = LM(lm.model.to(dtype), tokenizer, name=lm.name)
    lm.model.save_pretrained(tmp_path / "model", max_shard_size="40KB")
    agree(lm, tmp_path / "model", tmp_path)


def test_the_patient(patient, tmp_path):
    agree(patient, PATIENT, tmp_path)


@pytest.mark.parametrize("name", ["babyllama-105-hf", "stories260K-hf"])
def test_shared_models(name, tmp_path):
    if not (SHARED / "models" / name).is_dir():
        pytest.skip("no shared models here")
    folder = SHARED / "models" / name
    agree(LM.load(folder), folder, tmp_path)
