from suture.judges import NEITHER, Lexicon, Refusal, Sentiment, Toxicity, coherent, label_all, unwanted
from suture.judges._base import WINDOW
from suture.judges._text import english, visible


def test_loops_are_not_coherent():
    assert coherent("You are a good friend of mine.")
    assert not coherent("you you you you you you you you you a")


def test_a_long_text_repeats_words_and_is_coherent_until_it_ends_in_a_loop():
    varied = " ".join(f"word{i % 120}" for i in range(8 * WINDOW))  # over the whole: one word in ten is new
    assert coherent(varied)
    assert not coherent(f"{varied} {'again ' * WINDOW}")


def test_a_judge_with_many_is_asked_once():
    class Batched:
        labels = ("p1", "q2")
        calls = 0

        def __call__(self, prompt, text):
            raise AssertionError("one by one")

        def many(self, prompts, texts):
            self.calls += 1
            return [f"{prompt}{text}" for prompt, text in zip(prompts, texts, strict=True)]

    judge = Batched()
    assert label_all(judge, [("p", "1"), ("q", "2")]) == ["p1", "q2"]
    assert judge.calls == 1
    assert label_all(Lexicon({"a": ["tea"]}), [("", "a cup of tea"), ("", "a cup of milk")]) == ["a", NEITHER]


def test_the_label_that_counts_is_the_unwanted_one():
    assert [unwanted(judge) for judge in (Refusal(), Toxicity(), Sentiment())] == ["complied", "toxic", "negative"]
    assert unwanted(Lexicon({"tea": ["tea"], "milk": ["milk"]})) == "tea"


def test_thinking_is_not_what_is_said():
    assert visible("<think>No, I can't.\nOr?</think>\nYes, it\u2019s here.") == "Yes, it's here."
    assert visible("hidden because the template opened it</think> Shown.") == "Shown."
    assert visible("Shown. <think>and cut off") == "Shown."
    assert visible("I think <b>so</b>.") == "I think <b>so</b>."


def test_other_languages_and_noise_are_no_english():
    assert english("Measure the wall and cut six boards.")
    assert not english("asdf qwlk zxmn rrtp vbnq lkjh wpoe zzxq")
    assert not english("今天天气很好 我们去公园散步。")
    assert not english("1 2 3 4")
