"""Random models with the norms of real ones, built in code.

Trained models are not like random ones in two ways that methods meet:

(a) An attention sink. At the first position, or at delimiters, one block writes a state a hundred times as long as all
    others, along very few of the dimensions, and it stands there in every later block. In SmolLM2-135M-Instruct it is
    25,097 at the first position and 151 at the median of the others. See `first_sink`, `token_sink`, `position_sink`.
(b) Writers whose own output says nothing about what they write. Behind the MLPs of Gemma 2, Gemma 3 and OLMo 2 stands
    a norm of its own; in a Gemma 3 of 270 million the MLP puts out 8.8 where the residual is 2,157. See `quiet_mlp`.

`stretched` multiplies all states of a model by one factor and leaves its function alone, so that what depends on their
scale shows.

How a sink is planted: a few dimensions of the residual are taken from the random model, so that nothing but what is said
here writes to them (`_reserve`). One neuron of the MLP of block SINK_BLOCK reads the dimension FLAG and nothing else; its
column of the down projection writes to the dimension SINK. It is exactly silent wherever FLAG is zero. Its size is set
from the norms that are measured without it.
"""

import re

import torch

from models import tiny_family
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.model.run.tracing import trace

SINK_BLOCK = 1  # the sink stands behind this block (counted from 0) and all later ones
RATIO = 100.0  # of the norm of the sink to the median of the other positions, behind SINK_BLOCK; 70 to 155 by the token
WIDTH, HEAD = 64, 16
SIZES = {"hidden_size": WIDTH, "intermediate_size": 96, "num_hidden_layers": 4, "head_dim": HEAD}
PRE_NORM = ("llama", "mistral", "qwen2", "qwen3")  # what a writer puts out is added as it is
POST_NORM = ("gemma2", "gemma3_text", "olmo2")  # a norm stands behind each writer

BITS = 12  # of the code of a token, see `first_sink`
OWN, SEEN = range(BITS), range(BITS, 2 * BITS)
ONE, FLAG, SINK = 2 * BITS, 2 * BITS + 1, 2 * BITS + 2
RESERVED = SINK + 1

# The matrices and biases that write to the residual, in every family of `models.FAMILIES`.
WRITERS = re.compile(
    r"(o_proj|down_proj|w2|attn\.c_proj|mlp\.c_proj|out_proj|fc_out|attention\.dense|dense_4h_to_h)[._]?(weight|bias)?$"
)


@torch.no_grad()
def residual_norms(lm: LM, text: str | list[int]) -> torch.Tensor:
    """The norms of the states behind each block, in float32.  (blocks, tokens)"""
    sites = [Site(layer, "residual") for layer in range(lm.anatomy.layers)]
    ids = lm.encode(text) if isinstance(text, str) else text
    with trace(lm, sites) as seen:
        lm.forward(lm.batch([ids]))
    return torch.stack([seen[site][0].float().norm(dim=-1) for site in sites])


@torch.no_grad()
def first_sink(family: str, tokenizer, *, ratio: float = RATIO) -> LM:
    """A model of PRE_NORM whose sink is the first position, whatever token stands there (as in Llama, Qwen, SmolLM2).

    A causal model tells the first position from the others by what it attends to: itself alone. Every token has a code of
    BITS signs in the dimensions OWN. One head of block 0 attends evenly and copies the codes to SEEN: there stands the
    mean code of all tokens so far. 2 x BITS neurons of block 0 write the product of OWN and SEEN to FLAG, for which
    silu(x) y + silu(-x) (-y) = x y. The product is BITS at the first position. Elsewhere it is less, unless all tokens so
    far have one code: a text that begins with one token twice has two sinks, as in trained models.
    In block SINK_BLOCK a neuron fires where FLAG is over 95 % of what it is at the first position. ONE, the same in
    every state, serves as the threshold.
    """
    assert family in PRE_NORM, f"{family} has norms behind its writers, or none that keep the size of a product"
    lm = tiny_family(family, tokenizer, **SIZES)
    _reserve(lm, RESERVED)
    _even(lm)
    generator = torch.Generator().manual_seed(11)
    embed, size = lm.model.model.embed_tokens.weight, 0.2
    embed[:, OWN] = size * (2.0 * torch.randint(2, (len(embed), BITS), generator=generator) - 1)
    embed[:, ONE] = size
    block = lm.anatomy.blocks[0]
    attn, mlp = block.self_attn, block.mlp
    for matrix in (attn.q_proj, attn.k_proj, attn.v_proj):
        matrix.weight[:HEAD] = 0
        if matrix.bias is not None:
            matrix.bias[:HEAD] = 0
    attn.o_proj.weight.zero_()
    attn.v_proj.weight[range(BITS), OWN] = 1.0
    attn.o_proj.weight[SEEN, range(BITS)] = 0.02  # small, so that the norm of the state is the same at all positions
    signs = torch.tensor([1.0, -1.0])
    for half, sign in enumerate(signs):
        neurons = range(half * BITS, (half + 1) * BITS)
        for matrix, dimensions in ((mlp.gate_proj, OWN), (mlp.up_proj, SEEN)):
            matrix.weight[neurons] = 0
            matrix.weight[neurons, dimensions] = sign
        mlp.down_proj.weight[:, neurons] = 0
        mlp.down_proj.weight[FLAG, neurons] = 1.0
    with trace(lm, [Site(0, "residual")]) as seen:
        lm.forward(lm.batch([[5]]))
    top = float(seen[Site(0, "residual")][0, 0, FLAG])
    sharpness = 3e3  # the gate is about 10 at the first position and below -20 where another code was seen
    _neuron(lm, {FLAG: sharpness / top, ONE: -0.95 * sharpness / size}, {ONE: 1.0})
    _calibrate(lm, [5, *range(20, 40)], 0, ratio)
    return lm


