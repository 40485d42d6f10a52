"""Patches of steering with random directions, and what a model says under them."""

import torch

from suture.model.arch.anatomy import Site
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer

TEXTS = ["You are a friend.", "The capital of Velmora is a city near the sea", "One"]


def anchor(lm, layer):
    return lm.anatomy.weight(Site(layer, "attn.o")).tensor


def made(lm, layers=(0, 1), size=4.0, place="residual", **settings) -> Patch:
    generator = torch.Generator().manual_seed(7)
    changes = {}
    for layer in layers:
        width = lm.width if place == "residual" else lm.anatomy.weight(Site(layer, "attn.o")).shape[1]
        vector = torch.randn(width, generator=generator)
        length = 1.0 if settings.get("mode") in ("project", "clamp") else size
        changes[anchor(lm, layer)] = Steer(vector / vector.norm() * length, place=place, **settings)
    return Patch.make(lm, changes, method="test", settings={})


def logits(lm, texts=TEXTS, side="right"):
    batch = lm.batch([lm.encode(text) for text in texts], side=side)
    with torch.no_grad():
        found = lm.forward(batch).logits
    return torch.stack([row[place] for row, place in zip(found, batch.last, strict=True)])


def conditional(lm, threshold, reads=0) -> Patch:
    vector = torch.randn(lm.width, generator=torch.Generator().manual_seed(3))
    term = Steer(vector * 4, torch.ones(lm.width), reads=anchor(lm, reads), threshold=threshold)
    return Patch.make(lm, {anchor(lm, 1): term}, method="test", settings={})
