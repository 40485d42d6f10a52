"""The parts of a causal language model by architecture-neutral names (`sites.py`), found in its module graph.

An architecture is data: a `Layout` (see `layouts.py`) says under which path each part of a block is found and which share
of a fused tensor it covers. A layout is chosen because its paths exist in the module graph, never by the model's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ...checkpoint.format.causes import fault
from ...errors import UsageError
from .layouts import LAYOUTS, Layout, Slot
from .sites import ACTIVATIONS, EMBED, FINAL, HEAD, Site, Stored, Weight

__all__ = ["ACTIVATIONS", "EMBED", "FINAL", "HEAD", "Anatomy", "Site", "Stored", "Weight", "is_transposed"]


class Anatomy:
    """The parts of one model.

    Args:
        model: a causal language model from transformers.
        disk: where each tensor of the checkpoint lies, by its name there; by default every parameter under its own name.

    Raises:
        UnsupportedModel: when no layout fits the module graph.
    """

    def __init__(self, model: nn.Module, disk: Mapping[str, Stored] | None = None) -> None:
        self.model = model
        self.layout = _fitting(model)
        self.blocks: list[nn.Module] = list(model.get_submodule(self.layout.blocks).children())
        self._disk = dict(
            disk or {name: Stored.of(name, p, shift=int(p.storage_offset())) for name, p in model.named_parameters()}
        )
        self._on: dict[str, list[str]] = {}  # live name -> tensors of the checkpoint that lie in it
        for name, form in self._disk.items():
            self._on.setdefault(form.live, []).append(name)
        self._weights = {weight.site: weight for weight in self._find()}
        self._by_tensor: dict[str, list[Weight]] = {}
        for weight in self._weights.values():
            self._by_tensor.setdefault(weight.tensor, []).append(weight)

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def first(self) -> str:
        """The part whose rows decide when an MLP neuron is active: the gate, or the first matrix where there is none."""
        return next(part for part in self.layout.first if any(site.part == part for site in self._weights))

    @property
    def parts(self) -> list[str]:
        """The names of the parts this model has, in the layout's order."""
        return [part for part in self.layout.weights if any(site.part == part for site in self._weights)]

    def weight(self, site: Site) -> Weight:
        """Return the weight at a site.

        Raises:
            UsageError: when the model has none there.
        """
        if site not in self._weights:
            experts = " Its experts are numbered: Site(layer, part, expert)." if self._experts(site) else ""
            raise UsageError(
                f"no weight at {site}",
                why=f"This model has {self.layers} blocks with {', '.join(self.parts)}.{experts}",
                fix="Name one of these parts and a block that exists.",
            )
        return self._weights[site]

    def weights(self, part: str, layers: Sequence[int] | None = None) -> list[Weight]:
        """Return the weights of one part in order of the blocks, each expert of a block on its own.

        Args:
            part: name in the layout.
            layers: only these blocks. Without it, blocks that have no such part are left out.

        Raises:
            UsageError: when a block asked for, or every block, has none.
        """
        weights = [
            w for w in self._weights.values() if w.site.part == part and (layers is None or w.site.layer in layers)
        ]
        for layer in [0] if layers is None and not weights else layers or ():
            if not any(w.site.layer == layer for w in weights):
                self.weight(Site(layer, part))
        return sorted(weights, key=lambda w: (w.site.layer, -1 if w.site.expert is None else w.site.expert))

    def check_blocks(self, layers: Iterable[int]) -> None:
        """Raise UsageError for a number that no block has."""
        for layer in layers:
            if not 0 <= layer < self.layers:
                why = f"The model has blocks 0 to {self.layers - 1}."
                raise UsageError(f"no block {layer}", why=why, fix="Name one of these.")

    def module(self, site: Site) -> tuple[nn.Module, Literal["input", "output"]]:
        """Return the module at whose input or output the activations of a site are found.

        A weight's activations are the whole output of the module that applies it; of a fused tensor the weight's own part
        are `outputs` channels from `start`.
        """
        if site.layer < 0:
            path = {"embed": self.layout.embed, "final": self.layout.final}.get(site.part)
            if path is None:
                raise UsageError(f"no activations at {site}", fix='Use "embed" or "final".')
            return self.model.get_submodule(path), "output"
        self.check_blocks([site.layer])
        block = self.blocks[site.layer]
        match site.part:
            case "residual":
                return block, "output"
            case "residual.in":
                return block, "input"
            case "attn.heads":
                return self.owner(self.weight(Site(site.layer, "attn.o")).tensor)[0], "input"
            case "attn.out":
                return block.get_submodule(self.layout.attn), "output"
            case "mlp.in":
                return block.get_submodule(self.layout.mlp), "input"
            case "mlp.out":
                return block.get_submodule(self.layout.mlp), "output"
            case "mlp.key":
                for slot in self.layout.weights["mlp.down"]:
                    if not slot.experts and _parameter(block, slot.path) is not None:
                        return block.get_submodule(slot.path.rpartition(".")[0]), "input"
                raise UsageError(f"block {site.layer} has no single MLP key", why="Its MLP is a mixture of experts.")
        if site in self._weights and self._weights[site].parameter.dim() == 2:
            return self.owner(self._weights[site].tensor)[0], "output"
        raise UsageError(f"no activations called {site.part!r}", fix=f"Known: {', '.join(ACTIVATIONS)}, embed, final.")

    def norm_behind(self, site: Site) -> nn.Module | None:
        """Return the norm between a writer and the residual stream, or None where it writes straight to it.

        Llama calls the norm before its MLP "post_attention_layernorm", too; only blocks that also have a norm behind
        their MLP put one behind the attention.
        """
        block = self.blocks[site.layer]
        behind = getattr(block, "post_feedforward_layernorm", None)
        if behind is None or not site.part.endswith((".o", ".down")):
            return None
        return block.get_submodule("post_attention_layernorm") if site.part == "attn.o" else behind

    def stored(self) -> dict[str, Tensor]:
        """Return every tensor by its name in the checkpoint, live; tied ones once."""
        return {name: self.tensor(name) for name in self._disk}

    def tensor(self, name: str) -> Tensor:
        """Return a live tensor by its name in the checkpoint, in the checkpoint's layout.

        Raises:
            UsageError: when the model has no such tensor.
        """
        return self._form(name).view(self.model.get_parameter(self._form(name).live))

    def form(self, name: str) -> Stored:
        """Return where a checkpoint tensor lies in the live model.

        Raises:
            UsageError: when the model has no such tensor.
        """
        return self._form(name)

    def owner(self, name: str) -> tuple[nn.Module, str, bool]:
        """Return the module and attribute that hold a checkpoint tensor, and whether it is all of what they hold."""
        form = self._form(name)
        path, _, attribute = form.live.rpartition(".")
        whole = torch.Size(form.shape).numel() == self.model.get_parameter(form.live).numel()
        return self.model.get_submodule(path), attribute, whole

    def on(self, tensor: str) -> list[Weight]:
        """Return the weights that a checkpoint tensor holds: one, several of a fused one, or none (a norm)."""
        return self._by_tensor.get(tensor, [])

    @property
    def head(self) -> Weight | None:
        """The head as a weight of its own; None where it shares its parameter with the embedding."""
        module = cast(Any, self.model).get_output_embeddings()
        table = self.model.get_submodule(self.layout.embed)
        parameter = getattr(module, "weight", None)
        if parameter is None or any(parameter is p for p in table.parameters()):
            return None
        live = next(name for name, p in self.model.named_parameters() if p is parameter)
        return Weight(HEAD, self._on[live][0], parameter, self._disk[self._on[live][0]], is_transposed(module))

    def coverage(self) -> dict[str, int]:
        """Return how many parameters each part has; "norm", "bias", "embed", "head" and "other" complete the total."""
        counts = dict.fromkeys(self.parts, 0)
        covered: dict[str, int] = {}
        for weight in self._weights.values():
            size = weight.shape[0] * weight.shape[1]
            counts[weight.site.part] += size
            covered[weight.form.live] = covered.get(weight.form.live, 0) + size
        head = cast(Any, self.model).get_output_embeddings()
        for name, parameter in self.model.named_parameters():
            uncovered = parameter.numel() - covered.get(name, 0)
            if not uncovered:
                continue
            if isinstance(self.model.get_submodule(name.rpartition(".")[0]), nn.Embedding):
                kind = "embed"
            elif head is not None and any(parameter is p for p in head.parameters()):
                kind = "head"
            elif name.endswith("bias"):
                kind = "bias"
            else:
                kind = "norm" if parameter.dim() == 1 else "other"
            counts[kind] = counts.get(kind, 0) + uncovered
        return counts

    def _form(self, name: str) -> Stored:
        if name not in self._disk:
            raise UsageError(
                f"the model has no tensor {name}",
                why="The patch names a tensor of another architecture or size.",
                fix="Use the model named in the patch: suture show PATCH",
            )
        return self._disk[name]

    def _experts(self, site: Site) -> bool:
        return site.expert is None and replace(site, expert=0) in self._weights

    def _find(self) -> Iterator[Weight]:
        names = {id(p): name for name, p in self.model.named_parameters()}
        for layer, block in enumerate(self.blocks):
            for part, slots in self.layout.weights.items():
                for slot in slots:
                    parameter = _parameter(block, slot.path)
                    if parameter is None:
                        continue
                    for expert in range(parameter.shape[0]) if slot.experts else (None,):
                        weight = self._weight(Site(layer, part, expert), slot, block, parameter, names[id(parameter)])
                        if weight:
                            yield weight

    def _weight(self, site: Site, slot: Slot, block: nn.Module, parameter: nn.Parameter, live: str) -> Weight | None:
        """Find a slot's matrix in the checkpoint: in a tensor that is the whole parameter, or as a tensor of its own."""
        rows, columns = parameter.shape[-2:]
        module = block.get_submodule(slot.path.rpartition(".")[0])
        transposed = is_transposed(module)
        outputs = slot.cut(columns if transposed else rows, module, self.model.config) if slot.cut else None
        begin = 0 if site.expert is None else site.expert * rows
        on = self._on.get(live, [])
        for name in on:
            form = self._disk[name]
            if torch.Size(form.shape).numel() == parameter.numel():
                expert_rows = range(begin, begin + rows) if slot.experts else None
                if transposed:
                    return Weight(site, name, parameter, form, True, outputs, expert_rows, outputs)
                if expert_rows is not None and isinstance(outputs, range):
                    expert_rows = range(begin + outputs.start, begin + outputs.stop, outputs.step)
                return Weight(site, name, parameter, form, False, expert_rows or outputs, None, outputs)
        cut = range(rows) if outputs is None else outputs
        if isinstance(cut, range):
            expected = Stored(live, (len(cut), columns), (columns * cut.step, 1), (begin + cut.start) * columns)
            for name in on:
                if not transposed and self._disk[name] == expected:
                    return Weight(site, name, parameter, expected, False, cut=outputs)
        return None  # the checkpoint keeps it in a form that can not be edited in place


def is_transposed(module: nn.Module) -> bool:
    """Return whether a module stores its weights as (in, out). By class or its own word: shapes can not tell (square ones)."""
    return type(module).__name__ == "Conv1D" or bool(getattr(module, "is_transposed", False))


def _parameter(block: nn.Module, path: str) -> nn.Parameter | None:
    try:
        return block.get_parameter(path)
    except AttributeError:
        return None


def _fitting(model: nn.Module) -> Layout:
    for layout in LAYOUTS:
        try:
            blocks = list(model.get_submodule(layout.blocks).children())
            model.get_submodule(layout.embed)
            model.get_submodule(layout.final)
        except AttributeError:
            continue
        slots = (*layout.weights["mlp.down"], *layout.weights["mlp.up"])
        if blocks and any(_parameter(blocks[0], slot.path) is not None for slot in slots):
            return layout
    raise fault("layout", kind=type(model).__name__, known=", ".join(layout.name for layout in LAYOUTS))
