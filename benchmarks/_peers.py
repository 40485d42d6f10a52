"""Time other libraries on the same pairs; run by benchmarks/steering.py with an interpreter that has them."""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

given = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(given["model"])
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
tokenizer.padding_side = "left"
model = AutoModelForCausalLM.from_pretrained(given["model"], dtype=torch.float32)
found = {}


def timed(name, run):
    begin = time.perf_counter()
    try:
        run()
        found[name] = time.perf_counter() - begin
    except Exception as problem:  # a library that does not run with these versions is a note, not an end
        found[name] = f"{type(problem).__name__}: {problem}"[:120]


def steering_vectors():
    from steering_vectors import SteeringVectorTrainingSample, train_steering_vector

    samples = [SteeringVectorTrainingSample(bad, good) for bad, good in given["pairs"]]
    train_steering_vector(model, tokenizer, samples, batch_size=32, show_progress=False)


def repeng(method):
    from repeng import ControlModel, ControlVector, DatasetEntry

    wrapped = ControlModel(model, list(range(model.config.num_hidden_layers)))
    entries = [DatasetEntry(bad, good) for bad, good in given["pairs"]]
    try:
        ControlVector.train(wrapped, tokenizer, entries, method=method, batch_size=32)
    finally:
        wrapped.unwrap()


timed("steering-vectors", steering_vectors)
timed("repeng", lambda: repeng("pca_center"))
print(json.dumps(found))
