"""Prompts made into ids beside the texts that are being written, the long ones beside the short ones.

A tokenizer serves one thread at a time, and a text of a megabyte keeps it for seconds. So there are copies: one for prompts that
take no time to speak of, and one for the others, which wait for each other and for nobody else.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..model.lm import LM

SHORT = 1 << 15  # characters of all prompts of a request together: about 10 ms
T = TypeVar("T")


class PromptReaders:
    """Two queues of prompts.

    Args:
        lm: whose tokenizer is copied; what is read sees the model without the memories that are attached to it.
    """

    def __init__(self, lm: LM) -> None:
        # Copied before anybody is answered: it takes a large vocabulary a second, in which nothing else runs.
        self.short, self.long = _reader(lm), _reader(lm)
        self._queues = [_queue("short"), _queue("long")]

    def submit(self, texts: Sequence[str], make: Callable[[LM], T]) -> Future[T]:
        """Have ids made of texts.

        Args:
            texts: that will be read, by which it is told how long that takes.
            make: makes the ids, with a model that has a tokenizer of its own.
        """
        if sum(map(len, texts)) <= SHORT:
            return self._queues[0].submit(lambda: make(self.short))
        return self._queues[1].submit(lambda: make(self.long))


def _reader(lm: LM) -> LM:
    reader = copy.copy(lm)
    reader.tokenizer = copy.deepcopy(lm.tokenizer)
    return reader


def _queue(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=f"suture-{name}-prompts")
