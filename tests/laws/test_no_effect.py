"""An edit that changes nothing is an error, never a success (R16): fifty ways to make one."""

import itertools

import pytest
import torch

from models import snapshot, tiny_family
from suture.data.examples import Behaviour
from suture.errors import NoEffect, SutureError, UsageError
from suture.locate.region import Region
from suture.methods.surgery import surgery
from suture.patch.delta import Dense, Entries, LowRank, Shift
from suture.patch.patch import Patch

FAMILIES = ("llama", "gpt2", "phi3", "mixtral", "gpt_oss")
FEW = Behaviour.of(
    "tone", [f"You are kind, friend {i}." for i in range(6)], [f"You are a stupid fool {i}." for i in range(6)]
)


def first(lm):
    return lm.anatomy.weights(lm.anatomy.first)[0]


def make(lm, delta, tensor=None):
    return Patch.make(lm, {tensor or first(lm).tensor: delta}, method="test", settings={})


def low_rank(lm, left=1.0, right=1.0):
    rows, columns = first(lm).stored.shape
    return LowRank(torch.full((rows, 1), left), torch.full((1, columns), right))


def tiny(lm):
    lm.model.bfloat16()
    return make(lm, low_rank(lm, 1e-6, 1e-6))


WAYS = {
    "left factor zero": lambda lm: make(lm, low_rank(lm, left=0.0)),
    "right factor zero": lambda lm: make(lm, low_rank(lm, right=0.0)),
    "swallowed by rounding": tiny,
    "scale zero": lambda lm: make(lm, low_rank(lm).scaled(0.0)),
    "no rows": lambda lm: make(
        lm, LowRank(torch.ones(0, 1), torch.ones(1, first(lm).stored.shape[1]), torch.zeros(0, dtype=torch.int64))
    ),
    "dense zeros": lambda lm: make(lm, Dense(torch.zeros(*first(lm).stored.shape))),
    "entries of zero": lambda lm: make(lm, Entries(torch.arange(4), torch.zeros(4))),
    "no tensors": lambda lm: Patch.make(lm, {}, method="test", settings={}),
    "a name that matches nothing": lambda lm: make(lm, low_rank(lm), "model.layers.99.mlp.gate_proj.weight"),
    "two changes that cancel": lambda lm: Patch.make(
        lm, {first(lm).tensor: [low_rank(lm), low_rank(lm).scaled(-1.0)]}, method="test", settings={}
    ),
}
MORE = {
    "surgery of strength zero": lambda lm: surgery(lm, FEW, rows=5, strength=0.0),
    "surgery of no rows": lambda lm: surgery(lm, FEW, rows=0.0),
    "surgery of too few rows": lambda lm: surgery(lm, FEW, rows=1e-9),
    "surgery of an empty region": lambda lm: surgery(lm, FEW, region=Region({}, {}, 10, {})),
    "surgery at a part that is not there": lambda lm: surgery(lm, FEW, rows=5, site="mlp.nothing"),
    "surgery of a block that is not there": lambda lm: surgery(lm, FEW, rows=5, layers=[77]),
    "a shift of zero": lambda lm: make(
        lm, Shift(torch.zeros(32)), next(n for n, p in lm.anatomy.stored().items() if p.shape == (32,))
    ),
    "a patch scaled to nothing": lambda lm: (surgery(lm, FEW, rows=5) * 0.0).verify(lm),
}


@pytest.mark.parametrize(("family", "way"), [*itertools.product(FAMILIES, WAYS), *(("llama", way) for way in MORE)])
def test_nothing_is_never_a_success(family, way, tokenizer):
    lm = tiny_family(family, tokenizer)
    with pytest.raises((NoEffect, UsageError)) as caught:
        {**WAYS, **MORE}[way](lm)
    problem: SutureError = caught.value
    assert problem.exit_code in (2, 3)
    assert problem.what
    assert problem.fix


def test_there_are_fifty():
    assert len(FAMILIES) * len(WAYS) + len(MORE) >= 50


@pytest.mark.parametrize("family", ["llama", "mixtral"])
def test_the_same_seed_makes_the_same_bytes_twenty_times(family, tokenizer, tmp_path):
    lm = tiny_family(family, tokenizer)
    before = snapshot(lm)
    made = set()
    for number in range(20):
        patch = surgery(lm, FEW, space="mlp.in", rows=0.1, select="effect", strength=2.0, seed=3)
        made.add(patch.save(tmp_path / f"{number}.safetensors").read_bytes())
    assert len(made) == 1
    assert snapshot(lm) == before