@torch.no_grad()
def token_sink(family: str, tokenizer, tokens: list[int], *, ratio: float = RATIO) -> LM:
    """A model of PRE_NORM or POST_NORM with a sink wherever one of `tokens` stands, at every place of the text.

    With the start token it is a sink at position 0; with a token that a template always puts at position 3, at position 3;
    with those of punctuation, one at every delimiter. Their embedding rows have FLAG, all other rows have zero there.
    Behind a post-norm nothing is long but where its weight is: there the weight of SINK is set.
    """
    assert family in (*PRE_NORM, *POST_NORM), family
    lm = tiny_family(family, tokenizer, **SIZES, **_layer_types(family))
    _reserve(lm, RESERVED)
    _even(lm)
    embed = lm.model.get_input_embeddings().weight
    embed[tokens, FLAG] = embed.norm(dim=-1).median()
    _neuron(lm, {FLAG: 1.0}, {FLAG: 1.0})
    others = [i for i in range(20, 60) if i not in tokens]
    _calibrate(lm, [others[0], tokens[0], *others[1:]], 1, ratio)
    return lm


@torch.no_grad()
def position_sink(tokenizer, position: int = 0, *, ratio: float = RATIO) -> LM:
    """A GPT-2 whose sink is one position, whatever stands there: its row of the position table has FLAG."""
    names = {"n_embd": WIDTH, "n_inner": 96, "n_layer": 4, "n_head": 4, "hidden_size": WIDTH, "num_hidden_layers": 4}
    lm = tiny_family("gpt2", tokenizer, **names)
    model = lm.model.transformer
    model.wpe.weight.mul_(0.05)
    _reserve(lm, RESERVED)
    _even(lm)
    model.wpe.weight[:, :RESERVED] = 0
    model.wpe.weight[position, FLAG] = model.wte.weight.norm(dim=-1).median()
    mlp = lm.anatomy.blocks[SINK_BLOCK].mlp
    mlp.c_fc.weight[:, 0], mlp.c_fc.bias[0], mlp.c_proj.weight[0] = 0, -16.0, 0
    mlp.c_fc.weight[FLAG, 0] = 8.0  # FLAG is about 5 behind the layer norm there, and about 0 elsewhere
    mlp.c_proj.weight[0, SINK] = 1.0
    _calibrate(lm, list(range(20, 40)), position, ratio)
    return lm


@torch.no_grad()
def quiet_mlp(family: str, tokenizer, *, ratio: float = 250.0, residual: float = 2_000.0) -> LM:
    """A model of POST_NORM whose MLPs put out `ratio` times less than the residual has (medians over the tokens of a text).

    The states are stretched to a median of about `residual`; then the down projections are scaled, which the norm behind
    them takes back, so that the model's function is that of the random one.
    """
    assert family in POST_NORM, f"{family} has no norm behind its MLPs"
    lm = tiny_family(family, tokenizer, **SIZES, **_layer_types(family))
    ids = list(range(20, 140))
    stretched(lm, residual / float(residual_norms(lm, ids).median()))
    states = residual_norms(lm, ids).median(dim=-1).values
    for layer, block in enumerate(lm.anatomy.blocks):
        block.mlp.down_proj.weight *= float(states[layer]) / ratio / float(mlp_norms(lm, ids)[layer].median())
    return lm


@torch.no_grad()
def mlp_norms(lm: LM, ids: list[int]) -> torch.Tensor:
    """The norms of what the down projection of each block puts out, before any norm behind it.  (blocks, tokens)"""
    outputs = []
    hooks = [
        block.mlp.register_forward_hook(lambda module, inputs, output: outputs.append(output[0].float().norm(dim=-1)))
        for block in lm.anatomy.blocks
    ]
    lm.forward(lm.batch([ids]))
    for hook in hooks:
        hook.remove()
    return torch.stack(outputs)


