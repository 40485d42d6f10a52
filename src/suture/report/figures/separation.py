"""Where in the model a behaviour can be read: held-out separation over the blocks, a line for each direction."""

from __future__ import annotations

from collections.abc import Mapping

from ._svg import WIDTH, Scale, axes, curve, legend, line, look, marker, picture

LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 14, 30, 160
CHANCE = 0.5


def separation(auc: Mapping[str, Mapping[int, float]]) -> str:
    """Draw the area under the ROC curve of each direction in each block; a dashed line is chance.

    Args:
        auc: for each direction its AUC by block, from 0 to 1.
    """
    blocks = [block for areas in auc.values() for block in areas]
    values = [value for areas in auc.values() for value in areas.values()]
    x = Scale(min(blocks, default=0) - 0.5, max(blocks, default=0) + 0.5, LEFT, RIGHT)
    y = Scale(min(CHANCE, *values, 1.0), 1.0, BOTTOM, TOP)
    parts = [axes(x, y, "block", "held-out AUC", x_ticks=min(12, len(set(blocks)) or 1))]
    parts.append(line(LEFT, y(CHANCE), RIGHT, y(CHANCE), "--mute", dash="5 3", width=1.3))
    signs = [(line(0, 0, 16, 0, "--mute", dash="5 3", width=1.3), "chance")]
    for index, (name, areas) in enumerate(auc.items()):
        colour, shape, dash = look(index)
        parts.append(curve([(x(block), y(areas[block])) for block in sorted(areas)], colour, dash))
        for block in sorted(areas):
            says = f"{name}, block {block}: {areas[block]:.3f}"
            parts.append(marker(shape, x(block), y(areas[block]), colour, says=says, part="point"))
        signs.append((curve([(0, 0), (16, 0)], colour, dash) + marker(shape, 8, 0, colour), name))
    key, bottom = legend(signs, BOTTOM + 46)
    best = {name: min(areas, key=lambda block: (-auc[name][block], block)) for name, areas in auc.items() if areas}
    words = "; ".join(f"{name}: best in block {block}, {auc[name][block]:.3f}" for name, block in best.items())
    return picture("separation", "Held-out separation of each block", words, bottom, "".join([*parts, key]))
