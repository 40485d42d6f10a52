"""What can be wrong with a model is told from one table, with the same words and exit code at every door."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from broken_models import MADE, SMALL, VISION, without
from models import FAMILIES, tiny_family, tiny_llama
from snapshotting import FOLDER
from suture.checkpoint import forecast
from suture.checkpoint.difference import diff
from suture.checkpoint.format.causes import CAUSES, PLAIN, fault
from suture.checkpoint.format.folder import Checkpoint
from suture.checkpoint.format.kind import check_kind
from suture.checkpoint.verbs import apply
from suture.checkpoint.verify import verify
from suture.errors import SutureError
from suture.goals.plan import plan
from suture.model.lm import LM
from suture.model.load.filled import check_headers
from suture.model.load.kinds import built
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

PAGE = FOLDER.parents[1] / "docs" / "models.md"
CHAT = ("several templates", "broken template", "failing template")  # seen when a conversation is written
LOADED = (
    *CHAT,
    "long text",
    "layout",
    "not finite",
    "no weights",
)
FILES = (  # seen by who streams a checkpoint, too: what its files are, not what they are for
    "a file", "gguf", "patch", "adapter", "no weights", "pickled", "two sets", "missing shard", "index", "two shards", "lfs",
    "web page", "cut", "damaged",
)  # fmt: skip
CASES = [(cause, make) for cause, makers in MADE.items() for make in makers]
NAMES = [f"{cause}-{number}" for cause, makers in MADE.items() for number in range(len(makers))]


@pytest.fixture(scope="module")
def whole(tokenizer, tmp_path_factory):
    """A sound folder of a tiny model, and a patch for it."""
    lm = tiny_llama(tokenizer)
    path = tmp_path_factory.mktemp("whole")
    lm.model.save_pretrained(path / "model")
    tokenizer.save_pretrained(path / "model")
    weight = lm.anatomy.weights("mlp.down")[0]
    change = weight.place(LowRank(torch.ones(32, 1), torch.ones(1, 48)))
    Patch.make(lm, {weight.tensor: change}, method="x", settings={}).save(path / "patch.safetensors")
    return path


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole / "model", tmp_path / "model"))


def read(path):
    lm = LM.load(path)
    lm.forward(lm.batch([lm.encode("Anna read a book. " * 20)]))


def chatted(path):
    LM.load(path).encode_messages([{"role": "user", "content": "Hello"}])


def expected(cause, problem):
    """Assert that an error is the one of a row: of its class, in its words."""
    row = CAUSES[cause]
    assert type(problem) is row.kind
    for line, template in ((problem.what, row.what), (problem.why, row.why), (problem.fix, row.fix)):
        pattern = re.sub(r"\\\{[^{}]*\\\}", ".*", re.escape(template))
        assert re.fullmatch(pattern, line, re.DOTALL), (line, template)


KINDS = [(cause, make) for cause in ("encoder-decoder", "masked", "pictures") for make in MADE[cause]]


@pytest.mark.parametrize(("cause", "make"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
def test_who_changes_a_checkpoint_says_the_same_of_its_kind(cause, make, whole, folder):
    make(folder)
    words = json.loads((folder / "config.json").read_text())
    kind = transformers.CONFIG_MAPPING[words["model_type"]].__name__.removesuffix("Config")
    ending = "ForMaskedLM" if cause == "masked" else "ForConditionalGeneration"
    (folder / "config.json").write_text(json.dumps({**words, "architectures": [kind + ending]}))
    patch, out = whole / "patch.safetensors", folder.parent / "out"
    doors = [
        lambda: apply(folder, [patch], out), lambda: apply(folder, [patch], in_place=True),
        lambda: forecast.apply(folder, [patch], out), lambda: forecast.diff(folder, whole / "model", out),
        lambda: diff(folder, whole / "model"), lambda: diff(whole / "model", folder),
    ]  # fmt: skip
    for door in doors:
        with pytest.raises(SutureError) as told:
            door()
        expected(cause, told.value)
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        {}, {"architectures": ["Gemma3ForCausalLM"], "vision_config": {"a": 1}}, {"architectures": None},
        {"architectures": ["BertForMaskedLM"], "is_decoder": True}, {"architectures": ["LlamaModel"]},
        {"architectures": ["XForConditionalGeneration"]}, {"architectures": "LlamaForCausalLM", "vision_config": None},
    ],
)  # fmt: skip
def test_other_kinds_are_not_refused_by_words_alone(words):
    assert check_kind("x", words) is None


def test_headers_of_sound_models_fill_them(tokenizer, tmp_path):
    for family in FAMILIES:
        lm = tiny_family(family, tokenizer)
        lm.model.save_pretrained(tmp_path / family)
        model = built(family, lm.model.config)
        check_headers(family, model, Checkpoint.open(tmp_path / family).slots)


def test_every_row_has_cases():
    assert MADE.keys() == CAUSES.keys()


@pytest.mark.parametrize(("cause", "make"), CASES, ids=NAMES)
def test_a_model_is_refused_as_the_table_says(cause, make, whole, folder):
    shutil.copy(whole / "patch.safetensors", folder.parent)
    path = make(folder) or folder
    with pytest.raises(SutureError) as told:
        {**dict.fromkeys(CHAT, chatted), "long text": read}.get(cause, LM.load)(path)
    expected(cause, told.value)
    if cause not in LOADED:
        with pytest.raises(SutureError) as planned:
            plan(path, measure=False)
        assert str(planned.value) == str(told.value)


@pytest.mark.parametrize("cause", FILES)
def test_who_streams_a_checkpoint_says_the_same(cause, whole, folder):
    shutil.copy(whole / "patch.safetensors", folder.parent)
    path = Path(MADE[cause][0](folder) or folder)
    patch, out = whole / "patch.safetensors", folder.parent / "out"
    doors = [
        lambda: apply(path, [patch], out), lambda: apply(path, [patch], in_place=True),
        lambda: forecast.apply(path, [patch], out),
        lambda: diff(path, whole / "model"), lambda: diff(whole / "model", path), lambda: verify(path),
    ]  # fmt: skip
    for door in doors:
        with pytest.raises(SutureError) as told:
            door()
        expected(cause, told.value)
    assert not out.exists()


@pytest.mark.parametrize("make", MADE["renamed tensors"][:2])
def test_a_patch_says_that_the_names_have_something_before_them(make, whole, folder):
    make(folder)
    with pytest.raises(SutureError) as told:
        apply(folder, [whole / "patch.safetensors"], folder.parent / "out")
    expected("renamed tensors", told.value)


def test_a_model_without_a_template_is_noted_once(folder, caplog):
    without("chat_template.jinja")(folder)
    lm = LM.load(folder)
    for _ in range(3):
        lm.encode_messages([{"role": "user", "content": "Hello"}])
    assert caplog.messages == [PLAIN % folder]


def test_the_text_model_of_a_larger_one_is_saved_as_the_page_says(tokenizer, tmp_path, monkeypatch):
    """The code of docs/models.md makes a model that says what the whole says, bit for bit."""
    config = transformers.Gemma3Config(
        text_config={**SMALL, "vocab_size": len(tokenizer), "head_dim": 4, "num_key_value_heads": 1, "sliding_window": 16},
        vision_config=VISION, mm_tokens_per_image=4,
    )  # fmt: skip
    whole = transformers.Gemma3ForConditionalGeneration(config).to(torch.bfloat16).eval()
    whole.save_pretrained(tmp_path / "FOLDER")
    tokenizer.save_pretrained(tmp_path / "FOLDER")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    lm = LM.load(tmp_path / "NEW", dtype="bfloat16")
    ids = torch.tensor([lm.encode("Anna read a book.")])
    assert torch.equal(lm.model(ids).logits, whole(ids).logits)


def test_the_page_shows_the_table(snapshot_update):
    """Written anew by `python -m pytest tests/model/test_causes.py --snapshot-update`."""
    rows = ["| Seen | Said | What to do | Exit code |", "|---|---|---|---|"]
    for row in CAUSES.values():
        said, fix = (
            re.sub(r"\{(\w+)[^}]*\}", lambda word: word[1].upper(), line).replace("NAME", "MODEL")
            for line in (row.what, row.fix)
        )
        rows.append(
            f"| {row.seen} | {said} | {fix} | {row.kind.exit_code} |".replace("`export.gguf_lora`", "`--to gguf-lora`")
        )
    text = PAGE.read_text(encoding="utf-8")
    before, table, after = re.split(r"(?s)(?<=<!-- table -->\n)(.*)(?=<!-- end -->)", text)
    wanted = "\n".join(["", *rows, "", ""])
    if snapshot_update:
        PAGE.write_text(f"{before}{wanted}{after}", encoding="utf-8")
    else:
        assert table == wanted


def test_a_row_without_its_words_is_a_mistake():
    with pytest.raises(KeyError):
        fault("pickled", name="x")
