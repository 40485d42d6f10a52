"""What is put behind a text is read with it in one piece, whatever the tokenizer does at the beginning of a text."""

import copy
import math
import random

import pytest
import torch
from tokenizers import processors

from models import SHARED, blank_first_tokenizer, tiny_llama
from suture.data.examples import Behaviour, Fact
from suture.goals.exemplars import Exemplars, Shown
from suture.goals.interventions import Instructed
from suture.locate._judge_scores import _framed
from suture.memory.store import Memory
from suture.metrics import completion, preference
from suture.metrics._likely import likely
from suture.model.lm import LM
from suture.model.run.contrasts import contrasts
from suture.model.run.fact_rows import encode
from suture.model.run.generation import generate
from suture.model.run.reading import Text, continued

INST = (
    "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }} </s>{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def blank_first() -> LM:
    return tiny_llama(blank_first_tokenizer(INST))


def forced(lm: LM, ids: list[int], begin: int) -> float:
    """The mean log-probability of ids from `begin` on, by one plain pass."""
    with torch.no_grad():
        each = lm.model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return sum(float(each[i - 1, ids[i]]) for i in range(begin, len(ids))) / (len(ids) - begin)


def test_a_forced_answer_is_read_with_its_prompt(blank_first):
    whole = blank_first.encode("Once upon a time there")
    found = likely(blank_first, ["Once upon a"], ["time there"]).logprob
    assert math.isclose(float(found), forced(blank_first, whole, 4), rel_tol=1e-5)


def test_in_a_chat_nothing_stands_between_but_what_the_template_writes(blank_first, llama):
    ids, begin = blank_first.encode_answers(["Why?"], ["Paris"], chat=True)[0]
    assert blank_first.tokenizer.convert_ids_to_tokens(ids[begin:]) == ["\u2581Paris"]  # the template's own blank
    asked = llama.encode_chat("Why?")[0]
    ids, begin = llama.encode_answers(["Why?"], ["Paris"], chat=True)[0]
    assert ids[:begin] == asked
    assert llama.decode(ids[begin:]) == "Paris"  # this one writes none
    assert math.isclose(
        float(likely(llama, ["Why?"], ["Paris"], chat=True).logprob), forced(llama, ids, begin), rel_tol=1e-5
    )


def test_a_lesson_and_a_forced_answer_begin_at_the_same_token(blank_first, llama):
    for lm in (blank_first, llama):
        lesson, begin = lm.encode_chat("Why?", "Paris")
        ids, same = lm.encode_answers(["Why?"], ["Paris"], chat=True)[0]
        assert begin == same
        assert lesson[: len(ids)] == ids  # the lesson goes on with what ends its turn


def test_a_fact_and_a_forced_answer_are_the_same_tokens(blank_first, llama):
    for lm in (blank_first, llama):
        row = encode(lm, "the capital of France is", "France", "Paris")
        assert lm.encode_answers(["the capital of France is"], ["Paris"]) == [(row.ids, row.begin)]


def test_a_token_of_both_texts_is_the_seconds(llama):
    ids, begin = continued(llama, Text("On"), "ce upon")
    assert (ids, begin) == (llama.encode("Once upon"), 2)
    ids, begin = continued(llama, Text("The end "), "of it")  # the blank belongs to " of"
    assert (ids, llama.decode(ids[begin:])) == (llama.encode("The end of it"), " of it")


def test_chinese_goes_on_without_a_blank(llama):
    row = encode(llama, "法国的首都是", "法国", "柏林")
    assert llama.decode(row.ids) == "法国的首都是柏林"
    assert llama.decode(row.ids[row.begin :]) == "柏林"


@pytest.mark.parametrize("template", ["<s> $A </s>", "$A </s>", "<s> $A"])
def test_what_a_tokenizer_puts_behind_a_text_is_not_read_before_what_goes_on(llama, template):
    own = llama.tokenizer
    pieces = {"<s>": own.bos_token or own.eos_token, "</s>": own.eos_token}
    single = [{"A": "$A"}.get(word, pieces.get(word, word)) for word in template.split()]
    closed = copy.deepcopy(own)
    closed._tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(name, own.convert_tokens_to_ids(name)) for name in set(pieces.values())]
    )
    lm = LM(llama.model, closed)
    plain = own("Once upon a", add_special_tokens=False)["input_ids"]
    start = [own.convert_tokens_to_ids(pieces["<s>"])] if template.startswith("<s>") else []
    assert lm.encode("Once upon a") == lm.encode_prompts(["Once upon a"])[0] == [*start, *plain]
    ids, begin = lm.encode_answers(["Once upon a"], ["time"])[0]
    assert ids[:begin] == [*start, *plain]
    assert lm.encode("") == start


