import re

from suture.patient.counting import cases, lessons


def test_every_answer_counts_as_it_is_asked_to():
    steps = {"ones": 1, "twos": 2, "fives": 5}
    for lesson in lessons("train", 200):
        name, first, last = re.search(r"count by (\w+) from (\d+) to (\d+)", lesson.prompt).groups()
        numbers = [int(n) for n in re.findall(r"\d+", lesson.answer)]
        assert numbers == list(range(int(first), int(last) + 1, steps[name])), lesson


def test_what_is_asked_was_never_learned():
    learned = {lesson.prompt for lesson in lessons("train", 500)}
    for split in ("tune", "report"):
        asked = cases(split, 60)
        assert not learned & set(asked.prompts)
        assert asked.chat
