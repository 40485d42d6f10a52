"""Every picture: well-formed, said to screen readers, coloured by variables, with every data point, whatever the numbers."""

import math
import re
from xml.etree import ElementTree

import pytest

from suture.measure.report import SearchPoint
from suture.report.figures.activation_change import MOST, activation_change
from suture.report.figures.change_bars import Bar, change_bars
from suture.report.figures.cosine_matrix import cosine_matrix
from suture.report.figures.dose_response import dose_response
from suture.report.figures.frontier import frontier
from suture.report.figures.levels import Dot, levels
from suture.report.figures.rows_per_layer import rows_per_layer
from suture.report.figures.score_histogram import score_histogram

EVIL = '<script>&"x"'


def point(label="a", strength=1.0, target=0.3, cost=0.5, **more):
    return SearchPoint(label, strength, target, cost, more.pop("within", cost <= 1), more.pop("chosen", False), **more)


def bar(label="a", change=-3.0, verdict="bad", **more):
    return Bar(label, change, change - 1, change + 1, verdict, f"{change:+.1f}", **more)


SEARCH = [
    point("a", 1, 0.5, 0.2),
    point("a", 2, 0.2, 0.9, chosen=True),
    point("b", 4, 0.1, 7),
    point("b", 1, 0.9, 0.1, rejected="no help"),
]
PICTURES = {
    "dose": dose_response(
        [0, 1, 2], [80, 40, 15], {"facts": [0, 1, 2.5], "perplexity": [0, 1, 400]}, name="rude", floor=5.6,
        limits={"budget 2 points": 2}, chosen=1,
    ),
    "frontier": frontier(SEARCH, name="rude", base=80),
    "levels": levels(
        [Dot(EVIL, "prompt", -2, 0), Dot("b", "weight", 40, 0.4), Dot("c", "weight", 40, 0.4), Dot("d", "retrieval", 9, 50)],
        name="rude",
    ),
    "histogram": score_histogram([-1, 0, 1], [900, 100], [0, 50], score="cosine"),
    "layers": rows_per_layer({0: 5, 1: 0, 2: 17}),
    "matrix": cosine_matrix(["a", "b"], [[1, -0.25], [-0.25, 1]]),
    "activity": activation_change(([0.1, 0.2], [0.1, 0.3]), ([0.1, 0.2], [0.5, 0.9])),
    "bars": change_bars("All", {"points": [bar(control=(0, -1, 1), limit=-2.0)], "%": [bar(verdict="")]}),
    "no doses": dose_response([], [], {}, name="x"),
    "one dose": dose_response([0], [0.0], {"facts": [0.0]}, name="x", floor=0.0, chosen=0),
    "unknown doses": dose_response([0, 1], [math.nan, math.inf], {"f": [math.nan, math.inf]}, name="x"),
    "no search": frontier([], name="x"),
    "one point": frontier([point(chosen=True)], name="x"),
    "unknown points": frontier([point(target=math.nan), point(cost=math.inf)], name="x"),
    "no rows": score_histogram([0, 1], [0], [0], score="x"),
    "one value": score_histogram([1, 1], [3], [1], score="x"),
    "no layers": rows_per_layer({}),
    "one layer": rows_per_layer({7: 1}),
    "many layers": rows_per_layer({i: i for i in range(126)}),
    "no directions": cosine_matrix([], []),
    "unknown cosine": cosine_matrix(["a", "b"], [[1, math.nan], [math.nan, 1]]),
    "many directions": cosine_matrix([str(i) for i in range(20)], [[0.5] * 20] * 20),
    "no neurons": activation_change(([], []), ([], [])),
    "unknown neuron": activation_change(([0.5], [math.nan]), ([0.5], [0.5])),
    "no bars": change_bars("None", {}),
    "unknown bars": change_bars("Odd", {"points": [bar(change=math.nan), bar(change=math.inf), bar(change=0.0)]}),
    "evil": dose_response([0, 1], [1, 2], {EVIL: [0, 1]}, name=EVIL, limits={EVIL: 1}, unit=EVIL),
    "evil frontier": frontier([point(EVIL, rejected=EVIL, chosen=True)], name=EVIL, unit=EVIL),
    "evil histogram": score_histogram([0, 1], [1], [1], score=EVIL),
    "evil matrix": cosine_matrix([EVIL], [[1.0]]),
    "evil bars": change_bars(EVIL, {EVIL: [bar(EVIL)]}),
}  # fmt: skip


def test_what_hardly_moves_is_one_line_and_the_base_another():
    damage = {"sums": [0.3, 0, 0.1], "answers": [0, 0, 0], "facts": [-1, 0, 3]}
    drawn = dose_response([-1, 0, 1], [30, 44, 80], damage, name="rude")
    assert drawn.count('class="point"') == 6  # of the target and of facts
    assert "2 more: within 0.5" in drawn
    assert "base 44 %" in drawn
    alone = dose_response([0, 1], [44, 80], {"sums": [0, 0.3], "facts": [0, 3]}, name="rude")
    assert alone.count('class="point"') == 6  # one that hardly moves is shown as it is


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_formed_and_said_and_holds_no_nan(name):
    root = ElementTree.fromstring(PICTURES[name])
    assert root.get("role") == "img"
    assert root.find("title").text
    assert root.find("desc").text
    assert root.get("aria-labelledby").split() == [root.find("title").get("id"), root.find("desc").get("id")]
    assert not re.search(r"\bnan\b", PICTURES[name], re.IGNORECASE)
    assert not any("inf" in v for e in root.iter() for k, v in e.attrib.items() if k not in ("id", "aria-labelledby"))
    assert "<script" not in PICTURES[name]


