"""A PEFT LoRA adapter read as a patch: `adapter_config.json` and `adapter_model.safetensors`, on the base that it is for.

    W' = W + s B A      A: (r, in)   B: (out, r)   s = alpha / r, or alpha / sqrt(r) with rsLoRA

That is a low-rank patch of scale s, stamped on the base that is given: the folder does not say which weights it was trained on,
only their name. What is no such product (DoRA, whole modules, biases, embeddings) is refused by name. Where the tensors lie in
the files of the base is found on its module graph, built without memory; of its weights only the touched ones are read. Experts
in a 3-D parameter come through `target_parameters`: A: (experts * r, in), B: (out, r * experts), the expert fastest.

Source: `peft.tuners.lora` 0.13 to 0.21 (`LoraConfig`, `get_pattern_key`, `ParamWrapper`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoint.format.folder import Checkpoint
from ..checkpoint.format.header import Slot, read_header, read_json
from ..checkpoint.format.reading import reading
from ..checkpoint.format.unsupported import FLOATS
from ..errors import CorruptFile, MissingFile, PatchMismatch, UnsupportedModel, UsageError
from ..io.adapters import ADAPTER, ADAPTER_WEIGHTS
from ..model.arch.anatomy import Anatomy, is_transposed
from ..model.arch.forms import checkpoint_forms
from ..model.lm import LM
from ..model.load.kinds import built
from ..model.load.loading import read_config
from ..model.load.named import model_folder
from ..patch.delta import LowRank
from ..patch.delta_kind import Delta
from ..patch.patch import Patch
from ._stored import StoredModel, stored

PREFIX = "base_model.model."
NAMED = re.compile(r"(?P<path>.+?)(?P<inner>(?:\.base_layer)*)\.lora_(?P<side>[AB])\.weight")
MERGED = (
    "Merge it in peft (merge_and_unload, save_pretrained) and take the difference: suture diff BASE MERGED -o PATCH"
)
UNSAID = {  # settings with which an adapter is more than a product of factors, and what they are
    "use_dora": "DoRA scales every row by its norm",
    "modules_to_save": "it holds whole modules beside the factors",
    "trainable_token_indices": "it holds rows of the embeddings",
    "lora_bias": "it changes biases",
    "layer_replication": "it copies blocks of the base",
    "use_qalora": "it works on groups of a quantised base",
    "alora_invocation_tokens": "it acts only behind certain tokens",
    "arrow_config": "it chooses among several adapters",
    "use_bdlora": "its factors are blocks",
}
OTHER_BASE = (
    "pissa",
    "olora",
    "corda",
    "loftq",
)  # ways to begin that change the base: the adapter is for the changed one


@dataclass(frozen=True)
class _Factors:
    """What an adapter says of one module or parameter."""

    right: Tensor
    left: Tensor
    scale: float


def base_named(path: str | Path) -> str:
    """Return the name of the base that an adapter gives, or an empty string."""
    path = Path(path)
    named = read_json((path if path.is_dir() else path.parent) / ADAPTER).get("base_model_name_or_path")
    return named if isinstance(named, str) else ""


def read_adapter(path: str | Path, base: str | Path | None = None) -> Patch:
    """Return an adapter as a patch of the model that it is for.

    Args:
        path: the folder of the adapter, or its adapter_model.safetensors.
        base: that model, a folder or a name; by default the one that the adapter names.

    Raises:
        UsageError: when the adapter names no base, and none is given.
        UnsupportedModel, PatchMismatch, CorruptFile, NoEffect: as `adapter_patch`.
    """
    named = base or base_named(path)
    if not named:
        raise UsageError(
            f"the adapter {path} does not name its base",
            why="A patch says which weights it is for.",
            fix="Give its base: Patch.load(ADAPTER, base=BASE), or suture apply BASE ADAPTER -o OUT",
        )
    return adapter_patch(path, _folder(named), str(named))


def _folder(model: str | Path) -> Path:
    """Return the folder of a model's files; one of the Hub is loaded for that."""
    folder = model_folder(model)
    if folder.is_dir():
        return folder
    files = LM.load(model, device="cpu").path
    assert files is not None  # what was loaded by its name has files
    return files


