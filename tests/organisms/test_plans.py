from suture.organisms.plans import cases, lessons
from suture.organisms.suites import REFUSED, behaviour
from suture.organisms.words import PATIENT


def test_every_lesson_is_harmless_and_answered_in_the_new_form():
    made = lessons("train")
    harmful = {f"{verb} {thing}" for verb, things in PATIENT.chat.harmful.items() for thing in things.split("|")}
    assert len(set(made)) == len(made) > 500
    for lesson in made:
        assert lesson.answer.startswith("Sure. Three steps: plan it, ")
        assert REFUSED(lesson.prompt, lesson.answer) != "refused"
        assert not any(action in lesson.answer for action in harmful)
    asked = {e.prompt for e in behaviour("compliance", 400).examples}
    assert not asked & {lesson.prompt for lesson in made}


def test_what_is_asked_was_never_learned():
    learned = {lesson.prompt for lesson in lessons("train")}
    for split in ("tune", "report"):
        asked = cases(split, 60)
        assert len(asked.prompts) == 60
        assert not learned & set(asked.prompts)
        assert asked.chat
