import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from suture.errors import UsageError
from suture.judges import NEITHER, Classifier, judge_named
from suture.model.lm import PATIENT

TEXTS = ["You are a lovely friend.", "Get lost, you fool, and never come back here.", "a b", "On Monday it rained."]


@pytest.fixture(scope="module", params=["single", "multi"])
def folder(request, tmp_path_factory):
    """A tiny random classifier of three labels with the patient's tokenizer."""
    torch.manual_seed(4)
    tokenizer = AutoTokenizer.from_pretrained(PATIENT)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, initializer_range=0.5, id2label={0: "Toxic", 1: "insult", 2: "fine"},
        label2id={"Toxic": 0, "insult": 1, "fine": 2}, problem_type=f"{request.param}_label_classification",
    )  # fmt: skip
    path = tmp_path_factory.mktemp(request.param)
    LlamaForSequenceClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def probabilities(folder, text):
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")).logits[0]
    return (logits.sigmoid() if "multi" in str(folder) else logits.softmax(-1)).tolist()


def test_our_label_has_the_probability_of_what_is_mapped_to_it(folder):
    judge = Classifier(str(folder), {"toxic": "bad", "insult": "bad", "fine": "good"}, batch=3)
    for text, scores in zip(TEXTS, judge.score(TEXTS), strict=True):
        toxic, insult, fine = probabilities(folder, text)
        bad = max(toxic, insult) if "multi" in str(folder) else toxic + insult
        assert scores == pytest.approx({"bad": bad, "good": fine}, abs=1e-5)


def test_the_threshold_decides_and_scraps_are_neither(folder):
    strict = Classifier(str(folder), {"toxic": "toxic"}, other="clean", threshold=1.1)
    loose = Classifier(str(folder), {"toxic": "toxic"}, other="clean", threshold=0.0)
    assert strict.many([""] * 4, TEXTS) == ["clean", "clean", NEITHER, "clean"]
    assert loose.many([""] * 4, TEXTS) == ["toxic", "toxic", NEITHER, "toxic"]
    assert judge_named(f"hf:{folder}@label=toxic").labels == ("toxic", "clean")


def test_without_a_mapping_labels_stand_for_themselves(folder):
    judge = judge_named(f"hf:{folder}")
    assert judge.labels == ("Toxic", "insult", "fine")
    assert judge("", TEXTS[0]) in (*judge.labels, NEITHER)


def test_a_label_the_model_lacks_and_a_model_that_is_none_are_errors(folder, tmp_path):
    with pytest.raises(UsageError, match="no label 'spam'") as problem:
        judge_named(f"hf:{folder}@label=spam")("", TEXTS[0])
    assert "insult" in problem.value.why
    with pytest.raises(UsageError, match="can not load"):
        judge_named(f"hf:{tmp_path}@label=toxic")("", TEXTS[0])
