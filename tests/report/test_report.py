import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from suture.locate.activity import Activity
from suture.locate.direction_similarity import Directions
from suture.measure.budget import Budget
from suture.measure.report import MetricRow, Report, Sample, SearchPoint, Where
from suture.measure.units import difference, figure
from suture.metrics._score import Score
from suture.report.page import page as page_of
from suture.report.page import save
from suture.report.words import headline, size_of_change, verdict


def line(name, role, before, after, *, better="higher", spread=0.01, unit="share", random=0.0, **more):
    change = after / before - 1 if unit == "perplexity" else after - before
    score = Score(before, after, change, change - spread, change + spread, 80)
    itself = Score(before, before, 0.0, 0.0, 0.0, 80)
    chance = Score(before, before + random, random, random - 0.02, random + 0.02, 80)
    return MetricRow(name, role, better, f"about {name}", score, itself, chance, unit=unit, **more)


LINES = [
    line("rude", "target", 0.8, 0.15, better="lower", samples=[Sample("p", "b", "a", "rude", "kind")]),
    line("jailbreak", "target", 0.8, 0.81, better="lower"),
    line("rude_floor", "floor", 0.06, 0.04, better="lower"),
    line("facts", "keep", 1.0, 0.99, spread=0.02),
    line("perplexity", "keep", 1.6, 1.61, better="lower", unit="perplexity", spread=0.001),
    line("drift", "note", 0.0, 0.01, better="lower", unit="nats", spread=0.005),
    line("fluency", "note", 4.2, 4.3, unit="bits"),
]
PLAIN = Report("patient", "surgery", {"rows": 5}, {"entries": 7, "effective": 0.5}, LINES)
FULL = replace(
    PLAIN,
    doses={
        s: {"rude": 0.8 - 0.3 * s, "facts": 1 - 0.005 * s, "perplexity": 1.6 + 0.005 * s, "drift": 0.01 * s}
        for s in (0.0, 1.0, 2.0)
    },
    target="rude",
    strength=2.0,
    budget=Budget(),
    search=[SearchPoint("a", 1.0, 0.5, 0.2, True, False), SearchPoint("a", 2.0, 0.15, 0.5, True, True)],
    where=Where("cosine", [0.0, 1.0, 2.0], [3, 4], [0, 2], {0: 1, 1: 1}),
    directions=Directions(["tone", "facts"], [[1.0, 0.1], [0.1, 1.0]]),
    activity=Activity([0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.6, 0.7]),
    commands=["suture demo -o 'a <folder>'"],
)
PICTURES = {
    "dose-response": {"doses": {}},
    "frontier": {"search": ()},
    "score-histogram": {"where": None},
    "rows-per-layer": {"where": None},
    "cosine-matrix": {"directions": None},
    "activation-change": {"activity": None},
}


def test_a_report_is_readable_by_machines_and_people(tmp_path):
    paths = save(FULL, tmp_path)
    content = json.loads(paths["json"].read_text())
    assert [entry["name"] for entry in content["lines"]] == [entry.name for entry in LINES]
    page = paths["html"].read_text()
    assert all(entry.about in page for entry in LINES)


def test_the_page_is_one_file_that_needs_nothing_else():
    page = page_of(FULL)
    for forbidden in ("<script", "http", "<link", "<img", "@import", "url(", " src=", "nan"):
        assert forbidden not in page.lower(), forbidden


def test_json_carries_all_that_is_drawn():
    content = json.loads(FULL.to_json())
    assert content["search"][1] == {
        "label": "a", "strength": 2.0, "target": 0.15, "cost": 0.5, "within": True, "chosen": True, "rejected": "",
    }  # fmt: skip
    assert content["budget"] == {"points": 0.02, "perplexity": 0.05, "kl": 0.1}
    assert content["where"]["counts"] == [3, 4]
    assert content["directions"]["cosines"][0] == [1.0, 0.1]
    assert content["activity"]["unwanted_after"] == [0.6, 0.7]
    assert content["doses"]["2.0"]["facts"] == 0.99
    assert content["commands"] == ["suture demo -o 'a <folder>'"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_there_when_its_numbers_are(name):
    assert f'id="{name}-title"' in page_of(FULL)
    assert f'id="{name}-title"' not in page_of(replace(FULL, **PICTURES[name]))


def test_every_picture_of_the_page_parses_and_every_id_is_unique():
    page = page_of(FULL)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) >= len(PICTURES) + 3
    assert all(ElementTree.fromstring(drawing).get("role") == "img" for drawing in drawings)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_page_has_a_sensible_order():
    page = page_of(FULL)
    titles = [
        "headline",
        "What changed",
        "In numbers",
        "How the strength",
        "Where the edit",
        "Before and",
        "Settings",
        "again<",
    ]
    places = [page.index(title, page.index("<body>")) for title in titles]
    assert places == sorted(places)


def test_every_role_is_shown():
    page = page_of(FULL)
    for title in ("What the edit is for", "How low it could go", "What it must not harm", "Also"):
        assert f"<h3>{title}</h3>" in page


