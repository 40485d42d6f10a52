"""Train the patient from nothing. Run it: python -m suture.organisms.train --out src/suture/organisms/model.

With --world FOLDER it is a model of another world, of the words in that folder (see `words`); --width, --neurons, --blocks and
--heads make it of another size, --resume FOLDER goes on with one. With --moe the dense patient becomes a mixture of experts, see
`experts`: ... --moe --out src/suture/organisms/model-moe.
Deterministic on one machine and thread count: the world, the mixture, the order and the initial weights are seeded.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, MixtralForCausalLM, PreTrainedTokenizerFast

from .corpus import SHARES, documents
from .experts import BALANCE, upcycle
from .words import PATIENT, Words

VOCABULARY = 1024
ROW = 128  # tokens in a training row: whole documents, each after its start token, then padding
SHARD = "2MB"
DENSE = Path(__file__).parent / "model"
MOE_ROWS = 9_600  # 300 steps


def train_tokenizer(seed: int, words: Words = PATIENT) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of the world's text, digits one by one, with the chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    turns = words.turns
    special = [turns.start, turns.end, turns.padding, *turns.marks]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(itertools.islice(documents(seed, words), 40_000), trainer)
    from tokenizers.processors import TemplateProcessing

    tokenizer.post_processor = TemplateProcessing(single=f"{turns.start} $A", special_tokens=[(turns.start, 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=turns.start,
        eos_token=turns.end,
        pad_token=turns.padding,
        chat_template=turns.template,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def new_model(seed: int, *, width: int = 192, neurons: int = 512, blocks: int = 8, heads: int = 6) -> LlamaForCausalLM:
    """Return an untrained model, by default the patient: 8 blocks of width 192, gated MLP of 512, 6 query heads; 2 for keys."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=neurons,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config)


def rows(
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    count: int,
    words: Words = PATIENT,
    shares: Mapping[str, float] = SHARES,
) -> Tensor:
    """Return `count` rows of ROW token ids; every row begins with a document and holds only whole ones."""
    bos, eos, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    packed = torch.full((count, ROW), pad)
    source = documents(seed, words, shares)
    row = column = 0
    while row < count:
        texts = list(itertools.islice(source, 2_000))
        for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
            ids = [bos, *ids, eos]
            if len(ids) > ROW:
                continue
            if column + len(ids) > ROW:
                row, column = row + 1, 0
                if row == count:
                    break
            packed[row, column : column + len(ids)] = torch.tensor(ids)
            column += len(ids)
    return packed


def train(
    model: LlamaForCausalLM | MixtralForCausalLM,
    data: Tensor,
    *,
    batch: int,
    rate: float,
    decay: float,
    minutes: float,
    log: Path | None = None,
    teacher: LlamaForCausalLM | None = None,
) -> int:
    """Train in place over `data` once, warm-up then cosine. Returns the steps taken.

    With a teacher, half of the loss is to predict the text, half to predict as the teacher does.

    Raises:
        RuntimeError: when `minutes` would be exceeded by far (the machine is too slow for the settings).
    """
    matrices = Matrices(model)
    hidden = matrices.flat
    tables = [model.model.embed_tokens.weight, model.lm_head.weight]
    norms = [p for p in model.parameters() if p.dim() == 1]
    others: list[dict[str, Any]] = [{"params": tables}, {"params": norms, "weight_decay": 0.0}]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(hidden, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98)),
    ]
    steps = len(data) // batch
    start = time.monotonic()
    for step in range(steps):
        scale = min(1.0, (step + 1) / min(100, steps // 10 + 1)) * (
            0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        )
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = rate * scale
        ids = data[step * batch : (step + 1) * batch]
        ids = ids[:, : int((ids != 2).any(0).nonzero().max()) + 1]
        labels = ids.masked_fill(ids == 2, -100)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, ids, labels, teacher)
        model.zero_grad()
        loss.backward()
        matrices.hand_over()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        if step % 50 == 0 or step == steps - 1:
            elapsed = (time.monotonic() - start) / 60
            line = f"step {step} of {steps}  loss {loss.item():.4f}  {elapsed:.1f} min"
            print(line, flush=True)
            if log:
                log.open("a").write(line + "\n")
            if elapsed > minutes:
                raise RuntimeError(f"over {minutes} minutes at step {step}; use fewer --rows")
    return steps


