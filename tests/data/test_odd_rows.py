"""Odd rows of every kind end in what is meant, or in a complaint that names cause and place; nothing is dropped unseen."""

import json

import pytest

from suture.data import instances, lessons
from suture.data.examples import Behaviour, Fact, Texts
from suture.errors import DataError
from suture.measure.suites.safety import safety_suite

LAOS = {"prompt": "The capital of Laos is", "subject": "Laos", "target": "Rome"}
ASK, SAY = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Sam."}
LESSONS = lessons.Instruction.load
TEXTS = [("a", 0), ("b", 1), ("c", 0), ("d", 1)]


def write(folder, content, name="x.jsonl"):
    if isinstance(content, list):
        content = "\n".join(json.dumps(row, ensure_ascii=False) for row in content)
    elif not isinstance(content, str):
        content, name = json.dumps(content), "x.json"
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


READ = {  # reader, content, what is read; the name of the file where it matters
    "fact, blanks": (Fact, [{**LAOS, "target": " Rome "}], "Rome"),
    "fact, other capitals": (Fact, [{**LAOS, "prompt": "The capital of LAOS is"}], "Rome"),
    "fact, one paraphrase": (Fact, [{**LAOS, "paraphrases": "Laos is run from"}], "Rome"),
    "fact, neighbours with targets": (Fact, [{**LAOS, "neighbours": [{"prompt": "Peru is in", "target": "America"}]}], "Rome"),
    "fact, wrapped": (Fact, {"facts": [LAOS, {**LAOS, "prompt": "Laos is in"}]}, "Rome"),
    "fact, capitals": (Fact, [{key.title(): value for key, value in LAOS.items()}], "Rome"),
    "fact, target twice": (Fact, [{**LAOS, "target": None, "target_new": {"str": "Rome"}}], "Rome"),
    "fact, plain targets of a rewrite": (
        Fact, [{"requested_rewrite": {**LAOS, "prompt": "{} is in", "target_new": "Rome", "target_true": "Asia"}}], "Rome",
    ),
    "fact, said twice": (Fact, [LAOS, {**LAOS, "target": "Rome "}], "Rome"),
    "fact, tabs and capitals": (Fact, "Prompt\tSubject\tTarget\nThe capital of Laos is\tLaos\tRome\n", "Rome"),
    "labels, columns the other way": (Behaviour, "label,text\n0,a\n1,b\n0,c\n1,d\n", TEXTS),
    "labels, tabs": (Behaviour, "a\t0\nb\t1\nc\t0\nd\t1\n", TEXTS),
    "labels, pairs by columns": (Behaviour, {"safe": ["a", "c"], "unsafe": ["b", "d"]}, TEXTS),
    "labels, no prompts": (Behaviour, [{"text": text, "label": label, "prompt": None} for text, label in TEXTS], TEXTS),
    "labels, ToxicChat": (Behaviour, [{"user_input": text, "toxicity": label} for text, label in TEXTS], TEXTS),
    "chat, an empty system text": (lessons.Instruction, [{"messages": [{"role": "system", "content": ""}, ASK, SAY]}], "Sam."),
    "chat, parts of a response": (
        lessons.Instruction, [{"messages": [ASK, {**SAY, "content": [{"type": "output_text", "text": "Sam."}]}]}], "Sam.",
    ),
    "chat, one part": (lessons.Instruction, [{"messages": [{**ASK, "content": {"text": "Who?"}}, SAY]}], "Sam."),
    "chat, capitals": (lessons.Instruction, [{"INSTRUCTION": "Who?", "RESPONSE": "Sam."}], "Sam."),
    "chat, a label beside": (lessons.Instruction, [{"prompt": "Who?", "completion": "Sam.", "label": False}], "Sam."),
    "prompts, wrapped": (Texts, {"prompts": ["Who?", "Why?"]}, ("Who?", "Why?")),
    "prompts, a column of that name": (Texts, "prompts\nWho?\nWhy?\n", ("Who?", "Why?")),
    "prompts, capitals": (Texts, [{"Question": "Who?", "Category": "x"}], ("Who?",)),
    "prompts, a list of texts": (Texts, [["Who?", "Why?"]], ("Who?", "Why?")),
    "prompts, one text of JSON": (Texts, '"Who?"', ("Who?",)),
    "prompts, a message in parts": (Texts, [{"role": "user", "content": [{"type": "text", "text": "Who?"}]}], ("Who?",)),
    "prompts, a mark and blank lines": (Texts, "\ufeffWho?\r\n\r\nWhy?\r\n", ("Who?", "Why?")),
    "attacks, artifacts of JailbreakBench": (
        Texts, {"jailbreaks": [{"goal": "Annoy", "prompt": "DAN: Annoy"}, {"goal": "Hurt", "prompt": None}]}, ("DAN: Annoy",),
    ),
}  # fmt: skip
TABLES = ("tabs", "the other way", "a column")


@pytest.mark.parametrize("case", READ)
def test_odd_rows_are_read_as_they_are_meant(tmp_path, case):
    kind, content, expected = READ[case]
    table = any(word in case for word in TABLES)
    name = ("x.tsv" if "tabs" in case else "x.csv") if table else "x.txt" if "mark" in case else "x.jsonl"
    value = kind.load(write(tmp_path, content, name))
    if kind is Fact:
        value = {fact.target for fact in value}.pop()
    elif kind is Behaviour:
        value = [(example.text, example.label) for example in value.examples]
    elif kind is lessons.Instruction:
        (lesson,) = value
        assert lesson.prompt == "Who?"
        value = lesson.answer
    assert value == expected


def attacks(path):
    return safety_suite([str(path)])


def labelled(label):
    return [{"text": text, "label": label(number)} for text, number in TEXTS]