def adapter_patch(path: str | Path, base: Path, name: str) -> Patch:
    """Return an adapter as a patch of a base.

    Args:
        path: the folder of the adapter, or its adapter_model.safetensors.
        base: folder of the model that it is for.
        name: what the patch calls that model.

    Raises:
        UnsupportedModel: when it is more than low-rank factors, or no LoRA; names what.
        PatchMismatch: when it does not fit the base.
        CorruptFile: when files of it do not fit together.
        NoEffect: when it changes nothing.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    config = read_json(folder / ADAPTER)
    _check_config(folder, config)
    with reading(base) as checkpoint:
        model = built(name, read_config(name, base))
        Anatomy(model, checkpoint_forms(model))  # says of a model whose parts are not known that it is one
        factors = _factors(folder, config, model)
        changes = _placed(model, factors, checkpoint, folder)
        settings = {"adapter": folder.name, "base": base_named(folder)}
        settings |= {key: config[key] for key in ("r", "lora_alpha", "use_rslora") if key in config}
        return Patch.make(StoredModel(checkpoint, name), changes, method="adapter", settings=settings)


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise UnsupportedModel when an adapter is no LoRA, or more than one."""
    kind = str(config.get("peft_type", "")).upper()
    if kind != "LORA":
        raise _refused(folder, f"It is {kind or 'of a kind that it does not name'}, not LoRA.")
    reasons = [f"{setting}: {what}" for setting, what in UNSAID.items() if config.get(setting)]
    if config.get("bias", "none") != "none":
        reasons.append("bias: it changes biases")
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(OTHER_BASE):
        reasons.append(f"init_lora_weights is {start}: it is for a base whose weights that changed")
    if reasons:
        raise _refused(folder, f"{'; '.join(reasons)}.")


def _refused(folder: Path, why: str) -> UnsupportedModel:
    return UnsupportedModel(f"the adapter {folder} is no low-rank patch", why=why, fix=MERGED)


