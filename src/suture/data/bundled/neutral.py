"""Neutral texts for an edit to leave alone: knowledge, everyday stories, arithmetic, code, questions with answers."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..examples import Texts
from ._parts import Split, distinct, fill, lines, part, phrases, shuffled
from .knowledge import QUESTIONS, TOPICS

COUNTS = {"probe": 48, "tune": 24, "report": 24}  # texts of each of the five kinds
PEOPLE = phrases("Anna|Boris|Clara|Daniel|Edith|Felix|Greta|Hugo|Irma|Jakob|Karin|Lukas|Maud|Nils|Olga|Philip")
WOMEN = {"Anna", "Clara", "Edith", "Greta", "Irma", "Karin", "Maud", "Olga"}
MORNINGS = lines("""
    {name} got up before sunrise and put the kettle on.
    On Saturday {name} took the early train to the coast.
    The post arrived at ten, and {name} carried it into the kitchen.
    {name} had promised to look after the neighbours' garden.
    It had snowed overnight, so {name} walked to work.
    After lunch {name} sat down at the desk by the window.
    {name} was the first customer at the market that day.
    The library opened at nine, and {name} went in at once.
    When the rain stopped, {name} fetched the bicycle from the shed.
    {name} spent the first day of the holidays at home.
    The school bus was full, and {name} stood near the door.
    In the afternoon {name} cleaned out the cupboard in the hall.
    {name} rowed across the lake in a borrowed boat.
    The clock in the hall struck four as {name} came home.
    For once {name} had nothing to do until evening.
    {name} met an old classmate at the tram stop.
""")
MIDDLES = lines("""
    There was fresh bread on the table, and the radio played softly.
    A parcel from {her} aunt lay on the bench, tied up with string.
    {She} counted eleven sparrows on the roof of the barn.
    The air smelled of wet leaves and wood smoke.
    Two children were flying a kite on the meadow.
    {She} bought six oranges, a newspaper and a ball of twine.
    A grey cat followed {her2} as far as the bridge.
    {She} looked for {her} glasses and found them in a coat pocket.
    Somebody had left a blue umbrella by the stairs.
    The ferry was late, and a few people played cards while they waited.
    {She} wrote three postcards and drew a small ship on each.
    In the square workers were putting up stalls for the fair.
    A tall man asked {her2} for directions to the town hall.
    {She} sorted the nails by size and put them into jars.
    Through the open door came the sound of a piano.
    The soup simmered on the stove for nearly an hour.
""")
EVENINGS = lines("""
    Towards evening the clouds cleared, and the street grew quiet.
    Then {she} packed {her} bag and checked the timetable once more.
    Before going to bed {she} read a chapter about the history of maps.
    At six the shops closed, and the last bus left from the corner.
    Later {she} told {her} brother about it on the phone.
    By then the tea had gone cold, so {she} made another pot.
    The rest of the day passed without anything worth noting.
    On the way back {she} stopped at the well and filled a bottle.
    Back home {she} hung the wet coat over a chair.
    Soon the lamps were lit along the quay.
    Afterwards {she} watered the beans and shut the gate.
    It was dark when {she} reached the house behind the mill.
    Supper was potatoes with butter, as on most Thursdays.
    Next morning everything was covered with frost.
    {She} put the letters into a drawer and locked it.
    A light wind rose, and the boats turned slowly at their ropes.
""")
SUMS = lines("""
    {a} + {b} = {sum}.
    A box holds {a} pencils, so {c} boxes hold {product}.
    If you take {a} from {sum}, {b} remain.
    {c} times {a} is {product}.
    The sum of {a} and {b} is {sum}.
    {product} / {c} = {a}
    A train with {a} passengers picks up {b} more, which makes {sum}.
    {product} divided by {a} equals {c}.
    {sum} - {b} = {a}
    Half of {double} is {a}.
    {c} rows of {a} chairs are {product} chairs.
    {a} more than {b} is {sum}.
    Twice {a} makes {double}.
    A book of {sum} pages, of which {b} are read, has {a} left.
    {a} x {c} = {product}
    From {b} to {sum} it is {a} steps.
