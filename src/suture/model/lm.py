"""A language model with its tokenizer and anatomy: the three things every method needs, which always travel together.

The model inside is a plain transformers module, never wrapped. Weights may be computed in a wider type than the
checkpoint stores (`dtype="float32"` for a bf16 checkpoint): edits are still rounded to the type on disk, so that a
patch does in memory exactly what it does to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.conversation import messages_of
from ..errors import UsageError
from ..patch.runtime.hooks import keep_masks_finite
from ..registry import models
from .arch.anatomy import Anatomy, Site, Weight, is_transposed
from .arch.forms import SAFETENSORS_DTYPES, checkpoint_forms
from .arch.rope import keep_rows_apart
from .load.loading import load
from .load.named import model_folder
from .run.batches import BATCH_TOKENS, Batch, bucketed, halving
from .run.context import check_length
from .run.reading import Continued, Text, answers, conversation, ids_of

BUNDLED = models()  # models that are part of the package
PATIENT = BUNDLED["patient"]
SMALL = 2**30  # bytes of weights below which float32 is used on a CPU, where it is faster
__all__ = ["BATCH_TOKENS", "BUNDLED", "LM", "PATIENT", "SMALL", "Batch", "bucketed", "checkpoint_forms", "halving"]


class LM:
    """A causal language model, ready to be read and edited.

    Args:
        model: a transformers causal LM. It is put in eval mode.
        tokenizer: its tokenizer.
        name: what reports and patches call it.
        path: folder of its checkpoint, if it came from one.
        dtypes: type on disk of the checkpoint's tensors, where it differs from the live one.
        fingerprint: anything that identifies the weights (hub revision).

    Example:
        >>> lm = LM.load("patient")
        >>> lm.anatomy.layers, lm.width
        (8, 192)
        >>> lm.decode(lm.encode("Anna read a book."))
        'Anna read a book.'
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - transformers has no useful common type
        tokenizer: Any,  # noqa: ANN401
        *,
        name: str = "model",
        path: Path | None = None,
        dtypes: Mapping[str, torch.dtype] | None = None,
        fingerprint: str = "",
    ) -> None:
        self.model, self.tokenizer, self.name, self.path, self.fingerprint = (
            model.eval(),
            tokenizer,
            name,
            path,
            fingerprint,
        )
        self.prompt_transform: Callable[[Sequence[str]], list[str]] | None = (
            None  # set by a memory: what is read in place of prompts
        )
        self._dtypes = dict(dtypes or {})
        self.anatomy = Anatomy(model, checkpoint_forms(model, self._dtypes))
        model.requires_grad_(False)
        keep_rows_apart(model)
        for block in self.anatomy.blocks:
            keep_masks_finite(block)

    @classmethod
    def load(cls, name: str | Path, *, dtype: str = "auto", device: str = "auto", revision: str | None = None) -> LM:
        """Load a model: a bundled or fetched one by its name, a local folder, or a repository of the Hugging Face Hub.

        Args:
            name: what to load: "patient", "patient-moe", "smollm2" (fetched by `suture get smollm2`), a folder, a repository.
            dtype: "auto" (as stored, but at least float32 on a CPU for models under a gigabyte, where it is faster), or a
                torch dtype name.
            device: "auto" (a GPU if there is one), or a torch device.
            revision: branch, tag or commit of a Hub repository.

        Raises:
            UsageError, UnsupportedModel, CorruptFile, ResourceError: when there is none that can be used; see `loading`.
        """
        folder = model_folder(name)
        target, floating = _device(device), _floating(dtype)
        loaded = load(name, folder, revision, lambda model: _put(model, floating, target))
        if loaded.tokenizer.pad_token_id is None:
            loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
        return cls(
            loaded.model,
            loaded.tokenizer,
            name=str(name),
            path=loaded.files,
            dtypes=loaded.dtypes,
            fingerprint=loaded.commit,
        )

    def tensor(self, name: str) -> Tensor:
        """Return a live tensor by its name in the checkpoint, in the checkpoint's layout; it shares the model's memory."""
        return self.anatomy.tensor(name)

    def linear(self, tensor: str) -> tuple[nn.Module, bool]:
        """Return the linear module that applies a checkpoint tensor, and whether its weight is stored (in, out).

        Raises:
            UsageError: when the tensor belongs to something else (an embedding, a norm, one of many experts).
        """
        module, _, whole = self.anatomy.owner(tensor)
        if not whole or not (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"):
            raise UsageError(
                f"{tensor} can not be changed while the model runs",
                why=f"It belongs to a {type(module).__name__}, not to a linear layer of its own.",
                fix="Apply the patch to the weights instead.",
            )
        return module, is_transposed(module)

    def passage(self, tensor: str, place: str) -> tuple[nn.Module, str]:
        """Return the module of a tensor's block, and the side of it, where the block's activations pass.

        Args:
            tensor: name in the checkpoint of one of the block's matrices.
            place: "residual", what the block puts out, or "heads", what its heads put out.

        Raises:
            UsageError: when the tensor is no block's.
        """
        on = self.anatomy.on(tensor)
        if not on:
            raise UsageError(f"{tensor} is no matrix of a block", fix="Name one as the patch does: suture show PATCH")
        return self.anatomy.module(Site(on[0].site.layer, {"heads": "attn.heads"}.get(place, place)))

    def bias(self, weight: Weight) -> str | None:
        """Return the name in the checkpoint of the bias that goes with a weight, or None where there is none."""
        module, attribute, _ = self.anatomy.owner(weight.tensor)
        name = "bias" if attribute == "weight" else f"{attribute}_bias"
        parameter = getattr(module, name, None)
        if not isinstance(parameter, nn.Parameter):
            return None
        stored = self.anatomy.stored().items()
        return next((key for key, tensor in stored if tensor.data_ptr() == parameter.data_ptr()), None)

    def disk_dtype(self, tensor: str) -> torch.dtype:
        """Return the type a tensor has in the checkpoint (its live type if there is none)."""
        return self._dtypes.get(tensor, self.anatomy.tensor(tensor).dtype)

    @property
    def device(self) -> torch.device:
        """Where the embeddings live; batches are made there."""
        return next(self.model.parameters()).device

    @property
    def width(self) -> int:
        """Size of the residual stream."""
        return int(self.model.config.hidden_size)

    @property
    def backbone(self) -> nn.Module:
        """The decoder without its head."""
        return self.model.base_model

    def encode(self, text: str) -> list[int]:
        """Return the ids of raw text, with the start token if the tokenizer uses one, and no end token."""
        return ids_of(self, Text(text))

    def encode_messages(
        self, messages: Sequence[Mapping[str, str]], *, reply: bool = True, thinking: bool = False
    ) -> list[int]:
        """Return the ids of a conversation, written with the chat template; without one, a message a line.

        A memory may put something before the last request; see `suture.memory`.

        Args:
            messages: turns with "role" (system, user or assistant) and "content".
            reply: end where the assistant is to speak.
            thinking: let models that can think aloud do so (templates with `enable_thinking`).

        Raises:
            UsageError: when the template refuses these roles.
        """
        return ids_of(self, self.message_text(messages, reply=reply, thinking=thinking))

    def message_text(
        self, messages: Sequence[Mapping[str, str]], *, reply: bool = True, thinking: bool = False
    ) -> Text:
        """Return the same as a text."""
        if self.prompt_transform:
            last = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=None)
            if last is not None:
                (request,) = self.prompt_transform([messages[last]["content"]])
                messages = [*messages[:last], {**messages[last], "content": request}, *messages[last + 1 :]]
        return conversation(self, messages, reply=reply, thinking=thinking)

    def encode_chat(self, request: str, answer: str | None = None) -> tuple[list[int], int]:
        """Return the ids of a request (and its answer), and where the answer begins."""
        messages = messages_of(request)
        prompt = self.encode_messages(messages)
        if answer is None:
            return prompt, len(prompt)
        full = self.encode_messages([*messages, {"role": "assistant", "content": answer}], reply=False)
        begin = next(
            (i for i, (a, b) in enumerate(zip(prompt, full, strict=False)) if a != b), min(len(prompt), len(full))
        )
        return full, begin

    @property
    def thinks(self) -> bool:
        """Whether its chat template has a switch by which it thinks aloud before it answers (`enable_thinking`)."""
        if self.tokenizer.chat_template is None:
            return False
        with_it, without = (self.message_text(messages_of("Hello"), thinking=mode).text for mode in (True, False))
        return with_it != without

    def encode_prompts(self, prompts: Sequence[str], *, chat: bool = False, thinking: bool = False) -> list[list[int]]:
        """Return the ids of prompts to be continued: raw texts, or requests of a chat. A memory may put something before them.

        Args:
            prompts: texts.
            chat: they are requests.
            thinking: of a chat: the model may think aloud before it answers, if it can.
        """
        return [ids_of(self, text) for text in self.prompt_texts(prompts, chat=chat, thinking=thinking)]

    def encode_answers(self, prompts: Sequence[str], given: Sequence[str], *, chat: bool = False) -> list[Continued]:
        """Return prompts (as `encode_prompts`) with answers behind them, read in one piece, and where each answer begins."""
        return answers(self, self.prompt_texts(prompts, chat=chat), given)

    def prompt_texts(self, prompts: Sequence[str], *, chat: bool = False, thinking: bool = False) -> list[Text]:
        """Return the texts that are read when prompts are to be continued; arguments as `encode_prompts`."""
        if chat:
            return [self.message_text(messages_of(prompt), thinking=thinking) for prompt in prompts]
        return [Text(prompt) for prompt in (self.prompt_transform(prompts) if self.prompt_transform else prompts)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def batch(self, rows: Sequence[Sequence[int]], side: str = "right") -> Batch:
        """Return rows of ids padded to one length on a side.

        Raises:
            DataError: when one is longer than the model reads.
        """
        check_length(self, rows)
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            span = slice(0, len(row)) if side == "right" else slice(longest - len(row), longest)
            ids[index, span] = torch.tensor(list(row))
            mask[index, span] = 1
        return Batch(ids.to(self.device), mask.to(self.device))

    def forward(self, batch: Batch, *, head: bool = True) -> Any:  # noqa: ANN401 - transformers output
        """Run a batch once, without a cache. `head=False` leaves the vocabulary out."""
        module = self.model if head else self.backbone
        return module(input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False)


def _device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)  # a name may be right and the device not there
    except (RuntimeError, AssertionError) as problem:
        why = (str(problem) or repr(problem)).splitlines()[0]
        raise UsageError(f"no device {name!r}", why=why, fix="Use auto or cpu; see: suture doctor") from problem
    return device


def _put(model: Any, dtype: torch.dtype | None, device: torch.device) -> None:  # noqa: ANN401 - a transformers model
    """Bring a model into a type (None: as `LM.load` chooses) and to a device, in memory of its own."""
    mapped = {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    if dtype is not None:
        model.to(dtype)
    elif device.type == "cpu" and size < SMALL:
        model.float()
    model.to(device)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.data_ptr() in mapped:  # a view of the file: who changes that in place would change the model
            tensor.data = tensor.data.clone()


def _floating(name: str) -> torch.dtype | None:
    """Return the type of that name, None for "auto"."""
    if name == "auto":
        return None
    types = {str(dtype).removeprefix("torch."): dtype for dtype in SAFETENSORS_DTYPES.values()}
    if name not in types:
        raise UsageError(f"no dtype {name!r}", why=f"Known: auto, {', '.join(types)}.", fix="Use auto or one of these.")
    return types[name]