def test_other_targets_of_a_suite_are_notes_once_one_is_named():
    assert [x.name for x in FULL.of_role("target")] == ["rude"]
    assert "jailbreak" in [x.name for x in FULL.of_role("note")]
    assert [x.name for x in PLAIN.of_role("target")] == ["rude", "jailbreak"]


def test_a_report_without_anything_has_a_page():
    page = page_of(replace(PLAIN, lines=[]))
    assert "<svg" not in page
    assert "surgery on patient" in page


def test_texts_and_names_can_not_inject_into_the_page():
    evil = "<script>p</script><img src=x>"
    bad = replace(
        FULL,
        model=evil,
        lines=[replace(LINES[0], about=evil, samples=[Sample(evil, evil, evil, evil, evil)]), *LINES[1:]],
        directions=Directions([evil, "b"], [[1, 0], [0, 1]]),
        search=[SearchPoint(evil, 1, 0.5, 0.2, True, True, evil)],
        where=replace(FULL.where, by=evil),
        commands=[evil],
        settings={evil: evil},
    )
    page = page_of(bad)
    assert "<script>p" not in page
    assert "<img" not in page


def test_the_headline_says_target_cost_and_control():
    target, cost, controls = headline(FULL)
    assert (target.verdict, cost.verdict, controls.verdict) == ("good", "good", "good")
    assert "80.0 % before, 15.0 % after (-65.0 pt [-66.0, -64.0], n = 80); the floor is 6.0 %" in target.words
    assert "about facts" in cost.words
    assert "50 % of the budget" in cost.words
    assert "no change at all" in cost.words
    assert "+0.0 pt [-2.0, +2.0]" in controls.words


def test_the_headline_is_bad_when_things_are():
    failed = replace(
        FULL, lines=[line("rude", "target", 0.8, 0.79, better="lower", spread=0.05), line("facts", "keep", 1.0, 0.9)]
    )
    target, cost, controls = headline(failed)
    assert (target.verdict, cost.verdict, controls.verdict) == ("", "bad", "bad")
    assert "500 % of the budget" in cost.words
    assert "does not stand apart" in controls.words


def test_without_a_named_target_the_one_that_moved_most_is_said_to_be_that():
    assert "of 2 targets the one that moved most" in headline(PLAIN)[0].words
    assert "budget" not in headline(PLAIN)[1].words


def test_a_headline_needs_no_controls_and_no_cost():
    bare = replace(PLAIN, lines=[replace(LINES[0], random=None), line("facts", "keep", 0.9, 0.95)])
    assert headline(bare)[1].words == "None of 1 properties to keep got worse."
    assert headline(bare)[2].words == "None were measured."


@pytest.mark.parametrize(
    ("unit", "before", "change"),
    [
        ("share", "50.0 %", "+10.0 pt [+5.0, +15.0]"),
        ("perplexity", "0.500", "+10.0 % [+5.0, +15.0]"),
        ("nats", "0.5000", "+0.1000 [+0.0500, +0.1500]"),
        ("bits", "0.50", "+0.10 [+0.05, +0.15]"),
    ],
)
def test_figures_are_said_in_their_unit(unit, before, change):
    score = Score(0.5, 0.6, 0.1, 0.05, 0.15, 3)
    assert figure(0.5, unit) == before
    assert difference(score, unit) == change


def test_a_change_within_its_interval_is_no_verdict():
    assert verdict(line("a", "keep", 0.5, 0.505)) == ""
    assert verdict(line("a", "keep", 0.5, 0.6)) == "good"
    assert verdict(line("a", "keep", 0.5, 0.6, better="lower")) == "bad"
    assert verdict(line("a", "note", 0.5, 0.6, better="none")) == ""


def test_a_divergence_has_a_size_and_no_sign():
    assert verdict(line("drift", "note", 0.0, 0.5, better="lower", unit="nats")) == ""


def test_what_was_not_measured_is_no_number():
    nan = float("nan")
    unknown = replace(LINES[0], score=Score(0.8, nan, nan, nan, nan, 80), random=None, samples=())
    assert (figure(nan), difference(unknown.score)) == ("not measured", "not measured")
    assert verdict(unknown) == verdict(replace(unknown, better="higher")) == "bad"  # whichever way was wanted
    page = page_of(replace(PLAIN, effect={}, lines=[unknown, *LINES[1:]], target="rude"))
    assert "How many weights are changed was not measured, norm not measured." in page
    assert "0 weights" not in page
    assert not re.search(r"\bnan\b", page)


def test_how_much_is_changed_is_said_of_each_figure_that_is_known():
    assert size_of_change({"entries": 7, "effective": 0.5}) == "7 weights changed, norm 0.5."
    assert size_of_change({"entries": 7}) == "7 weights changed, norm not measured."
    assert (
        size_of_change({"entries": 0, "effective": 0.5})
        == "No weight is changed: activations are, while the model runs."
    )
    assert size_of_change({"entries": 0, "effective": 0.0}) == "No weight is changed."
