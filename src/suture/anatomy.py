"""Architecture-neutral names for the parts of a causal language model, and where each part is stored.

An architecture is data: a `Layout` says under which module path each part of a block is found, and which rows of a
fused tensor it covers. A layout is chosen because its paths exist in the module graph, never by the model's name. Every
weight is described twice: as a live view into the model (in the layout of the file) and by its name in the checkpoint,
which transformers may have renamed on load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from .delta import LowRank
from .errors import UnsupportedModel, UsageError

# Where activations can be read or replaced, in the order in which a block computes them.
ACTIVATIONS = ("residual.in", "attn.out", "mlp.in", "mlp.key", "mlp.out", "residual")


@dataclass(frozen=True, order=True)
class Site:
    """A place in the model: `Site(12, "mlp.gate")` is a weight, `Site(7, "residual")` a stream of activations.

    Attributes:
        layer: block number from 0; -1 for parts outside the blocks ("embed", "final", "head").
        part: weight name of the layout, or one of ACTIVATIONS, or "embed", "final", "head".
        expert: expert number for a mixture of experts.
    """

    layer: int
    part: str
    expert: int | None = None

    def __str__(self) -> str:
        expert = "" if self.expert is None else f"[{self.expert}]"
        return self.part if self.layer < 0 else f"{self.layer}.{self.part}{expert}"


EMBED, FINAL, HEAD = Site(-1, "embed"), Site(-1, "final"), Site(-1, "head")


@dataclass(frozen=True)
class Slot:
    """Where a weight lies inside a block: module path, and which share of its outputs (fused tensors).

    Attributes:
        path: module path below the block, e.g. "mlp.gate_proj".
        part: this weight is slice number `part` ...
        parts: ... of `parts` equal slices along the output axis.
    """

    path: str
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Layout:
    """An architecture as data. Paths below the model: `blocks`, `embed`, `final`; below a block: all others."""

    name: str
    blocks: str
    embed: str
    final: str
    attn: str
    mlp: str
    weights: Mapping[str, Slot]
    first: str = "mlp.gate"  # the matrix whose rows decide when an MLP neuron is active


LLAMA = Layout(
    name="llama",  # also Mistral, Qwen 2 and 3, Gemma: everything with these paths
    blocks="model.layers",
    embed="model.embed_tokens",
    final="model.norm",
    attn="self_attn",
    mlp="mlp",
    weights={
        "mlp.gate": Slot("mlp.gate_proj"),
        "mlp.up": Slot("mlp.up_proj"),
        "mlp.down": Slot("mlp.down_proj"),
        "attn.q": Slot("self_attn.q_proj"),
        "attn.k": Slot("self_attn.k_proj"),
        "attn.v": Slot("self_attn.v_proj"),
        "attn.o": Slot("self_attn.o_proj"),
    },
)
GPT2 = Layout(
    name="gpt2",
    blocks="transformer.h",
    embed="transformer.wte",
    final="transformer.ln_f",
    attn="attn",
    mlp="mlp",
    weights={
        "mlp.up": Slot("mlp.c_fc"),
        "mlp.down": Slot("mlp.c_proj"),
        "attn.q": Slot("attn.c_attn", 0, 3),
        "attn.k": Slot("attn.c_attn", 1, 3),
        "attn.v": Slot("attn.c_attn", 2, 3),
        "attn.o": Slot("attn.c_proj"),
    },
    first="mlp.up",
)
LAYOUTS = (LLAMA, GPT2)


@dataclass(frozen=True)
class Weight:
    """One editable matrix, seen as (out, in), and how it is stored.

    Attributes:
        site: its neutral name.
        tensor: name of the tensor in the checkpoint.
        module: the module that applies it.
        transposed: the tensor is stored (in, out), as GPT-2's Conv1D does.
        start: first output of the stored tensor that belongs to this weight (fused tensors).
        outputs: how many outputs it has.
    """

    site: Site
    tensor: str
    module: nn.Module = field(repr=False)
    transposed: bool
    start: int
    outputs: int

    @property
    def stored(self) -> Tensor:
        """The live parameter in the layout of the file."""
        return self.module.get_parameter("weight")

    def matrix(self) -> Tensor:
        """Return this weight as a live (out, in) view of the model; read it, never write it."""
        full = self.stored.detach().T if self.transposed else self.stored.detach()
        return full[self.start : self.start + self.outputs]

    def place(self, delta: LowRank) -> LowRank:
        """Return a change to `matrix()` as a change to the stored tensor."""
        if self.outputs != (self.stored.shape[1] if self.transposed else self.stored.shape[0]):
            delta = delta.placed(self.start, 1)
        return delta.transposed() if self.transposed else delta


class Anatomy:
    """The parts of one model.

    Args:
        model: a causal language model from transformers.
        disk_names: name in the checkpoint of each live parameter, where it differs.

    Raises:
        UnsupportedModel: when no layout fits the module graph.
    """

    def __init__(self, model: nn.Module, disk_names: Mapping[str, str] | None = None) -> None:
        self.model = model
        self.layout = _fitting(model)
        blocks = model.get_submodule(self.layout.blocks)
        assert isinstance(blocks, nn.ModuleList)
        self.blocks: list[nn.Module] = list(blocks)
        self._disk = dict(disk_names or {})
        self._modules = {id(module): name for name, module in model.named_modules()}
        self._weights = {weight.site: weight for weight in self._find()}

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def weight(self, site: Site) -> Weight:
        """Return the weight at a site.

        Raises:
            UsageError: when the model has none there.
        """
        if site not in self._weights:
            known = sorted({s.part for s in self._weights})
            raise UsageError(
                f"no weight at {site}",
                why=f"This model has {self.layers} blocks with {', '.join(known)}.",
                fix="Name one of these parts and a block that exists.",
            )
        return self._weights[site]

    def weights(self, part: str, layers: list[int] | None = None) -> list[Weight]:
        """Return the weights of one part, in order of the blocks (all blocks by default)."""
        return [self.weight(Site(layer, part)) for layer in (range(self.layers) if layers is None else layers)]

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
        if site.layer >= self.layers:
            raise UsageError(f"no block {site.layer}", why=f"The model has blocks 0 to {self.layers - 1}.")
        block = self.blocks[site.layer]
        match site.part:
            case "residual":
                return block, "output"
            case "residual.in":
                return block, "input"
            case "attn.out":
                return block.get_submodule(self.layout.attn), "output"
            case "mlp.in":
                return block.get_submodule(self.layout.mlp), "input"
            case "mlp.out":
                return block.get_submodule(self.layout.mlp), "output"
            case "mlp.key":
                return block.get_submodule(self.layout.weights["mlp.down"].path), "input"
        if site in self._weights:
            return self._weights[site].module, "output"
        raise UsageError(f"no activations called {site.part!r}", fix=f"Known: {', '.join(ACTIVATIONS)}, embed, final.")

    def disk_name(self, module: nn.Module, parameter: str = "weight") -> str:
        """Return the checkpoint's name of a module's parameter."""
        live = f"{self._modules[id(module)]}.{parameter}"
        return self._disk.get(live, live)

    def stored(self) -> dict[str, Tensor]:
        """Return every parameter by its name in the checkpoint; tied ones once."""
        return {self._disk.get(name, name): value for name, value in self.model.named_parameters()}

    def owner(self, tensor: str) -> tuple[nn.Module, str]:
        """Return the module and attribute that hold a checkpoint tensor.

        Raises:
            UsageError: when the model has no such tensor.
        """
        live = {disk: name for name, disk in self._disk.items()}.get(tensor, tensor)
        path, _, attribute = live.rpartition(".")
        try:
            self.model.get_parameter(live)
        except AttributeError:
            raise UsageError(
                f"the model has no tensor {tensor}",
                why="The patch names a tensor of another architecture or size.",
                fix="Use the model named in the patch: suture show PATCH",
            ) from None
        return self.model.get_submodule(path), attribute

    def _find(self) -> Iterator[Weight]:
        for layer, block in enumerate(self.blocks):
            for part, slot in self.layout.weights.items():
                try:
                    module = block.get_submodule(slot.path)
                except AttributeError:
                    continue
                transposed = is_transposed(module)
                outputs = module.get_parameter("weight").shape[1 if transposed else 0] // slot.parts
                yield Weight(
                    Site(layer, part), self.disk_name(module), module, transposed, outputs * slot.part, outputs
                )


def is_transposed(module: nn.Module) -> bool:
    """Return whether a linear module stores its weight as (in, out). By its class: shapes can not tell (square ones)."""
    return type(module).__name__ == "Conv1D"


def _fitting(model: nn.Module) -> Layout:
    for layout in LAYOUTS:
        try:
            block = model.get_submodule(layout.blocks)
            model.get_submodule(layout.embed)
            model.get_submodule(layout.final)
            first = next(iter(block.children()))
            first.get_submodule(layout.weights["mlp.down"].path)
            first.get_submodule(layout.weights[layout.first].path)
        except (AttributeError, StopIteration):
            continue
        return layout
    raise UnsupportedModel(
        f"the parts of {type(model).__name__} are not known",
        why="None of the layouts fits its module graph.",
        fix=f"Known layouts: {', '.join(layout.name for layout in LAYOUTS)}. Add one to suture/anatomy.py.",
    )