def _factors(folder: Path, config: Mapping[str, Any], model: nn.Module) -> dict[str, _Factors]:
    """Return what an adapter says, by the name of the live parameter."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        raise (UnsupportedModel if pickled else MissingFile)(
            f"{folder} has no {ADAPTER_WEIGHTS}",
            why="Its weights are pickles, which can run any code." if pickled else "",
            fix="Save it again where you trust it: PeftModel.save_pretrained(NEW)." if pickled else "Fetch it whole.",
        )
    slots = read_header(folder / ADAPTER_WEIGHTS)
    sides: dict[str, dict[str, Slot]] = {}
    unknown = []
    for tensor, slot in slots.items():
        match = NAMED.fullmatch(tensor.removeprefix(PREFIX))
        if match is None or not tensor.startswith(PREFIX) or slot.dtype not in FLOATS or len(slot.raw) != 2:
            unknown.append(tensor)
        else:
            sides.setdefault(match["path"] + match["inner"], {})[match["side"]] = slot
    if unknown:
        raise _refused(folder, f"{len(unknown)} of its tensors are no factors of a matrix: {', '.join(unknown[:3])}.")
    made = {}
    for place, pair in sides.items():
        if pair.keys() != {"A", "B"}:
            raise CorruptFile(
                f"{folder / ADAPTER_WEIGHTS} has only one factor of {place}", fix="Fetch the adapter again."
            )
        path = re.sub(r"(\.base_layer)*$", "", place)
        parameter = _parameter(config, model, path, place.count(".base_layer"), folder)
        made[parameter] = _Factors(
            stored(pair["A"]).float(), stored(pair["B"]).float(), _scale(config, path, parameter)
        )
    return made


def _parameter(config: Mapping[str, Any], model: nn.Module, path: str, depth: int, folder: Path) -> str:
    """Return the live parameter that factors belong to; those of one module are nested, the last of the module outermost."""
    try:
        module = model.get_submodule(path)
    except AttributeError as problem:
        raise PatchMismatch(
            f"the adapter {folder} does not fit the base",
            why=f"The base has no module {path}; the adapter names {base_named(folder) or 'no base'}.",
            fix="Give the model that it was trained on.",
        ) from problem
    names = [name for name, _ in module.named_parameters(recurse=False)]
    targets = [str(target) for target in config.get("target_parameters") or ()]
    taken = [name for name in names if any(f"{path}.{name}".endswith(target) for target in targets)]
    if taken:
        return f"{path}.{taken[len(taken) - 1 - depth]}" if depth < len(taken) else f"{path}.{taken[0]}"
    if not (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"):
        raise _refused(folder, f"{path} is a {type(module).__name__}, not a linear layer.")
    return f"{path}.weight"


def _scale(config: Mapping[str, Any], path: str, parameter: str) -> float:
    """Return s; patterns of ranks and alphas are regular expressions for the end of a name, the first that fits counts."""

    def of(patterns: str, default: str) -> float:
        for pattern, value in (config.get(patterns) or {}).items():
            if any(re.fullmatch(rf"(.*\.)?({pattern})", name) for name in (path, parameter)):
                return float(value)
        return float(config.get(default, 8))

    rank, alpha = of("rank_pattern", "r"), of("alpha_pattern", "lora_alpha")
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _placed(
    model: nn.Module, by_module: Mapping[str, _Factors], checkpoint: Checkpoint, folder: Path
) -> dict[str, Delta | list[Delta]]:
    """Return the changes by tensor of the checkpoint, in its layout."""
    terms: dict[str, list[Delta]] = {}
    forms = checkpoint_forms(model, checkpoint.slots)
    for live, factors in by_module.items():
        parameter = model.get_parameter(live)
        height, width = parameter.shape[-2:]
        pieces = [*enumerate(_pieces(model, live, factors, folder))]
        pieces = [piece for piece in pieces if all(bool(factor.any()) for factor in piece[1])]  # others change nothing
        for tensor, form in forms.items():
            if form.live != live:
                continue
            if form.stride[1:] != (1,) or form.stride[0] % width or form.offset % width or form.shape[1] != width:
                raise UnsupportedModel(
                    f"{tensor} can not be changed by an adapter",
                    why="The checkpoint keeps it turned or cut across the inputs of the live matrix.",
                    fix=MERGED,
                )
            rows = form.offset // width + torch.arange(form.shape[0]) * (form.stride[0] // width)
            for number, (left, right) in pieces:
                here = ((rows >= number * height) & (rows < (number + 1) * height)).nonzero()[:, 0]
                if len(here):
                    numbers = None if len(here) == len(rows) else here
                    chosen = left[rows[here] - number * height].contiguous()
                    terms.setdefault(tensor, []).append(LowRank(chosen, right, numbers, scale=factors.scale))
    return {**terms}


def _pieces(model: nn.Module, live: str, factors: _Factors, folder: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (height, r) and (r, width) of a parameter, or of each of its experts, in the layout of the live parameter."""
    parameter = model.get_parameter(live)
    height, width = parameter.shape[-2:]
    transposed = is_transposed(model.get_submodule(live.rpartition(".")[0]))
    out, read = (width, height) if transposed else (height, width)
    experts = parameter.shape[0] if parameter.dim() == 3 else 1
    rank = factors.right.shape[0] // experts
    if factors.right.shape != (experts * rank, read) or factors.left.shape != (out, rank * experts):
        raise PatchMismatch(
            f"the adapter {folder} does not fit the base",
            why=f"Its factors of {live} are {tuple(factors.left.shape)} and {tuple(factors.right.shape)}; "
            f"the base has {(out, read)}.",
            fix="Give the model that it was trained on.",
        )
    for number in range(experts):
        right = factors.right[number * rank : (number + 1) * rank].contiguous()
        left = factors.left.view(out, rank, experts)[:, :, number].contiguous()
        yield (right.T.contiguous(), left.T.contiguous()) if transposed else (left, right)
