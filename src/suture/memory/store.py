"""A memory of facts that is read when a prompt asks for one: it is put before the prompt, the weights stay as they are.

    x' = "p_i o_i. " + x    for the facts i that prompt x asks for, the nearest last;   x' = x where it asks for none
Source: Zheng et al. 2023, "Can We Edit Factual Knowledge by In-Context Learning?" (IKE), without demonstrations; Cohen et al.
2024, "Evaluating the Ripple Effects of Knowledge Editing in Language Models", section 5. p_i, o_i: prompt and target.
Whether a model reads what stands before a prompt is its own ability; small ones may not (docs/memory.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from ..data.examples import Fact
from ..data.fact_files import agreeing
from ..data.fact_formats import of_record
from ..errors import CorruptFile, DataError, PatchMismatch, UsageError
from ..io import tensorfile
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.provenance import Stamp, read_stamp
from ..text.spacing import joined
from .scope import Reach, Scope, asked, default_layer, last_states

FORM = "suture.memory/1"
TEMPLATE = "{facts} {prompt}"
REACH = Reach(0.5)
MOST = 3  # facts put before one prompt


@dataclass(frozen=True, eq=False)
class Memory:
    """Facts with the states by which they are recognised. A value: what changes it returns another.

    Attributes:
        facts: what is kept.
        keys: (facts, d_model) float32, the state at the last token of each fact's prompt, behind block `layer`.
        layer: the block.
        tensor: name of that block's `attn.o` weight.
        stamp: of that weight; the states of another model would mean nothing.
        reach: how near a prompt must come.
        scope: see `scope.asked`.
        template: with {facts} and {prompt}: what the model reads in place of a prompt.
    """

    facts: tuple[Fact, ...]
    keys: Tensor
    layer: int
    tensor: str
    stamp: Stamp
    reach: Reach = REACH
    scope: Scope = "state"
    template: str = TEMPLATE

    @classmethod
    def of(
        cls,
        lm: LM,
        facts: Sequence[Fact] = (),
        *,
        layer: int | None = None,
        reach: Reach | float = REACH,
        scope: Scope = "state",
        template: str = TEMPLATE,
    ) -> Memory:
        """Make a memory for a model.

        Raises:
            UsageError: for facts that contradict each other, or a template without its two places.
        """
        layer = default_layer(lm) if layer is None else layer
        tensor = lm.anatomy.weight(Site(layer, "attn.o")).tensor
        if "{facts}" not in template or not template.endswith("{prompt}"):
            raise UsageError(
                f"{template!r} is no template", fix='Write one with {facts} that ends in {prompt}: "{facts} {prompt}"'
            )
        if scope not in get_args(Scope):
            raise UsageError(f"no scope {scope!r}", fix=f"Use one of {', '.join(get_args(Scope))}.")
        stamp = Stamp.of(lm.tensor(tensor), lm.disk_dtype(tensor))
        near = reach if isinstance(reach, Reach) else Reach(reach)
        empty = cls((), torch.zeros(0, lm.width), layer, tensor, stamp, near, scope, template)
        return empty.plus(lm, facts) if facts else empty

    def plus(self, lm: LM, facts: Sequence[Fact]) -> Memory:
        """Return the memory with more facts; one that asks the same as a fact before takes its place.

        Raises:
            UsageError: when two of the new facts contradict each other.
            PatchMismatch: for another model.
        """
        self.check_base(lm)
        new = agreeing(facts)
        prompts = {fact.prompt for fact in new}
        rest = self.without([i for i, fact in enumerate(self.facts) if fact.prompt in prompts])
        keys = last_states(lm, [fact.prompt for fact in new], self.layer)
        return replace(rest, facts=(*rest.facts, *new), keys=torch.cat([rest.keys, keys]))

    def without(self, numbers: Collection[int]) -> Memory:
        """Return the memory without some facts, by their numbers."""
        if wrong := sorted(set(numbers) - set(range(len(self.facts)))):
            raise UsageError(
                f"no fact {wrong[0]}", why=f"There are {len(self.facts)}, numbered from 0.", fix="List them first."
            )
        rest = [i for i in range(len(self.facts)) if i not in numbers]
        return replace(self, facts=tuple(self.facts[i] for i in rest), keys=self.keys[rest])

    def called(self, lm: LM, prompts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the facts that each prompt asks for, the farthest first, at most MOST."""
        if not self.facts or not prompts:
            return [[] for _ in prompts]
        near = asked(last_states(lm, prompts, self.layer), prompts, self.keys, self.facts, self.reach.reach, self.scope)
        by_prompt = []
        for row in near:
            order = row.argsort()[:MOST]
            by_prompt.append([int(i) for i in order.flip(0) if torch.isfinite(row[i])])
        return by_prompt

    def reminded(self, lm: LM, prompts: Sequence[str]) -> list[str]:
        """Return what the model reads in place of each prompt; the very same text where it asks for no fact."""
        by_prompt = self.called(lm, prompts)
        return [self._reminded(prompt, numbers) for prompt, numbers in zip(prompts, by_prompt, strict=True)]

    def _reminded(self, prompt: str, numbers: Sequence[int]) -> str:
        if not numbers:
            return prompt
        reminder = " ".join(f"{joined(self.facts[i].prompt, self.facts[i].target)}." for i in numbers)
        return self.template.replace("{facts}", reminder, 1).removesuffix("{prompt}") + prompt

    @contextmanager
    def attached(self, lm: LM, *, force: bool = False) -> Iterator[None]:
        """Have the model reminded of what prompts and requests ask for, until the block is left; other texts stay.

        Raises:
            PatchMismatch: for another model (unless `force`).
        """
        if not force:
            self.check_base(lm)
        before = lm.prompt_transform
        lm.prompt_transform = lambda prompts: self.reminded(lm, prompts if before is None else before(prompts))
        try:
            yield
        finally:
            lm.prompt_transform = before

    def check_base(self, lm: LM) -> None:
        """Raise PatchMismatch unless the states were read in this model."""
        try:
            same = Stamp.of(lm.tensor(self.tensor), lm.disk_dtype(self.tensor)) == self.stamp
        except UsageError as problem:
            raise PatchMismatch(problem.what, why=problem.why, fix=problem.fix) from problem
        if not same:
            raise PatchMismatch(
                "this memory was made for another model",
                why=f"{self.tensor} differs.",
                fix="Make it again from its facts.",
            )

    def save(self, path: str | Path) -> Path:
        """Write the memory as one file; the same memory gives the same bytes."""
        about = {"layer": self.layer, "tensor": self.tensor, "scope": self.scope, "template": self.template}
        content = {
            "facts": [asdict(fact) for fact in self.facts], "about": about, "stamp": self.stamp.plain(),
            "reach": self.reach.plain(),
        }  # fmt: skip
        metadata = {"format": FORM, **{key: json.dumps(value, sort_keys=True) for key, value in content.items()}}
        tensorfile.write(Path(path), {"keys": self.keys.contiguous()}, metadata, verbatim=["facts"])
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Memory:
        """Read a memory and check all of it.

        Raises:
            UsageError: when there is no such file.
            CorruptFile: when it is not a whole memory.
        """
        tensors, metadata = tensorfile.read(Path(path), FORM)
        try:
            about, reach = tensorfile.parsed(metadata["about"]), tensorfile.parsed(metadata["reach"])
            records = tensorfile.parsed(metadata["facts"])
            facts = tuple(of_record(record, f"{path}, fact {number}") for number, record in enumerate(records))
            stamp = read_stamp(tensorfile.parsed(metadata["stamp"]))
            reach = Reach.of_plain(reach)
            memory = cls(facts, tensors.pop("keys"), about.pop("layer"), about.pop("tensor"), stamp, reach, **about)
            if tensors or memory._misfit():
                raise ValueError(memory._misfit() or "tensors that belong to nothing")
        except (KeyError, TypeError, ValueError, AttributeError, DataError) as problem:
            raise CorruptFile(
                f"{path} is not a memory", why=f"{problem!r}", fix="Make it again from its facts."
            ) from problem
        return memory

    def _misfit(self) -> str:
        if self.keys.dim() != 2 or len(self.keys) != len(self.facts) or not bool(torch.isfinite(self.keys).all()):
            return f"{len(self.facts)} facts with states of shape {tuple(self.keys.shape)}"
        if type(self.layer) is not int or not isinstance(self.tensor, str) or self.scope not in get_args(Scope):
            return "a place or scope that is none"
        if not isinstance(self.template, str) or not self.template.endswith("{prompt}") or not self.reach.reach >= 0:
            return "a template or reach that is none"
        return ""