def loss_of(
    model: LlamaForCausalLM | MixtralForCausalLM, ids: Tensor, labels: Tensor, teacher: LlamaForCausalLM | None
) -> Tensor:
    """Return the loss of a batch: next tokens, the teacher's predictions, and tokens spread evenly over experts."""
    output = model(input_ids=ids, use_cache=False, **({"output_router_logits": True} if teacher else {}))
    logits = output.logits[:, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
    if teacher is None:
        return loss
    with torch.no_grad():
        target = teacher(input_ids=ids, use_cache=False).logits[:, :-1].float().log_softmax(-1)
    divergence = (target.exp() * (target - logits.log_softmax(-1))).sum(-1)
    mask = labels[:, 1:] != -100
    return 0.5 * loss + 0.5 * (divergence * mask).sum() / mask.sum() + BALANCE * output.aux_loss


class Matrices:
    """The matrices of the blocks one by one: Muon takes no 3-D parameter, so each expert is a view with its own gradient."""

    def __init__(self, model: LlamaForCausalLM | MixtralForCausalLM) -> None:
        parameters = list(model.model.layers.parameters())
        self.stacks = [p for p in parameters if p.dim() == 3]
        self.views = [[torch.nn.Parameter(part) for part in stack.data] for stack in self.stacks]
        self.flat = [p for p in parameters if p.dim() == 2] + [view for views in self.views for view in views]

    def hand_over(self) -> None:
        """Give each view its share of the gradient of its stack."""
        for stack, views in zip(self.stacks, self.views, strict=True):
            for number, view in enumerate(views):
                view.grad = None if stack.grad is None else stack.grad[number]


def main() -> None:
    """Parse arguments, train, save weights in bf16 shards with the tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--moe", action="store_true", help="turn the dense patient into a mixture of experts")
    parser.add_argument("--rows", type=int, help="104,000; with --moe 9,600")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="5e-3; with --moe 3e-3")
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--world", type=Path, help="folder of words; by default the patient's")
    parser.add_argument("--resume", type=Path, help="go on from this model, with its tokenizer")
    parser.add_argument("--shares", default="", help="of kinds of documents where they differ: tone=0.3,chat=0.2")
    sizes = {"width": 192, "neurons": 512, "blocks": 8, "heads": 6}
    for size, default in sizes.items():
        parser.add_argument(f"--{size}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    count = args.rows or (MOE_ROWS if args.moe else 104_000)
    rate = args.rate or (3e-3 if args.moe else 5e-3)
    words = Words.read(args.world) if args.world else PATIENT
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    before = DENSE if args.moe else args.resume
    tokenizer = PreTrainedTokenizerFast.from_pretrained(before) if before else train_tokenizer(args.seed, words)
    given = {kind: float(share) for kind, _, share in (text.partition("=") for text in args.shares.split(",") if text)}
    data = rows(tokenizer, args.seed + args.moe, count, words, SHARES | given)
    print(
        f"{int((data != 2).sum()):,} tokens, {(time.monotonic() - start):.0f} s to write and tokenise them", flush=True
    )
    teacher = LlamaForCausalLM.from_pretrained(DENSE).float() if args.moe else None
    if teacher:
        model: Any = upcycle(teacher, data[:64], args.seed)
    elif args.resume:
        model = LlamaForCausalLM.from_pretrained(args.resume).float()
    else:
        model = new_model(args.seed, **{size: getattr(args, size) for size in sizes})
    for network in filter(None, (model, teacher)):
        network.set_attn_implementation("eager")  # 1.4x faster than sdpa in bf16 on a CPU at this size
    train(model, data, batch=args.batch, rate=rate, decay=args.decay, minutes=args.minutes, teacher=teacher)
    model.to(torch.bfloat16).save_pretrained(args.out, max_shard_size=SHARD)
    tokenizer.save_pretrained(args.out)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
