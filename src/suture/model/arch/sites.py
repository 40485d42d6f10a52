"""Places in a model: a site has an architecture-neutral name, a weight is a live matrix and its place in the checkpoint.

Every weight is described twice: as a live (out, in) matrix, and as rows and columns of the tensor that the checkpoint
stores, which transformers may have renamed or fused on load (`Stored`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...patch.delta import LowRank
from .layouts import Numbers

# Where activations can be read or replaced, in the order in which a block computes them.
# "attn.heads" is what the heads put out, side by side, before `attn.o` joins them.
ACTIVATIONS = ("residual.in", "attn.heads", "attn.out", "mlp.in", "mlp.key", "mlp.out", "residual")


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
class Stored:
    """Where the memory of a checkpoint tensor lies: a strided part of a live parameter, most often all of it.

    Attributes:
        live: name of the parameter.
        shape: of the tensor in the checkpoint; 3-D tensors (experts) are seen as matrices, their first two axes joined.
        stride: of that shape in the parameter.
        offset: of its first entry in the parameter.
    """

    live: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, live: str, tensor: Tensor, *, shift: int = 0) -> Stored:
        """Describe a view of a contiguous parameter; `shift` is where the parameter itself begins in memory."""
        shape, stride = tuple(tensor.shape), tuple(tensor.stride())
        if len(shape) == 3 and stride[0] == shape[1] * stride[1]:
            shape, stride = (shape[0] * shape[1], shape[2]), stride[1:]
        return cls(live, shape, stride, int(tensor.storage_offset()) - shift)

    def view(self, parameter: Tensor) -> Tensor:
        """Return the live memory of the tensor, in the checkpoint's layout; shares memory with the parameter."""
        data = parameter.detach()
        return data.as_strided(self.shape, self.stride, data.storage_offset() + self.offset)

    def positions(self, index: Tensor) -> Tensor:
        """Return where entries of the checkpoint's tensor lie in the flattened parameter, both as flat int64 positions."""
        place = torch.full_like(index, self.offset)
        for size, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            place += index % size * stride
            index = index // size
        return place


@dataclass(frozen=True)
class Weight:
    """One editable matrix, seen as (out, in), and how it is stored.

    Attributes:
        site: its neutral name.
        tensor: name of the tensor in the checkpoint.
        parameter: the live parameter that holds it.
        form: how the checkpoint's tensor lies in the parameter.
        transposed: the tensor is stored (in, out), as GPT-2's Conv1D does.
        outputs: which of the tensor's outputs are this weight's (fused tensors), or None for all.
        inputs: which of its inputs are (experts of one transposed tensor), or None for all.
        cut: which outputs of the live operand (see `operand`) are this weight's, or None for all.
    """

    site: Site
    tensor: str
    parameter: nn.Parameter = field(repr=False)
    form: Stored = field(repr=False)
    transposed: bool
    outputs: Numbers | None = None
    inputs: Numbers | None = None
    cut: Numbers | None = None

    @property
    def operand(self) -> Tensor:
        """The live matrix that the model multiplies with: the parameter, or one expert of it."""
        data = self.parameter.detach()
        return data if data.dim() == 2 else data[self.site.expert]

    @property
    def stored(self) -> Tensor:
        """The live tensor in the layout of the file; shares memory with the model."""
        return self.form.view(self.parameter)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of outputs and inputs."""
        out, into = reversed(self.form.shape) if self.transposed else self.form.shape
        return (out if self.outputs is None else len(self.outputs), into if self.inputs is None else len(self.inputs))

    def matrix(self, of: Tensor | None = None) -> Tensor:
        """Return this weight as (out, in), a live view where its storage allows; read it, never write it.

        Args:
            of: look at this tensor of the parameter's shape instead (its gradient), contiguous.
        """
        stored = self.stored if of is None else self.form.view(of)
        full = stored.T if self.transposed else stored
        return _rows_of(_rows_of(full, self.outputs).T, self.inputs).T

    def flat(self, index: Tensor) -> Tensor:
        """Return where entries of `matrix()` lie in the flattened stored tensor, both as flat int64 positions."""
        out, into = index // self.shape[1], index % self.shape[1]
        out = out if self.outputs is None else _numbers_at(self.outputs, out)
        into = into if self.inputs is None else _numbers_at(self.inputs, into)
        row, column = (into, out) if self.transposed else (out, into)
        return row * self.form.shape[1] + column

    def holds(self, index: Tensor) -> Tensor:
        """Return which entries of the flattened stored tensor are this weight's: (count,) bool."""
        row, column = index // self.form.shape[1], index % self.form.shape[1]
        out, into = (column, row) if self.transposed else (row, column)
        return _among(self.outputs, out) & _among(self.inputs, into)

    def place(self, delta: LowRank) -> LowRank:
        """Return a change to `matrix()` as a change to the stored tensor."""
        delta = delta.placed(_tensor(self.outputs), _tensor(self.inputs))
        return delta.transposed() if self.transposed else delta


def _tensor(numbers: Numbers | None) -> Tensor | None:
    return torch.tensor(numbers) if numbers is not None else None


def _numbers_at(numbers: Numbers, which: Tensor) -> Tensor:
    """Return numbers[which]."""
    if isinstance(numbers, range):
        return numbers.start + which * numbers.step
    return torch.tensor(numbers, device=which.device)[which]


def _among(numbers: Numbers | None, values: Tensor) -> Tensor:
    """Return which values are among numbers (None: all are)."""
    if numbers is None:
        return torch.ones_like(values, dtype=torch.bool)
    if isinstance(numbers, range):
        return (values >= numbers.start) & (values < numbers.stop) & ((values - numbers.start) % numbers.step == 0)
    return torch.isin(values, torch.tensor(numbers, device=values.device))


def _rows_of(matrix: Tensor, rows: Numbers | None) -> Tensor:
    """Return some rows of a matrix; a view when they are evenly spaced."""
    if rows is None:
        return matrix
    if isinstance(rows, range):
        return matrix[rows.start : rows.stop : rows.step]
    return matrix[torch.tensor(rows, device=matrix.device)]
