"""The rows that are answered side by side, and where each stands: they join when they come and leave when they have ended."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.lm import LM
from ..model.run.decode_batch import DecodeBatch
from ..model.run.generation import pick
from ..patch.runtime.multi_patch import MultiPatch
from ..patch.runtime.strength import PromptState
from .request import RequestState


class LiveBatch:
    """The rows; where reading for them fails, they stand as before.

    Attributes:
        rows: in the order of the batch.
        tokens: the last of each row, which the next step reads, (rows,).
    """

    def __init__(self, lm: LM) -> None:
        self.lm = lm
        self.rows: list[RequestState] = []
        self.tokens = torch.zeros(0, dtype=torch.int64)
        self._flow: DecodeBatch | None = None
        self._read: dict[str, PromptState] = {}

    def join(self, ward: MultiPatch, new: Sequence[RequestState]) -> Tensor:
        """Read new prompts together and let their rows join; returns the logits behind each, (new, vocabulary)."""
        ward.set([ticket.ask.patches for ticket in new])
        flow, logits = DecodeBatch.begin(self.lm, [ticket.ask.prompt for ticket in new], movable=True)
        states, none = ward.read, self.tokens.new_zeros(len(new)).to(logits.device)
        if self._flow is not None:
            states = {name: self._read[name].extend(state) for name, state in states.items()}
            flow, none = self._flow.extend(flow), torch.cat([self.tokens, none])
        self.rows, self._flow, self.tokens, self._read = [*self.rows, *new], flow, none, states
        return logits

    def step(self, ward: MultiPatch) -> Tensor:
        """Read the last token of every row; returns the logits behind each, (rows, vocabulary)."""
        assert self._flow is not None, "there are rows"
        ward.set([ticket.ask.patches for ticket in self.rows])
        ward.recall(self._read)
        return self._flow.step(self.lm, self.tokens)

    def leave(self) -> None:
        """Let the rows go that have ended."""
        staying = [i for i, ticket in enumerate(self.rows) if not ticket.ended]
        if len(staying) == len(self.rows):
            return
        rows = torch.tensor(staying, dtype=torch.int64, device=self.tokens.device)
        self.rows = [self.rows[i] for i in staying]
        self.tokens = self.tokens[rows]
        self._read = {name: state.select(rows) for name, state in self._read.items()}
        self._flow = self._flow.select(rows) if self._flow is not None and staying else None

    def clear(self) -> None:
        """Forget all rows."""
        self.rows, self._flow, self.tokens, self._read = [], None, self.tokens[:0], {}


def next_tokens(rows: Sequence[RequestState], logits: Tensor) -> Tensor:
    """Pick the next token of each row as its request asks: (rows, vocabulary) -> (rows,)."""
    asks = [ticket.ask for ticket in rows]
    nuclei = [ask.nucleus for ask in asks]
    draws, heats, shares = (
        torch.tensor(values, device=logits.device, dtype=torch.float32)
        for values in ([t.draw for t in rows], [a.temperature for a in asks], nuclei)
    )
    return pick(logits, draws, heats, shares if min(nuclei) < 1 else None)
