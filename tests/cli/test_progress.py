"""How far a command is: whose time is said to be left, what stands above the bar, and what is written where there is none."""

import io
import json
import logging
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console as Rich

from suture.cli._console import Console
from suture.cli._progress import PLAIN_EVERY, Pace, left, plain
from suture.text.phase import begin, counted, within

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(clock):
    """A plain progress and the lines it wrote."""
    written = []
    return plain("measuring", written.append, clock), written


def seconds(written):
    return [int(number) for number in re.findall(r"about (\d+) s left", "".join(written))]


def test_the_time_left_of_each_part_is_its_own(clock, lines):
    step, written = lines
    for _ in range(5):  # five measures of 32 prompts, in batches of 8 that take 10 seconds each
        for done in (8, 16, 24, 32):
            clock.now += 10
            step("texts", done, 32)
    assert seconds(written) == [30, 20, 10, 0] * 5


def test_a_part_that_begins_with_all_of_a_smaller_one_has_its_own_time(clock, lines):
    step, written = lines
    clock.now += 100
    step("texts", 10, 10)
    clock.now += 10
    step("answers", 10, 20)  # as many as were done before
    assert seconds(written) == [0, 10]


def test_minutes_of_fitting_do_not_count_for_the_phase_behind_them(clock, lines):
    """What N06 saw: "391 s left" for a phase of seconds, as the time was that of the whole command."""
    step, written = lines
    fit, ask = counted(step, ["fit", "ask"])
    begin(fit)
    clock.now += 390
    begin(ask, of=20)
    clock.now += 6
    ask("texts", 10, 20)
    assert written == ["measuring: phase 1 of 2 fit\n", "measuring: phase 2 of 2 ask: texts 10/20, about 6 s left\n"]


def test_what_was_done_before_is_not_the_speed_of_now(clock):
    """A run that goes on at 900 of 1,000 has not done 900 in a moment."""
    pace = Pace(clock)
    assert pace.step("facts: batch 10 of 10", 0, 1000) is None
    clock.now += 5
    assert pace.step("facts: batch 10 of 10", 10, 1000) == pytest.approx(495)
    pace = Pace(clock)
    pace.step("training: ", 900, 1000)
    clock.now += 10
    assert pace.step("training: steps", 910, 1000) == pytest.approx(90)


def test_a_phase_inside_another_is_a_phase(clock):
    pace = Pace(clock)
    for number, (name, each) in enumerate((("loops", 4.0), ("success", 1.0))):
        for done in (1, 2, 3, 4):
            clock.now += each
            rest = pace.step(f"pass 1 of 2 base, measure {number + 1} of 2 {name}: texts", done, 4)
            assert rest == pytest.approx(each * (4 - done))


@pytest.mark.parametrize("of", [0, 3])
def test_no_time_is_made_up(clock, of):
    pace = Pace(clock)
    assert pace.step("fit: ", 0, of) is None
    clock.now += 50
    assert pace.step("fit: things", 5 if of else 0, of) is None  # more than there were to be, or unknown


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (None, ""),
        (0.2, "about 0 s left"),
        (119, "about 119 s left"),
        (120, "about 2 min left"),
        (7200, "about 2 h left"),
    ],
)
def test_long_times_are_said_in_larger_units(rest, words):
    assert left(rest) == words


def test_plain_lines_come_at_intervals_and_a_phase_of_unknown_length_at_once(clock, lines):
    step, written = lines
    begin(step, "phase 1 of 2 make")
    inner = within(step, "phase 2 of 2 measure")
    for done in range(1, 1001):
        clock.now += 0.1
        inner("texts", done, 1000)
    assert written[0] == "measuring: phase 1 of 2 make\n"
    assert len(written) - 1 == pytest.approx(100 / PLAIN_EVERY, abs=1)
    assert all(line.count("\n") == 1 and not CONTROL.search(line.rstrip("\n")) for line in written)


# on a terminal


class Screen:
    """A terminal that is recorded, as far as a test needs to know what stood on it."""

    def __init__(self, width=100):
        self.file = io.StringIO()
        self.rich = Rich(file=self.file, force_terminal=True, width=width, color_system=None, highlight=False,
                         _environ={"TERM": "xterm"})  # fmt: skip

    @property
    def lines(self):
        """What was printed, line by line, without what moves the cursor."""
        plain_text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.file.getvalue())
        return [line.rstrip() for line in re.split(r"[\n\r]", plain_text) if line.strip()]


@pytest.fixture
def screen():
    return Screen()