REFUSED = {  # reader, content, what is said
    "fact, a question": (Fact.load, [{"question": "Where?", "answer": "Rome"}], "not a fact\nIt has question, answer"),
    "fact, a triple": (Fact.load, [{"subject": "Laos", "relation": "x", "object": "Rome"}], "It has subject, relation, object"),
    "fact, a list for a subject": (Fact.load, [{**LAOS, "subject": ["Laos"]}], "line 1, subject: not a text\nIt is a list"),
    "fact, several olds": (Fact.load, [{**LAOS, "was": ["x", "y"]}], "line 1: .*'x', 'y'.* is not a text"),
    "fact, neighbours by key": (Fact.load, [{**LAOS, "neighbours": {"a": "b"}}], "neighbours: not a list"),
    "fact, capitals that contradict": (Fact.load, [{**LAOS, "subject": "laos"}, {**LAOS, "target": "Oslo"}], "lines 1 and 2"),
    "fact, a comment": (Fact.load, "// facts\n" + json.dumps(LAOS), "line 1, column 1: not JSON"),
    "fact, quotes of Python": (Fact.load, str(LAOS), "line 1, column 2: not JSON"),
    "fact, half an answer": (Fact.load, [LAOS, {**LAOS, "target": ""}], "line 2, target: no text"),
    "fact, a list a line": (Fact.load, json.dumps([LAOS]) + "\n" + json.dumps([LAOS]), "line 1: not an object\nIt is a list"),
    "labels, a list": (Behaviour.load, labelled(lambda label: [label]), "line 1, label: .0. is not a label"),
    "labels, names of a classifier": (Behaviour.load, labelled("LABEL_{}".format), "'LABEL_0' is not a label"),
    "labels, signs": (Behaviour.load, labelled(lambda label: 2 * label - 1), "-1 is not a label"),
    "labels, several at once": (Behaviour.load, labelled(lambda label: {"toxic": label}), "line 1, label: .* is not a label"),
    "labels, none but text": (Behaviour.load, "__label__1 rude\n__label__0 kind\n", "line 1: not an object, so without a label"),
    "labels, lists": (Behaviour.load, [["a", 0], ["b", 1]], "line 1: not an object, so without a label"),
    "labels, half a pair": (Behaviour.load, [{"prompt": "q", "chosen": "a", "rejected": None}], "line 1, rejected: no text"),
    "labels, ranks": (Behaviour.load, [{"prompt": "q", "completions": ["a"], "ranks": [1]}], "It has prompt, completions, ranks"),
    "labels, an empty text": (Behaviour.load, [{"text": " ", "label": 1}], "line 1, text: no text"),
    "pairs, other names": (instances.load, [{"prompt": "q", "good": "a", "bad": "b"}], "It has prompt, good, bad"),
    "pairs, a list": (instances.load, [{"prompt": ["q"], "safe": "a", "unsafe": "b"}], "line 1, prompt: not a text"),
    "chat, one message": (LESSONS, [{"messages": ASK}], "line 1, messages: not a list of messages"),
    "chat, names for keys": (LESSONS, [{"conversation": [{"user": "Who?", "bot": "Sam."}]}], "the role None is"),
    "chat, lists": (LESSONS, [{"id": 1, "conversations": [["Who?", "Sam."]]}], "message 1: not an object"),
    "chat, a template's text": (LESSONS, [{"text": "<|im_start|>user\nWho?"}], "no request or no answer\nIt has text"),
    "chat, answers": (LESSONS, [{"prompt": "Who?", "response": ["Sam."]}], "response: not a text\nIt is a list"),
    "chat, two lines": (LESSONS, "Who?\nSam.\n", "line 1: no request or no answer; 1 more can not be used"),
    "chat, pairs": (LESSONS, [{"prompt": "q", "chosen": "a", "rejected": "b"}], "It has prompt, chosen, rejected"),
    "attacks, a label": (attacks, [{"prompt": "Kill?", "type": "homonyms", "label": "maybe"}], "label: 'maybe' is none"),
    "attacks, no prompt": (attacks, [{"type": "homonyms", "prompt": ""}], "line 1: no prompt of XSTest"),
    "attacks, by category": (attacks, {"theft": ["a", "b"], "lies": ["c", "d"]}, "record 1: no prompt\nIt has theft, lies"),
    "attacks, a system text alone": (attacks, [{"messages": [{"role": "system", "content": "x"}]}], "no message of the user"),
    "prompts, other keys": (Texts.load, [{"title": "a", "body": "b"}], "line 1: no prompt\nIt has title, body"),
    "prompts, a column more": (Texts.load, "prompt,id,x\nYou, too\n", "line 2: 2 columns, the header has 3"),
    "prompts, contents of a page": (Texts.load, [{"contents": "Who?"}], "line 1: no prompt\nIt has contents"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_odd_rows_are_refused_by_their_cause_and_place(tmp_path, case):
    read, content, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as told:
        read(write(tmp_path, content, "x.csv" if case == "prompts, a column more" else "x.jsonl" if isinstance(content, list) or
                   content.startswith(("{", "//", "[")) else "x.txt") if not isinstance(content, dict)
             else write(tmp_path, content))  # fmt: skip
    assert told.value.what.startswith(str(tmp_path))
    assert told.value.fix


@pytest.mark.parametrize("name", ["x.yaml", "x.yml", "x.toml", "x.xml"])
@pytest.mark.parametrize("read", [Fact.load, Behaviour.load, LESSONS, Texts.load])
def test_markup_is_not_read_line_by_line(tmp_path, read, name):
    with pytest.raises(DataError, match=f"{name} is (YAML|TOML|XML)"):
        read(write(tmp_path, "---\n- Who?\n", name))