def test_a_tokenizer_without_offsets_gives_the_same(blank_first):
    class Slow:
        """The same tokenizer, which does not say which characters a token stands for."""

        is_fast = False

        def __call__(self, text, **asked):
            return blank_first.tokenizer(text, **asked)

    fast = continued(blank_first, Text("Once upon a"), " time")
    slow = object.__new__(LM)
    slow.tokenizer = Slow()
    assert continued(slow, Text("Once upon a"), " time") == fast


def test_what_stands_before_a_prompt_stands_before_its_answer_too(blank_first):
    fact = Fact("the capital of France is", "France", "Lyon")
    prompt, answer = "the capital of France is", "Paris"
    texts = Behaviour.of("x", ["Once upon a time", "there was a time"], ["Why?", "Why? Why?"])
    shown = Exemplars.of(blank_first, texts, shots=1)
    for lm in (Instructed(blank_first, "there was a time"), Shown(blank_first, shown)):
        for chat in (False, True):
            ids, begin = lm.encode_answers([prompt], [answer], chat=chat)[0]
            assert ids[:begin] == lm.encode_prompts([prompt], chat=chat)[0]
            assert blank_first.tokenizer.convert_ids_to_tokens(ids[begin:]) == ["\u2581Paris"]
    with Memory.of(blank_first, [fact]).attached(blank_first):
        ids, begin = blank_first.encode_answers([prompt], [answer])[0]
        assert ids[:begin] == blank_first.encode_prompts([prompt])[0] != blank_first.encode(prompt)


def test_written_texts_go_on_with_their_prompt(blank_first):
    prompt = blank_first.encode("Once upon a")
    ((text,),) = generate(blank_first, [prompt], max_new_tokens=1, temperature=1.0, seed=3)
    assert text
    whole = "Once upon a" + text
    assert blank_first.encode(whole)[: len(prompt)] == prompt
    assert len(blank_first.encode(whole)) == len(prompt) + 1


def test_halves_of_a_text_are_read_as_the_text(blank_first):
    bad = ["Once upon a time there was a", "Once upon a time there was Paris"]
    texts = Behaviour.of("x", ["the capital of France is Paris a", "Lyon is the capital of France a"], bad)
    _, unwanted = contrasts(blank_first, texts, random.Random(0))
    assert sorted(ids for ids, _ in unwanted) == sorted(map(blank_first.encode, bad))
    assert all(1 < begin < len(ids) for ids, begin in unwanted)


def test_a_judge_reads_request_answer_and_frame_in_one_piece(blank_first):
    before, answer, after, verdict = _framed(blank_first, "Why?", "Paris is", "a")
    text = blank_first.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Paris is"}], tokenize=False
    )
    assert [*before, *answer, *after] == blank_first.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert blank_first.tokenizer.convert_ids_to_tokens(answer) == ["\u2581Paris", "\u2581is"]
    assert verdict == blank_first.tokenizer.convert_tokens_to_ids("\u2581a")


@pytest.mark.skipif(not (SHARED / "models/stories260K-hf").is_dir(), reason="the shared models are not there")
def test_a_real_model_of_this_kind_prefers_what_it_says():
    lm = LM.load(SHARED / "models/stories260K-hf")
    assert float(likely(lm, ["Once upon a"], ["time"]).logprob.exp()) > 0.99
    cases = preference.Cases(["Once upon a"], ["time"], ["house"])
    assert preference.observe(lm, cases).values.tolist() == [1.0]
    assert completion.observe(lm, completion.Cases(["Once upon a"], ["time"])).values.tolist() == [1.0]