def test_the_bar_names_the_phase_its_number_and_the_time_it_takes(screen, clock):
    console = Console(screen=screen.rich, clock=clock)
    with console.progress("measuring") as step:
        measure = within(step, "pass 2 of 3 edited, measure 5 of 16 success")
        begin(measure, of=40)
        clock.now += 12
        measure("answers", 10, 40)
    (last,) = {line for line in screen.lines if "10/40" in line}
    assert last.startswith("measuring: pass 2 of 3 edited, measure 5 of 16")
    assert last.endswith("about 36 s left")


def test_a_narrow_terminal_still_says_the_inner_phase(clock):
    screen = Screen(width=60)
    console = Console(screen=screen.rich, clock=clock)
    with console.progress("detox") as step:
        step("phase 2 of 7 search, settings 3 of at most 7, measure 2 of 5 loops: texts", 3, 60)
    shown = " ".join(line[:22].strip() for line in screen.lines)
    assert re.search(r"measure\s+2\s+of\s+5", " ".join(shown.split()))


def test_all_that_is_printed_goes_above_the_bar(screen, clock):
    """Tables, lines, notes, warnings of the package and what others write: none shares a line with the bar, none is lost."""
    console = Console(screen=screen.rich, clock=clock)
    assert console.out is console.err
    with console.progress("detox") as step:
        step("phase 1 of 2 measure: texts", 1, 2)
        console.say("a line")
        console.table(["name", "n"], [["row", "1"]])
        console.note("a note")
        logging.getLogger("suture.search.explore").warning("a warning")
        sys.stdout.write("another's line\n")
        sys.stderr.write("another's note\n")
        step("phase 2 of 2 search: texts", 1, 2)
    printed = [line for line in screen.lines if not line.startswith("detox")]
    assert printed == ["a line", "name  n", "row   1", "a note", "a warning", "another's line", "another's note"]


def test_a_path_above_the_bar_stays_whole(screen, clock):
    console = Console(screen=screen.rich, clock=clock)
    path = "/".join(f"folder{i}" for i in range(30))
    with console.progress("apply") as step:
        step("tensors: a", 1, 2)
        console.say(f"wrote {path}")
    assert f"wrote {path}" in screen.lines


def test_one_bar_inside_another_goes_on_in_it(screen, clock):
    console = Console(screen=screen.rich, clock=clock)
    with console.progress("eval") as step:
        step("conditions: a", 1, 2)
        with console.progress("measuring") as inner:
            inner("texts: b", 1, 3)
        step("conditions: a", 2, 2)
    assert any("eval: texts: b" in line for line in screen.lines)
    with console.progress("again") as step:
        step("texts: c", 1, 2)
    assert any("again: texts: c" in line for line in screen.lines)


def test_an_error_takes_the_bar_away(screen, clock):
    console = Console(screen=screen.rich, clock=clock)

    def broken():
        with console.progress("eval") as step:
            step("texts: b", 1, 3)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    console.say("after")
    assert screen.lines[-1] == "after"
    assert console._step is None


def test_only_the_latest_console_prints_what_is_logged(clock):
    first, second = Screen(), Screen()
    Console(screen=first.rich, clock=clock)
    Console(screen=second.rich, clock=clock)
    logging.getLogger("suture.runs.run").warning("once\x1b[2J")
    assert not first.lines
    assert second.lines == ["once\\x1b[2J"]


# where there is no terminal


def run(folder, *words, **environ):
    done = subprocess.run([sys.executable, "-m", "suture", *words], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "COLUMNS": "80", **environ})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("piped")
    rows = [{"text": f"You are a lovely friend number {i}.", "label": 0} for i in range(8)]
    rows += [{"text": f"You are a stupid fool number {i}, get lost.", "label": 1} for i in range(8)]
    (folder / "tone.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"TERM": "dumb"}])
def test_a_pipe_gets_plain_lines_whatever_the_environment_says(texts, environ):
    done = run(texts, "edit", "surgery", "patient", "--data", "tone.jsonl", "-o", f"p{len(environ)}{sorted(environ)}.safetensors",
               **environ)  # fmt: skip
    words = "surgery: phase 1 of 3 make the patch\nsurgery: phase 2 of 3 check it\nsurgery: phase 3 of 3 ask before and after\n"
    assert done.stderr == words
    assert "phase" not in done.stdout
    if "FORCE_COLOR" not in environ and "TTY_COMPATIBLE" not in environ:  # which ask for colours
        assert not CONTROL.search(done.stdout.replace("\n", ""))
    assert "\x1b[1A" not in done.stdout + done.stderr
    assert "\x1b[2K" not in done.stdout + done.stderr