@pytest.mark.parametrize("name", PICTURES)
def test_colours_are_variables_and_all_is_within_the_picture(name):
    root = ElementTree.fromstring(PICTURES[name])
    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for key in ("fill", "stroke"):
            assert element.get(key) is None or re.fullmatch(r"var\(--\w+\)|none", element.get(key))
    for element in root.iter("rect"):
        x, y, w, h = (float(element.get(key)) for key in ("x", "y", "width", "height"))
        assert x >= -1
        assert w >= 0
        assert h >= 0
        assert x + w <= width + 1
        assert y + h <= height + 1


def points(name, part="point"):
    return [e for e in ElementTree.fromstring(PICTURES[name]).iter() if e.get("class") == part]


def places(name, part="point"):
    found = [re.match(r"translate\((\S+) (\S+)\)", e.get("transform")).groups() for e in points(name, part)]
    return [(float(x), float(y)) for x, y in found]


def test_every_data_point_is_drawn():
    assert len(points("dose")) == 9
    assert len(points("frontier")) == 4
    assert len(points("matrix")) == 4
    assert len(points("activity")) == 4
    assert len(points("bars")) == 2
    assert len(points("bars", "control")) == 1
    assert len(points("unknown bars")) == 2  # the infinite one at the edge, the unknown one not at all
    assert len(points("unknown points")) == 1


def test_higher_numbers_are_drawn_higher_and_further_right():
    dose = places("dose")
    assert dose[0][0] < dose[1][0] < dose[2][0]
    assert dose[0][1] < dose[1][1] < dose[2][1]  # 80, 40, 15: a falling curve
    assert dose[8][1] == min(y for _, y in dose[3:])  # 400 % is at the edge of its panel, not off it
    (x1, y1), (x2, y2) = places("activity")[2:]  # unwanted texts: 0.1 -> 0.5, 0.2 -> 0.9
    assert x1 < x2
    assert y1 > y2


def test_a_frontier_tells_its_points_apart_without_colour():
    filled = [e.get("fill") != "var(--bg)" for e in points("frontier")]
    said = [e.find("title").text for e in points("frontier")]
    assert [f for f, s in zip(filled, said, strict=True) if s.startswith("b at 4")] == [False]
    assert sum(filled) == 3
    assert "a at 2" in PICTURES["frontier"]  # the chosen one is labelled
    assert "Chosen: a at strength 2" in PICTURES["frontier"]
    assert "costs more than 300 %" in PICTURES["frontier"]
    assert "no help" in PICTURES["frontier"]


def test_the_budget_the_floor_and_the_choice_are_named():
    for words in ("budget 2 points", "floor 5.6 %", "chosen: 1", "strength", "rude, %"):
        assert words in PICTURES["dose"]


def test_a_histogram_says_how_many_were_chosen():
    assert "50 chosen" in PICTURES["histogram"]
    assert "1,000 rows in all" in PICTURES["histogram"]
    bars = [e for e in ElementTree.fromstring(PICTURES["histogram"]).iter("rect") if e.find("title") is not None]
    assert [e.find("title").text for e in bars][-1] == "0 to 1: 100 rows, 50 chosen"
    with pytest.raises(ValueError, match="edges"):
        score_histogram([0, 1], [1, 2], [0, 0], score="x")


def test_each_block_has_its_bar_and_number():
    root = ElementTree.fromstring(PICTURES["layers"])
    assert [float(e.get("height")) for e in root.iter("rect")][1] == 0
    assert "17" in [e.text for e in root.iter("text")]


def test_cosines_are_written_into_their_cells():
    assert PICTURES["matrix"].count("\u22120.25<") == 2
    assert "1.00<" in PICTURES["matrix"]
    with pytest.raises(ValueError, match="names"):
        cosine_matrix(["a"], [[1, 2]])


def test_of_very_many_neurons_some_are_drawn_and_that_is_said():
    many = [i / 9999 for i in range(10_000)]
    drawn = activation_change((many, many), (many, many))
    assert drawn.count('class="point"') <= 2 * MOST
    assert "are drawn" in drawn
    with pytest.raises(ValueError, match="zip"):
        activation_change(([0.1], []), ([], []))


def test_a_verdict_has_its_own_shape():
    drawn = [change_bars("x", {"points": [bar(verdict=v)]}) for v in ("good", "bad", "")]
    shapes = {re.search(r'class="point" d="([^"]+)"', picture).group(1) for picture in drawn}
    assert len(shapes) == 3


@pytest.mark.parametrize("blocks", [{0: 5, 1: 3}, {4: 24, 5: 22, 6: 31, 7: 25}, {70: 1, 75: 2, 79: 3}])
def test_bars_of_blocks_are_wide_wherever_they_begin(blocks):
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', rows_per_layer(blocks))]
    assert len(widths) == len(blocks)
    assert min(widths) > 10


def test_levels_that_do_the_same_keep_their_names_apart():
    dots = [Dot(name, "weight", 30, 0.5) for name in ("first", "second", "third")]
    drawn = levels(dots, name="rude")
    places = {tuple(re.search(rf'x="([^"]+)" y="([^"]+)"[^>]*>{d.name}<', drawn).groups()) for d in dots}
    assert len(places) == 3
    assert all(word in drawn for word in ("budget", "weight", "+30.0 points"))
