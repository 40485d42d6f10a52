"""One thread that runs the model for all requests: rows join its batch when they come and leave it when they are done.

Each row has its own patches, strengths, temperature and random numbers (`generation.draws_of`), so its text is the one that
`generate` writes for it alone. New rows are read together, then continue with the others, a token a turn.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from ..dose import Read
from ..errors import ResourceError, SutureError, UsageError
from ..flow import Flow
from ..generation import ends, pick
from ..lm import BATCH_TOKENS, LM
from ..memory.store import Memory
from ..patch import Patch
from ..reading import text_behind
from ..several import Ward, attached_together
from .errands import Errands
from .speech import Speech
from .ticket import Ask, Piece, Ticket

log = logging.getLogger(__name__)
T = TypeVar("T")
ROWS, WAITING = 32, 512  # answered side by side; in the queue


class Busy(ResourceError):
    """No room for a request now; it may come again."""


class Closed(ResourceError):
    """The server is about to stop."""


class Engine:
    """Answers asks with one model and its patches.

    Args:
        lm: the model.
        patches: by the names that requests use.
        memories: of facts, by the names that requests use.
        rows: answered side by side at most.
        waiting: rows that may wait for their turn.

    Raises:
        PatchMismatch: when a patch or a memory is for another model.
        UsageError: when a patch can not be attached.
    """

    def __init__(
        self,
        lm: LM,
        patches: Mapping[str, Patch],
        memories: Mapping[str, Memory] | None = None,
        *,
        rows: int = ROWS,
        waiting: int = WAITING,
    ) -> None:
        self.lm, self.patches, self.memories = lm, dict(patches), dict(memories or {})
        self.tokenizer = threading.Lock()  # fast tokenizers can not read and write in two threads at once
        self._most, self._room = rows, waiting
        self._queue: deque[Ticket] = deque()
        self._errands = Errands()
        self._changed = threading.Condition()
        self._closing = False
        self._rows: list[Ticket] = []
        self._flow: Flow | None = None
        self._tokens = torch.zeros(0, dtype=torch.int64)
        self._read: dict[str, Read] = {}
        self._ends = ends(lm)
        for memory in self.memories.values():
            memory.check_base(lm)
        for name, patch in self.patches.items():
            patch.check_base(lm)
            if not patch.attachable(lm):
                raise UsageError(
                    f"the patch {name} can not be served",
                    why="It changes a tensor that no linear layer of its own applies, so it can not differ between requests.",
                    fix="Write it into a checkpoint and serve that: suture apply",
                )

    @property
    def load(self) -> dict[str, int]:
        """How many rows are being answered, and how many wait."""
        return {"running": len(self._rows), "waiting": len(self._queue)}

    @property
    def context(self) -> int | None:
        """Tokens the model can read, where there is a limit."""
        limit = getattr(self.lm.model.config, "max_position_embeddings", None)
        return None if limit is None else int(limit)

    def submit(self, asks: Sequence[Ask], tell: Callable[[int, Piece], None]) -> list[Ticket]:
        """Put rows into the queue, all or none.

        Args:
            asks: the rows of one request.
            tell: called in the engine's thread with the number of a row and what is new of it.

        Raises:
            Busy: when the queue is full.
            Closed: when the server is about to stop.
            UsageError: when a patch is not known, or a row is longer than the model can read.
        """
        for ask in asks:
            self._check(ask)
        tickets = [
            Ticket(ask, _told(tell, i), Speech(partial(self._decode, ask.prompt), ask.stops))
            for i, ask in enumerate(asks)
        ]
        with self._changed:
            if self._closing:
                raise _closing()
            if len(self._queue) + len(tickets) > self._room:
                raise Busy("too many requests wait", why=f"{len(self._queue)} do.", fix="Try again in a moment.")
            self._queue.extend(tickets)
            self._changed.notify()
        return tickets

    def reading(self, memories: Sequence[str], make: Callable[[], T]) -> Future[T]:
        """Have prompts made into ids, reminded of the facts they ask for.

        Whether a prompt asks for a fact is read from the base model's states, so it is done between two tokens.

        Args:
            memories: names of those to ask, in this order.
            make: makes the ids, by `LM.encode_prompts` or `LM.encode_messages`.

        Raises:
            Closed: when the server is about to stop.
            UsageError: when a memory is not known.
        """
        if unknown := set(memories) - self.memories.keys():
            known = ", ".join(sorted(self.memories)) or "none"
            raise UsageError(f"no memory {min(unknown)!r}", why=f"Served: {known}.", fix="See GET /v1/models.")

        def work() -> T:
            with self.tokenizer, ExitStack() as stack:  # nobody else makes ids while the model is reminded
                for name in memories:
                    stack.enter_context(self.memories[name].attached(self.lm, force=True))
                return make()

        with self._changed:
            if self._closing:
                raise _closing()
            found = self._errands.add(work)
            self._changed.notify()
        return found

    @contextmanager
    def running(self, grace: float = 30.0) -> Iterator[None]:
        """Answer inside the block. On leaving, what runs is finished within so many seconds, or ended.

        Raises:
            UnsupportedModel: when rows of this model can not join and leave a batch.
        """
        with attached_together(self.lm, self.patches, force=True) as ward:
            self._probe(ward)
            thread = threading.Thread(target=self._work, args=(ward,), name="suture-engine", daemon=True)
            thread.start()
            try:
                yield
            finally:
                with self._changed:
                    self._closing = True
                    self._changed.notify()
                thread.join(grace)
                while thread.is_alive():  # rows may just be on their way from the queue into the batch
                    self._errands.refuse(_closing())
                    for ticket in [*self._rows, *self._queue]:
                        ticket.tell(Piece("", problem=Closed("the server has stopped", fix="Ask when it is back.")))
                    thread.join(0.1)

    def _check(self, ask: Ask) -> None:
        if unknown := ask.patches.keys() - self.patches.keys():
            known = ", ".join(sorted(self.patches)) or "none"
            raise UsageError(f"no patch {min(unknown)!r}", why=f"Served: {known}.", fix="See GET /v1/models.")
        if not ask.prompt:
            raise UsageError("the prompt has no tokens", fix="Say something.")
        if self.context is not None and len(ask.prompt) + ask.tokens > self.context:
            raise UsageError(
                "the request is longer than the model can read",
                why=f"{len(ask.prompt)} tokens and {ask.tokens} of an answer; the model reads {self.context}.",
                fix="Shorten the prompt, or ask for fewer tokens.",
            )

    @torch.no_grad()
    def _probe(self, ward: Ward) -> None:
        """Let two rows join, so that a model that can not is refused before anybody asks."""
        ward.set([{}])
        one, two = (Flow.begin(self.lm, [[next(iter(self._ends), 0)]], movable=True)[0] for _ in range(2))
        one.joined(two)

    def _decode(self, prompt: Sequence[int], ids: Sequence[int]) -> str:
        with self.tokenizer:
            return text_behind(self.lm, prompt, ids)

    @torch.no_grad()
    def _work(self, ward: Ward) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._rows or self._errands or self._closing)
                new = self._next()
                if self._closing and not new and not self._rows and not self._errands:
                    return
            try:
                if self._errands:
                    ward.set([{}])
                    self._errands.run()
                if new:
                    self._admit(ward, new)
                if self._rows:
                    self._step(ward)
            except Exception as problem:  # whatever it is, the server goes on, and those who wait are told
                self._fail(new, problem)

    def _next(self) -> list[Ticket]:
        """Take from the queue what is read together next."""
        found: list[Ticket] = []
        longest = 0
        while self._queue and len(self._rows) + len(found) < self._most:
            if self._queue[0].ended:
                self._queue.popleft()
                continue
            longest = max(longest, len(self._queue[0].ask.prompt))
            if found and longest * (len(found) + 1) > BATCH_TOKENS:
                break
            found.append(self._queue.popleft())
        return found

    def _admit(self, ward: Ward, new: list[Ticket]) -> None:
        """Read new prompts together, and let their rows join."""
        ward.set([ticket.ask.patches for ticket in new])
        flow, logits = Flow.begin(self.lm, [ticket.ask.prompt for ticket in new], movable=True)
        tokens, read = self._say(new, logits), ward.read
        if self._flow is not None:
            flow = self._flow.joined(flow)
            read = {name: self._read[name].joined(own) for name, own in read.items()}
            tokens = torch.cat([self._tokens, tokens])
        self._rows, self._flow, self._tokens, self._read = self._rows + new, flow, tokens, read
        self._leave()

    def _step(self, ward: Ward) -> None:
        """Write the next token of every row."""
        assert self._flow is not None
        ward.set([ticket.ask.patches for ticket in self._rows])
        ward.recall(self._read)
        self._tokens = self._say(self._rows, self._flow.step(self.lm, self._tokens))
        self._leave()

    def _say(self, rows: Sequence[Ticket], logits: Tensor) -> Tensor:
        """Pick the next token of each row and tell it: (rows, vocabulary) -> (rows,)."""
        asks = [ticket.ask for ticket in rows]
        wild = (~torch.isfinite(logits).all(-1)).tolist()
        nuclei = [ask.nucleus for ask in asks]
        draws, heats, shares = (
            torch.tensor(each, device=logits.device, dtype=torch.float32)
            for each in ([t.draw for t in rows], [a.temperature for a in asks], nuclei)
        )
        tokens = pick(logits, draws, heats, shares if min(nuclei) < 1 else None)
        for ticket, token, broken in zip(rows, tokens.tolist(), wild, strict=True):
            if broken:
                ticket.tell(Piece("", problem=_overflow()))
            else:
                ticket.hear(token, self._ends)
        return tokens

    def _leave(self) -> None:
        """Let the rows go that have ended."""
        staying = [i for i, ticket in enumerate(self._rows) if not ticket.ended]
        if len(staying) == len(self._rows):
            return
        rows = torch.tensor(staying, dtype=torch.int64, device=self._tokens.device)
        self._rows = [self._rows[i] for i in staying]
        self._tokens = self._tokens[rows]
        self._read = {name: own.kept(rows) for name, own in self._read.items()}
        self._flow = self._flow.kept(rows) if self._flow is not None and staying else None

    def _fail(self, new: Sequence[Ticket], problem: Exception) -> None:
        if not isinstance(problem, SutureError):
            log.error("a batch failed", exc_info=problem)
        if isinstance(problem, torch.OutOfMemoryError | MemoryError):
            problem = Busy("the batch does not fit in memory", fix="Ask for less, or serve with fewer --rows.")
        for ticket in {*self._rows, *new}:
            ticket.tell(Piece("", problem=problem))
        self._rows, self._flow, self._read = [], None, {}


def _told(tell: Callable[[int, Piece], None], row: int) -> Callable[[Piece], None]:
    return lambda piece: tell(row, piece)


def _closing() -> Closed:
    return Closed("the server is about to stop", fix="Ask again when it is back.")


def _overflow() -> UsageError:
    return UsageError("the model's numbers are not finite", why="The strengths are too high.", fix="Lower them.")
