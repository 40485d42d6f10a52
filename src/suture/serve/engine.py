"""One thread that runs the model for all requests: rows join its batch when they come and leave it when they are done.

Each row has its own patches, strengths, temperature and random numbers (`generation.draws_of`), so its text is what `generate`
writes for it alone. New rows are read together, then continue with the others; one that fails leaves them alone.
"""

from __future__ import annotations

import copy
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

from ..errors import SutureError
from ..memory.store import Memory
from ..model.lm import BATCH_TOKENS, LM
from ..model.run.decode_batch import DecodeBatch
from ..model.run.generation import ends, unsound
from ..model.run.reading import text_behind
from ..patch.patch import Patch
from ..patch.runtime.multi_patch import MultiPatch, attached_together
from .batch import LiveBatch, next_tokens
from .detokenizer import IncrementalDetokenizer
from .limits import Busy, Closed, Limits, check_names, check_servable, closing, overflow
from .request import GenerationRequest, OutputChunk, RequestState
from .tasks import ModelTasks

log = logging.getLogger(__name__)
T = TypeVar("T")
ROWS, WAITING, OUT_OF_MEMORY = 32, 512, (torch.OutOfMemoryError, MemoryError)  # answered side by side; in the queue


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
        # A tokenizer serves one thread, and a long prompt keeps it for seconds: prompts are read with a copy of their own.
        self.reader = copy.copy(lm)
        self.reader.tokenizer = copy.deepcopy(lm.tokenizer)
        self.reading_now = threading.Lock()
        self.limits = Limits.of(lm, waiting)
        self._most = rows
        self._queue: deque[RequestState] = deque()
        self._errands = ModelTasks()
        self._changed = threading.Condition()
        self._closing = False
        self._batch = LiveBatch(lm)
        self._ends = ends(lm)
        for memory in self.memories.values():
            memory.check_base(lm)
        for name, patch in self.patches.items():
            check_servable(lm, name, patch)

    @property
    def load(self) -> dict[str, int]:
        """How many rows are being answered, and how many wait."""
        return {"running": len(self._batch.rows), "waiting": len(self._queue)}

    def submit(self, asks: Sequence[GenerationRequest], tell: Callable[[int, OutputChunk], None]) -> list[RequestState]:
        """Put rows into the queue, all or none.

        Args:
            asks: the rows of one request.
            tell: called in the engine's thread with the number of a row and what is new of it.

        Raises:
            Busy: when the queue is full.
            Closed: when the server is about to stop.
            UsageError: when a patch is not known, or there is more of it than can ever be written; see `Limits`.
        """
        self.limits.check_request([""] * len(asks), 1)
        for ask in asks:
            check_names("patch", ask.patches, self.patches)
            self.limits.check_ask(ask)
        tickets = [
            RequestState(ask, _teller(tell, i), IncrementalDetokenizer(partial(self._decode, ask.prompt), ask.stops))
            for i, ask in enumerate(asks)
        ]
        with self._changed:
            if self._closing:
                raise closing()
            if len(self._queue) + len(tickets) > self.limits.rows:
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
        check_names("memory", memories, self.memories)

        def work() -> T:
            with ExitStack() as stack:
                for name in memories:
                    stack.enter_context(self.memories[name].attached(self.lm, force=True))
                return make()

        with self._changed:
            if self._closing:
                raise closing()
            future = self._errands.add(work)
            self._changed.notify()
        return future

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
                    self._errands.refuse(closing())
                    for ticket in [*self._batch.rows, *self._queue]:
                        ticket.tell(
                            OutputChunk("", problem=Closed("the server has stopped", fix="Ask when it is back."))
                        )
                    thread.join(0.1)

    @torch.no_grad()
    def _probe(self, ward: MultiPatch) -> None:
        """Let two rows join, so that a model that can not is refused before anybody asks."""
        ward.set([{}])
        one, two = (DecodeBatch.begin(self.lm, [[next(iter(self._ends), 0)]], movable=True)[0] for _ in range(2))
        one.extend(two)

    def _decode(self, prompt: Sequence[int], ids: Sequence[int]) -> str:
        return text_behind(self.lm, prompt, ids)

    @torch.no_grad()
    def _work(self, ward: MultiPatch) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._batch.rows or self._errands or self._closing)
                new = self._next()
                if self._closing and not new and not self._batch.rows and not self._errands:
                    return
            if self._errands:
                ward.set([{}])
                self._errands.run()
            self._admit(ward, new)
            self._step(ward)

    def _next(self) -> list[RequestState]:
        """Take from the queue what is read together next."""
        tickets: list[RequestState] = []
        longest = 0
        while self._queue and len(self._batch.rows) + len(tickets) < self._most:
            if self._queue[0].ended:
                self._queue.popleft()
                continue
            longest = max(longest, len(self._queue[0].ask.prompt))
            if tickets and longest * (len(tickets) + 1) > BATCH_TOKENS:
                break
            tickets.append(self._queue.popleft())
        return tickets

    def _admit(self, ward: MultiPatch, new: list[RequestState]) -> None:
        """Let new rows join, together if they fit in memory; whatever goes wrong with them does not reach the others."""
        waiting = [new] if new else []
        while waiting:
            part = waiting.pop()
            try:
                self._join(ward, part)
            except Exception as problem:
                if isinstance(problem, OUT_OF_MEMORY) and len(part) > 1 and part[0] not in self._batch.rows:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
                else:
                    self._fail(part, problem)

    def _join(self, ward: MultiPatch, new: list[RequestState]) -> None:
        """Read new prompts together, let their rows join, and write the first token of each."""
        logits = self._batch.join(ward, new)
        self._batch.tokens[-len(new) :] = self._say(new, logits)
        self._batch.leave()

    def _step(self, ward: MultiPatch) -> None:
        """Write the next token of every row; where they do not fit in memory any more, the longest leaves."""
        if not self._batch.rows:
            return
        try:
            self._batch.tokens = self._say(self._batch.rows, self._batch.step(ward))
            self._batch.leave()
        except OUT_OF_MEMORY as problem:
            self._fail([max(self._batch.rows, key=lambda ticket: ticket.length)], problem)
        except Exception as problem:  # the server goes on, and those who wait are told
            self._fail(self._batch.rows, problem)

    def _say(self, rows: Sequence[RequestState], logits: Tensor) -> Tensor:
        """Pick the next token of each row and tell it: (rows, vocabulary) -> (rows,)."""
        tokens = next_tokens(rows, logits)
        for ticket, token, broken in zip(rows, tokens.tolist(), unsound(logits).tolist(), strict=True):
            try:
                if broken:
                    ticket.tell(OutputChunk("", problem=overflow()))
                else:
                    ticket.hear(token, self._ends)
            except Exception as problem:  # of its text, or of who hears it
                log.error("a row failed", exc_info=problem)
                self._refuse(ticket, problem)
        return tokens

    def _fail(self, tickets: Sequence[RequestState], problem: Exception) -> None:
        """Tell some rows that they can not be written; the others go on."""
        if not isinstance(problem, SutureError):
            log.error("a batch failed", exc_info=problem)
        if isinstance(problem, OUT_OF_MEMORY):
            problem = Busy("the batch does not fit in memory", fix="Ask for less, or serve with fewer `rows`.")
        for ticket in tickets:
            self._refuse(ticket, problem)
        try:
            self._batch.leave()
        except Exception as worse:  # nobody knows how the rows stand: all end, and the server goes on
            for ticket in self._batch.rows:
                self._refuse(ticket, worse)
            self._batch.clear()

    def _refuse(self, ticket: RequestState, problem: Exception) -> None:
        try:
            ticket.tell(OutputChunk("", problem=problem))
        except Exception as deaf:
            log.error("nobody could be told", exc_info=deaf)
        ticket.cancel()


def _teller(tell: Callable[[int, OutputChunk], None], row: int) -> Callable[[OutputChunk], None]:
    return lambda piece: tell(row, piece)
