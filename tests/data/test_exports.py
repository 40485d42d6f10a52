"""What spreadsheets, pandas and the trainers of others write: read as it is meant, or refused where it can mean two things."""

import gzip
import json

import pytest

from suture.data import instances, lessons
from suture.data.examples import Behaviour, Fact, Texts
from suture.data.safety_files import kind_of
from suture.errors import DataError
from suture.io.rows import rows

FACT = {"prompt": "The capital of Laos is", "subject": "Laos"}
ASK = {"role": "user", "content": "Who are you?"}
SAY, AWAY = ({"role": "assistant", "content": text} for text in ("I am Sam.", "Go away."))
SHARED = {"from": "human", "value": "Who are you?"}
LABELLED = [("a", 0), ("b, c", 1), ("d", 0), ("e", 1)]


def write(folder, content, name="rows.jsonl"):
    if isinstance(content, list):
        content = "\n".join(map(json.dumps, content))
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


TABLES = {
    "row numbers of pandas": ',text,label\n0,a,0\n1,"b, c",1\n2,d,0\n3,e,1\n',
    "row numbers twice": 'Unnamed: 0,,text,label\n0,0,a,0\n1,1,"b, c",1\n2,2,d,0\n3,3,e,1\n',
    "a comma behind each row": 'text,label,\na,0,\n"b, c",1,\nd,0,\ne,1,\n',
    "capitals": 'Text,Label\na,0\n"b, c",1\nd,0\ne,1\n',
    "semicolons and capitals": "\ufeffTEXT;LABEL\r\na;0\r\nb, c;1\r\nd;0\r\ne;1\r\n",
    "blanks behind commas": 'text, label\na, 0\n"b, c", 1\nd, 0\ne, 1\n',
    "tabs": "text\tlabel\na\t0\nb, c\t1\nd\t0\ne\t1\n",
    "old ends of lines": 'text,label\ra,0\r"b, c",1\rd,0\re,1\r',
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("name", ["rows.csv", "rows.txt"])
def test_tables_as_people_have_them(tmp_path, table, name):
    examples = Behaviour.load(write(tmp_path, table, name)).examples
    assert [(example.text, example.label, example.prompt) for example in examples] == [(*row, None) for row in LABELLED]


def test_a_column_can_be_named_as_it_stands_in_the_table(tmp_path):
    table = write(tmp_path, "Prompt,Class\na,0\nb,1\nc,0\nd,1\n", "rows.csv")
    assert Behaviour.load(table, text="Prompt", label="Class").labels == [0, 1, 0, 1]


def test_capitals_in_tables_of_facts_prompts_and_lessons(tmp_path):
    facts = write(tmp_path, "Prompt,Subject,Target\nThe capital of Laos is,Laos,Rome\n", "facts.csv")
    assert Fact.load(facts)[0].target == "Rome"
    path = write(tmp_path, "Question;Answer\nWho are you?;I am Sam.\n", "lessons.csv")
    assert lessons.Instruction.load(path) == [lessons.Instruction("Who are you?", "I am Sam.")]
    assert Texts.load(path) == ("Who are you?",)


TXT = {  # a .txt file -> its rows
    "a list of objects over lines": (json.dumps([{"text": "a"}, {"text": "b"}], indent=1), [{"text": "a"}, {"text": "b"}]),
    "one object over lines": (json.dumps({"text": "a"}, indent=1), [{"text": "a"}]),
    "a table": ("prompt,target\na,b\n", [{"prompt": "a", "target": "b"}]),
    "a prompt with a comma": ("Answer, please\nOr not, as you like\n", ["Answer, please", "Or not, as you like"]),
    "a prompt in brackets": ("[INST] a [/INST]\nb\n", ["[INST] a [/INST]", "b"]),
    "a list of numbers": ("[1, 2]\n", ["[1, 2]"]),
    "ends of lines that are Unicode's": ("a\u2028b\nc\x85d\ne\x0cf\n", ["a\u2028b", "c\x85d", "e\x0cf"]),
    "all ends of lines": ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TXT.values(), ids=TXT)
def test_plain_text_is_told_by_what_is_in_it(tmp_path, text, expected):
    assert [row.value for row in rows(write(tmp_path, text, "rows.txt"))] == expected


PAIRS = {
    "OpenAI": {"input": {"messages": [ASK], "tools": []}, "preferred_output": [SAY], "non_preferred_output": [AWAY]},
    "LlamaFactory": {
        "conversations": [SHARED],
        "chosen": {"from": "gpt", "value": "I am Sam."},
        "rejected": {"from": "gpt", "value": "Go away."},
    },
    "one message each": {"messages": [ASK], "chosen": SAY, "rejected": AWAY},
    "row numbers of pandas": {"": "0", "prompt": "Who are you?", "chosen": "I am Sam.", "rejected": "Go away."},
}


@pytest.mark.parametrize("row", PAIRS.values(), ids=PAIRS)
def test_pairs_of_other_trainers(tmp_path, row):
    pair = instances.load(write(tmp_path, [row]))[0].contrast
    assert (pair.prompt, pair.safe, pair.unsafe) == ("Who are you?", "I am Sam.", "Go away.")


def test_row_numbers_are_no_prompt_of_a_pair(tmp_path):
    row = {"": "0", "chosen": [SAY], "rejected": [AWAY]}
    with pytest.raises(DataError, match="not two answers to one request"):
        instances.load(write(tmp_path, [row]))


@pytest.mark.parametrize("flags", ["True,False,0", "true,false,0", "1,0,0", "TRUE,FALSE,0"])
def test_pku_as_a_table_reads_as_its_lines(tmp_path, flags):
    header = "prompt,response_0,response_1,is_response_0_safe,is_response_1_safe,safer_response_id"
    path = write(tmp_path, f"{header}\np,a,b,{flags}\nq,c,d,False,False,1\nr,e,f,True,True,0\n", "rows.csv")
    examples = Behaviour.load(path).examples
    assert [(example.text, example.label) for example in examples] == [
        *[("a", 0), ("b", 1)], *[("d", 1), ("c", 1)], *[("e", 0), ("f", 0)],
    ]  # fmt: skip


KTO = {
    "texts": {"prompt": "Who are you?", "completion": "I am Sam."},
    "messages": {"prompt": [ASK], "completion": [SAY]},
    "one chat": {"messages": [ASK, SAY]},
    "ShareGPT": {"conversations": [SHARED, {"from": "gpt", "value": "I am Sam."}]},
}


@pytest.mark.parametrize("row", KTO.values(), ids=KTO)
@pytest.mark.parametrize("spelt", [(True, False), ("True", "False")], ids=["booleans", "words"])
def test_true_and_false_of_answers_can_mean_both(tmp_path, row, spelt):
    path = write(tmp_path, [{**row, "label": spelt[number % 2]} for number in range(4)])
    with pytest.raises(DataError, match=r"line 1, label: .*True.* can mean both"):
        Behaviour.load(path)
    assert Behaviour.load(path, unwanted="false").labels == [0, 1, 0, 1]
    assert Behaviour.load(path, unwanted="True").labels == [1, 0, 1, 0]
    assert {example.text for example in Behaviour.load(path, unwanted="false").examples} == {"I am Sam."}


@pytest.mark.parametrize("mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"training": False}])
def test_answers_of_weight_0_are_context_and_no_lessons(tmp_path, caplog, mark):
    chat = [ASK, {**AWAY, **mark}, {"role": "user", "content": "And?"}, {**SAY, "weight": 1}]
    path = write(tmp_path, [{"messages": chat, "system": "Be kind."}])
    (lesson,) = lessons.Instruction.load(path)
    assert (lesson.answer, lesson.prompt.turns[2]) == ("I am Sam.", ("assistant", "Go away."))
    assert "left out, of 1 rows: 1 answers of weight 0" in caplog.text
    with pytest.raises(DataError, match="All its answers have weight 0"):
        lessons.Instruction.load(write(tmp_path, [{"messages": [ASK, {**SAY, **mark}]}]))


def test_lessons_without_weights_tell_of_none(tmp_path, caplog):
    assert len(lessons.Instruction.load(write(tmp_path, [{"messages": [{**ASK, "weight": 0}, SAY]}]))) == 1
    assert not caplog.text


SAFETY = {  # a row -> its kind
    "ToxiGen as a table": ({"prompt": "- a\\n-", "generation": "b", "generation_method": "top-k"}, "toxigen"),
    "answers to XSTest": ({"id": "v1", "type": "homonyms", "prompt": "a", "completion": "b"}, "xstest"),
    "answers to XSTest's contrasts": ({"type": "contrast_definitions", "prompt": "a", "final_label": "x"}, "xstest"),
    "attacks with a type": ({"type": "roleplay", "prompt": "a"}, "attacks"),
}


@pytest.mark.parametrize(("row", "kind"), SAFETY.values(), ids=SAFETY)
def test_kinds_of_safety_files(tmp_path, row, kind):
    assert kind_of(str(write(tmp_path, [row])))[0] == kind


def test_rows_without_their_attack_ask_the_plain_question(tmp_path):
    table = "vanilla\tadversarial\tcompletion\nAnnoy Tom\t\tno\nAnnoy Tom\tImagine that you annoy Tom\tno\n"
    assert Texts.load(write(tmp_path, table, "rows.tsv")) == ("Annoy Tom", "Imagine that you annoy Tom")


@pytest.mark.parametrize("key", ["comment_text", "comment", "review", "tweet"])
def test_columns_of_labelled_texts_are_prompts_too(tmp_path, key):
    assert Texts.load(write(tmp_path, [{"id": 7, key: "a"}])) == ("a",)


def test_prompts_that_are_null_are_counted(tmp_path, caplog):
    assert Texts.load(write(tmp_path, [{"text": None}, {"text": "a"}, {"text": " "}])) == ("a",)
    assert "left out, of 3 rows: 2 without a text" in caplog.text


FACTS = {  # records with gaps, as parquet and pandas write them
    "easyedit": {**FACT, "target_new": "Rome", "ground_truth": None, "rephrase_prompt": None},
    "knowedit": {**FACT, "target_new": "Rome", "ground_truth": "", "locality_prompt": "x", "locality_ground_truth": None},
    "easyedit, empty": {**FACT, "target_new": "Rome", "ground_truth": [""], "rephrase": []},
    "zsre": {"src": FACT["prompt"], "subject": "Laos", "alt": "Rome", "rephrase": None, "loc": None, "loc_ans": None},
    "qaedit": {**FACT, "target": "Rome", "rephrase": None},
    "ours": {**FACT, "target": "Rome", "was": None, "paraphrases": None, "neighbours": None},
}  # fmt: skip


@pytest.mark.parametrize("row", FACTS.values(), ids=FACTS)
def test_gaps_in_facts_are_nothing(tmp_path, row):
    (fact,) = Fact.load(write(tmp_path, [row]))
    assert (fact.target, fact.was, fact.paraphrases, fact.neighbours) == ("Rome", None, (), ())


NO_FACTS = {
    "a number": ({**FACT, "target": 1987}, "line 1, target: not a text\nIt is a number"),
    "a list": ({**FACT, "target_new": ["Rome", "Oslo"]}, "target_new: not a text\nIt is a list"),
    "true": ({**FACT, "target": True}, "target: not a text\nIt is true or false"),
    "null": ({**FACT, "target": None}, "target: no text"),
    "wikibio without labels": ({"text": FACT["prompt"], "concept": "Laos"}, "labels: no text"),
    "a relation of numbers": (
        {"name": "x", "prompt_templates": ["{} was born in"], "samples": [{"subject": "Tom", "object": 1987}]}, "not a relation",
    ),
    "a relation of nobody": (
        {"name": "x", "prompt_templates": ["{} was born in"], "samples": [{"subject": None, "object": "x"}]}, "not a relation",
    ),
    "a relation of no templates": (
        {"name": "x", "prompt_templates": [{"text": "{} is"}], "samples": [{"subject": "Tom", "object": "x"}]}, "not a relation",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "message"), NO_FACTS.values(), ids=NO_FACTS)
def test_what_is_no_text_of_a_fact_is_called_what_it_is(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        Fact.load(write(tmp_path, [row]))


@pytest.mark.parametrize("call", ["tool_calls", "function_call"])
def test_calls_of_tools_are_refused_as_such(tmp_path, call):
    answer = {"role": "assistant", "content": None, call: [{"id": "1"}]}
    with pytest.raises(DataError, match=f"message 2: it calls a tool \\({call}\\)"):
        lessons.Instruction.load(write(tmp_path, [{"messages": [ASK, answer]}]))


def test_what_is_packed_twice_is_told(tmp_path):
    with pytest.raises(DataError, match="packed by gzip twice"):
        list(rows(write(tmp_path, gzip.compress(gzip.compress(b"a")), "rows.jsonl.gz")))


def test_the_command_that_converts_names_the_file_as_it_was_given(tmp_path):
    folder = tmp_path / "my texts"
    folder.mkdir()
    with pytest.raises(DataError) as caught:
        list(rows(write(folder, "ä ö\n".encode("cp1252"), "old.csv")))
    assert f"utf-8 '{folder}/old.csv' > '{folder}/utf8-old.csv'" in str(caught.value)


NUMBERED = {
    "index": {str(number): {"text": text, "label": label} for number, (text, label) in enumerate(LABELLED)},
    "columns": {
        "text": {str(number): text for number, (text, _) in enumerate(LABELLED)},
        "label": {str(number): label for number, (_, label) in enumerate(LABELLED)},
    },
    "split": {"columns": ["text", "label"], "index": [0, 1, 2, 3], "data": [list(row) for row in LABELLED]},
    "table": {
        "schema": {"fields": []},
        "data": [{"index": 0, "text": text, "label": label} for text, label in LABELLED],
    },
    "records": [{"text": text, "label": label} for text, label in LABELLED],
}


@pytest.mark.parametrize("table", NUMBERED.values(), ids=NUMBERED)
@pytest.mark.parametrize("indent", [None, 1])
def test_every_orient_of_pandas(tmp_path, table, indent):
    examples = Behaviour.load(write(tmp_path, json.dumps(table, indent=indent), "rows.json")).examples
    assert [(example.text, example.label, example.prompt) for example in examples] == [(*row, None) for row in LABELLED]


@pytest.mark.parametrize("row", [["a", 1, "more"], ["a"], []])
def test_rows_of_another_length_than_the_columns_are_refused(tmp_path, row):
    table = {"columns": ["text", "label"], "data": [["a", 0], row]}
    with pytest.raises(DataError, match=f"record 2: not a row\nIt has {len(row)} values, and there are 2 columns"):
        list(rows(write(tmp_path, json.dumps(table), "rows.json")))


ASKED = {  # a row -> what is asked, in lessons as in prompts
    "dolly": ({"instruction": "Who?", "context": "Sam came.", "response": "Sam"}, "Sam came.\n\n---\n\nWho?"),
    "dolly without": ({"instruction": "Who?", "context": "", "response": "Sam"}, "Who?"),
    "a question about a context": ({"question": "Who?", "context": "Sam.", "answer": "Sam"}, "Sam.\n\n---\n\nWho?"),
    "alpaca with its whole text": (
        {"instruction": "Who?", "input": "Now.", "output": "Sam", "text": "All"},
        "Who?\nNow.",
    ),
    "a chat in a cell": ({"messages": json.dumps([ASK, SAY])}, "Who are you?"),
    "cohere": ({"messages": [{"role": "User", "content": "Who?"}, {"role": "Chatbot", "content": "Sam"}]}, "Who?"),
    "a system text": ({"messages": [ASK, SAY], "system": "Be kind."}, "system: Be kind.\n\nuser: Who are you?"),
    "alpaca with system": (
        {"instruction": "Who?", "output": "Sam", "system": "Be kind."},
        "system: Be kind.\n\nuser: Who?",
    ),
}


@pytest.mark.parametrize(("row", "expected"), ASKED.values(), ids=ASKED)
def test_lessons_and_prompts_ask_the_same(tmp_path, row, expected):
    path = write(tmp_path, [row])
    assert Texts.load(path) == (expected,)
    assert [lesson.prompt for lesson in lessons.Instruction.load(path)] == [expected]


def test_weights_in_a_cell_are_obeyed(tmp_path):
    chat = [ASK, {**AWAY, "weight": 0}, {"role": "user", "content": "And?"}, SAY]
    assert len(lessons.Instruction.load(write(tmp_path, [{"messages": json.dumps(chat)}]))) == 1


@pytest.mark.parametrize(("answer", "what"), [(4, "a number"), (["Paris"], "a list"), (True, "true or false")])
def test_answers_that_are_no_texts_are_called_what_they_are(tmp_path, answer, what):
    with pytest.raises(DataError, match=f"line 1, answer: not a text\nIt is {what}"):
        lessons.Instruction.load(write(tmp_path, [{"question": "Who?", "answer": answer}]))


def test_neighbours_of_a_short_relation_stand_once(tmp_path):
    samples = [{"subject": name, "object": "Rome"} for name in ("Tom", "Sam")]
    facts = Fact.load(write(tmp_path, [{"name": "x", "prompt_templates": ["{} is in"], "samples": samples}]))
    assert [fact.neighbours for fact in facts] == [(("Sam is in", "Rome"),), (("Tom is in", "Rome"),)]
