import xml.etree.ElementTree as ET

import pytest

from suture.report.figures.heat_map import heat_map

CELLS = {(b, p, None): float(b * i) for b in range(4) for i, p in enumerate(("mlp.gate", "mlp.down", "attn.v"))}
EXPERTS = {(b, "mlp.gate", e): b + e / 10 for b in range(3) for e in range(8)} | {
    (b, "attn.v", None): 0.5 for b in range(3)
}


def parsed(drawn):
    return ET.fromstring(drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def points(drawn):
    return [g for g in parsed(drawn).iter() if g.get("class") == "point"]


@pytest.mark.parametrize("cells", [CELLS, EXPERTS, {}, {(0, "mlp.gate", None): 0.0}, {(-1, "head", None): 1.0}])
def test_it_is_well_formed_and_has_a_cell_for_each_place(cells):
    drawn = heat_map(cells, name="x")
    assert len(points(drawn)) == sum(place[0] >= 0 for place in cells)
    assert "nan" not in drawn
    root = parsed(drawn)
    width = float(root.get("viewBox").split()[2])
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.get("x")) >= 0
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("width")) > 3


def test_the_largest_is_full_and_the_others_are_its_share():
    shades = {}
    for cell in points(heat_map(CELLS, name="x")):
        shades[cell.find("{*}title").text] = [float(part.get("opacity")) for part in cell.iter() if part.get("opacity")]
    assert shades["block 3, attn.v: 6"] == [1.0]
    assert shades["block 3, mlp.down: 3"] == [0.5]
    assert shades["block 0, attn.v: 0"] == []


def test_each_part_is_named_once_however_many_experts_it_has():
    drawn = heat_map(EXPERTS, name="x", unit=" %")
    assert drawn.count(">gate<") == 1
    assert "block 2, mlp.gate, expert 7: 2.7 %" in drawn


def test_many_blocks_stay_on_one_page():
    drawn = heat_map({(b, "mlp.gate", None): 1.0 for b in range(120)}, name="x")
    assert float(parsed(drawn).get("viewBox").split()[3]) < 560
    assert len(points(drawn)) == 120


def test_what_is_no_number_has_no_cell():
    assert len(points(heat_map({(0, "a.b", None): float("nan"), (1, "a.b", None): 1.0}, name="x"))) == 1