@torch.no_grad()
def stretched(lm: LM, factor: float = 100.0) -> LM:
    """Multiply every state of the residual stream by `factor` in place; what the model says stays what it was.

    Embeddings and what writes to the residual grow; norms that read it take the factor back, up to their epsilon, which is
    small beside the states (logits of the tiny models agree to 5e-3, of most to 1e-5). Where a norm stands behind the
    writers its weight grows instead.
    A head that shares its matrix with the embedding is served by a smaller final norm; OLMo 2 has no norms before its
    matrices, so those shrink. With a power of two, weights stored in bf16 change without rounding.
    """
    model, blocks = lm.model, lm.anatomy.blocks
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    model.get_input_embeddings().weight.mul_(factor)
    if hasattr(model.base_model, "wpe"):
        model.base_model.wpe.weight.mul_(factor)
    if tied:
        _scale_norm(model.get_submodule(lm.anatomy.layout.final), 1 / factor)
    for block in blocks:
        post = [block.post_attention_layernorm, block.post_feedforward_layernorm] if _post_norm(block) else []
        for norm in post:
            _scale_norm(norm, factor)
        if not post:
            for name, parameter in block.named_parameters():
                if WRITERS.search(name):
                    parameter.mul_(factor)
        elif not hasattr(block, "input_layernorm"):
            for matrix in (*_readers(block.self_attn), *_readers(block.mlp)):
                matrix.weight.div_(factor)
    return lm


def _post_norm(block) -> bool:
    return hasattr(block, "post_feedforward_layernorm")


def _readers(module) -> list:
    return [
        getattr(module, name)
        for name in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
        if hasattr(module, name)
    ]


def _scale_norm(norm, factor: float) -> None:
    """Multiply what a norm puts out. Gemma's weights are stored less one."""
    offset = 1.0 if "Gemma" in type(norm).__name__ else 0.0
    norm.weight.copy_((norm.weight + offset) * factor - offset)
    if getattr(norm, "bias", None) is not None:
        norm.bias.mul_(factor)


def _layer_types(family: str) -> dict:
    return {"layer_types": ["full_attention"] * 4} if family == "gemma3_text" else {}


def _reserve(lm: LM, count: int) -> None:
    """Take the first `count` dimensions of the residual away from the embedding and from all that writes to it."""
    lm.model.get_input_embeddings().weight[:, :count] = 0
    for block in lm.anatomy.blocks:
        for name, parameter in block.named_parameters():
            if WRITERS.search(name) and parameter.dim() == 2:
                transposed = parameter.shape[-1] == WIDTH and "c_proj" in name  # GPT-2's are (in, out)
                (parameter.T if transposed else parameter)[:count] = 0


def _even(lm: LM) -> None:
    """Make the states before the sink about equally long, so that every sink is: a neuron behind a norm sees shares of them."""
    embed = lm.model.get_input_embeddings().weight
    norms = embed.norm(dim=-1, keepdim=True)
    embed *= norms.median() / norms.clamp(min=1e-6)  # the row of the padding token may be zero
    for layer, block in enumerate([] if _post_norm(lm.anatomy.blocks[0]) else lm.anatomy.blocks):
        for name, parameter in block.named_parameters():
            if WRITERS.search(name):
                parameter *= 0.05 if layer <= SINK_BLOCK else 0.2


def _neuron(lm: LM, gate: dict[int, float], up: dict[int, float]) -> None:
    """Make neuron 0 of block SINK_BLOCK read these dimensions of the residual with these weights, and write to SINK."""
    mlp = lm.anatomy.blocks[SINK_BLOCK].mlp
    mlp.down_proj.weight[:, 0] = 0
    mlp.down_proj.weight[SINK, 0] = 1.0
    for matrix, weights in ((mlp.gate_proj, gate), (mlp.up_proj, up)):
        matrix.weight[0] = 0
        for dimension, weight in weights.items():
            matrix.weight[0, dimension] = weight


def _calibrate(lm: LM, ids: list[int], position: int, ratio: float) -> None:
    """Set the length of the sink from the norms that stand at its block without it."""
    block = lm.anatomy.blocks[SINK_BLOCK]
    others = [i for i in range(len(ids)) if i != position]
    length = ratio * float(residual_norms(lm, ids)[SINK_BLOCK, others].median())
    if _post_norm(block):
        norm = block.post_feedforward_layernorm
        block.mlp.down_proj.weight[SINK, 0] = (
            1e3  # all of what this token's MLP puts out, so the norm makes it sqrt(WIDTH)
        )
        weight = length / WIDTH**0.5
        norm.weight[SINK] = weight - 1.0 if "Gemma" in type(norm).__name__ else weight
        return
    with trace(lm, [Site(SINK_BLOCK, "residual")]) as seen:
        lm.forward(lm.batch([ids]))
    written = seen[Site(SINK_BLOCK, "residual")][0, position, SINK]
    down = block.mlp.c_proj.weight.T if hasattr(block.mlp, "c_proj") else block.mlp.down_proj.weight
    down[SINK, 0] *= length / float(written)