""")
SNIPPETS = lines("""
    def {verb}_{noun}(items):¶    total = 0¶    for item in items:¶        total += item.{noun}¶    return total
    SELECT {noun}, COUNT(*) FROM {table} GROUP BY {noun} ORDER BY 2 DESC LIMIT {n};
    for f in {table}/*.txt; do¶  {verb} "$f" > "${f%.txt}.out"¶done
    const {noun} = {table}.filter((x) => x.size > {n});¶console.log({noun}.length);
    class {Noun}:¶    # A {noun} that can {verb}.¶    def __init__(self, size={n}):¶        self.size = size
    int {verb}(int *{table}, int n) {¶  int best = 0;¶  while (n-- > 1) best = max(best, {table}[n]);¶  return best;¶}
    {"name": "{noun}", "version": "1.{n}.0", "scripts": {"{verb}": "node {table}.js"}}
    fn {verb}({noun}: &str) -> usize {¶    {noun}.split_whitespace().count() + {n}¶}
    import csv¶¶with open("{table}.csv", newline="") as stream:¶    rows = [r for r in csv.DictReader(stream) if r["{noun}"]]
    <ul id="{table}">¶  <li class="{noun}">{verb}</li>¶  <li>{n} more</li>¶</ul>
    git checkout -b {verb}-{noun}¶git add {table}¶git commit -m "{Verb} the {noun} in {n} places"
    {table} <- read.table("{noun}.tsv", header = TRUE)¶summary({table}$size[1:{n}])
    while queue:¶    {noun} = queue.pop()¶    if {noun} not in seen:¶        seen.add({noun})¶        queue.extend({verb}({noun}))
    try:¶    {verb}({table}, limit={n})¶except KeyError as missing:¶    print(f"no {noun}: {missing}")
    version: {n}¶services:¶  {noun}:¶    image: {table}:latest¶    command: {verb}
    func {Verb}({noun} []string) int {¶\treturn len({noun}) * {n}¶}
""")
NAMES = {
    "verb": phrases("count|merge|render|load|sort|parse|check|update|split|export|trim|index"),
    "noun": phrases("price|weight|user|order|city|page|token|colour|node|ticket|label|path"),
    "table": phrases("books|orders|stations|images|samples|events|rooms|routes|notes|planets|recipes|sensors"),
}


def neutral(split: Split) -> Texts:
    """Return neutral texts, as many of each of the five kinds."""
    return Texts(text for each in tasks(split).values() for text in each)


def tasks(split: Split) -> dict[str, list[str]]:
    """Return the neutral texts by kind."""
    kinds = {"knowledge": _paragraph, "stories": _story, "sums": _arithmetic, "code": _code, "questions": _answers}
    return {name: _texts(kind, split) for name, kind in kinds.items()}


def _texts(kind: Callable[[random.Random, Split], str], split: Split) -> list[str]:
    rng = random.Random(f"{kind.__name__} {split}")
    return [text for (text,) in distinct(COUNTS[split], lambda _: (kind(rng, split),))]


def _paragraph(rng: random.Random, split: Split) -> str:
    sentences = rng.choice(part(TOPICS, split)).split(" | ")
    left_out = rng.choice((1, 2, 3))  # the first one names the topic
    return " ".join(sentence for index, sentence in enumerate(sentences) if index != left_out)


def _story(rng: random.Random, split: Split) -> str:
    name = rng.choice(part(PEOPLE, split))
    she, her, her2 = ("she", "her", "her") if name in WOMEN else ("he", "his", "him")
    words = {"name": name, "she": she, "She": she.title(), "her": her, "her2": her2}
    middles = rng.sample(part(MIDDLES, split), 2)
    sentences = [rng.choice(part(MORNINGS, split)), *middles, rng.choice(part(EVENINGS, split))]
    return fill(" ".join(sentences), {key: [word] * 6 for key, word in words.items()})


def _arithmetic(rng: random.Random, split: Split) -> str:
    def statement(frame: str) -> str:
        # A number's rest modulo 4 tells its split, as a line's place does.
        a, b, c = rng.choice(part(range(100), split)) + 8, rng.randint(3, 90), rng.randint(3, 12)
        numbers = {"a": a, "b": b, "c": c, "sum": a + b, "product": a * c, "double": 2 * a}
        return fill(frame, {key: [str(number)] * 2 for key, number in numbers.items()})

    return " ".join(statement(frame) for frame in rng.sample(part(SUMS, split), 4))


def _code(rng: random.Random, split: Split) -> str:
    chosen = {key: rng.choice(words) for key, words in shuffled(rng, NAMES).items()}
    chosen |= {"Noun": chosen["noun"].title(), "Verb": chosen["verb"].title(), "n": str(rng.randint(2, 20))}
    snippet = rng.choice(part(SNIPPETS, split))
    for key, word in chosen.items():  # not `fill`: code has braces of its own
        snippet = snippet.replace("{" + key + "}", word)
    return snippet


def _answers(rng: random.Random, split: Split) -> str:
    pairs = [line.split(" | ") for line in rng.sample(part(QUESTIONS, split), 2)]
    return "\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)
