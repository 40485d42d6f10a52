"""The server under load: equal answers, and what different strengths in one batch cost. make bench-serve

load         200 requests at once from this process to a server in another one, in four mixes of two patches; each answer is
             compared with the one that `generate` writes for it alone here
throughput   tokens a second of batches whose rows have eight different strengths, over that of batches of the base model,
             the same prompts and number of tokens, in turns; the median of the ratios
mistakes     malformed requests: each must get a 4xx and a reason
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from _common import finish, note, table

from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.model.lm import LM
from suture.model.run.generation import generate
from suture.organisms.suites import behaviour, suite
from suture.patch.runtime.multi_patch import attached_together

RUN = "from suture.cli.main import run; run()"
MIXES = ({}, {"positive": 1.0}, {"kind": 1.0}, {"positive": -0.5, "kind": 0.5})
STRENGTHS = [-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0]
MISTAKES = (
    b"{", b"[]", {"model": 3, "prompt": "a"}, {"model": "x", "prompt": "a"}, {"model": "patient"},
    {"model": "patient", "prompt": 3}, {"model": "patient", "prompt": "a", "patches": {"no": 1}},
    {"model": "patient", "prompt": "a", "patches": {"kind": "x"}},
    {"model": "patient", "prompt": "a", "max_tokens": -1}, {"model": "patient", "prompt": "a", "max_tokens": 9999},
    {"model": "patient", "prompt": "a", "patchs": {}}, {"model": "patient", "prompt": "a", "temperature": -1},
)  # fmt: skip


def post(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", "/v1/completions", data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def at_once(port, bodies):
    """Send all requests together; returns answers and seconds."""
    found = [None] * len(bodies)

    def ask(number):
        try:
            found[number] = post(port, bodies[number])
        except OSError as problem:
            found[number] = (0, {"error": {"message": repr(problem)}})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(bodies))]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.perf_counter() - begin


def load(port, lm, patches, prompts, tokens):
    bodies = [
        {"model": "patient", "prompt": prompts[i % len(prompts)], "max_tokens": tokens, "seed": i,
         "temperature": float(i % 8 > 3), "patches": MIXES[i % 4]}
        for i in range(200)
    ]  # fmt: skip
    answers, seconds = at_once(port, bodies)
    errors = [content for status, content in answers if status != 200]
    different = 0
    with attached_together(lm, patches) as ward:
        for body, (status, content) in zip(bodies, answers, strict=True):
            if status != 200:
                continue
            ward.set([body["patches"]])
            alone = generate(
                lm,
                [lm.encode(body["prompt"])],
                max_new_tokens=tokens,
                temperature=body["temperature"],
                seed=body["seed"],
            )[0][0]
            different += alone != content["choices"][0]["text"]
    return {"requests": len(bodies), "errors": len(errors), "different": different, "seconds": seconds}


def throughput(port, prompts, tokens, rounds, rows):
    rates = {"base": [], "mixed": []}
    for turn in range(rounds):
        for kind in ("base", "mixed") if turn % 2 else ("mixed", "base"):
            bodies = [
                {"model": "patient", "prompt": prompts[i % len(prompts)], "max_tokens": tokens, "seed": turn * rows + i,
                 "patches": {} if kind == "base" else {"positive": STRENGTHS[i % 8]}}
                for i in range(rows)
            ]  # fmt: skip
            answers, seconds = at_once(port, bodies)
            rates[kind].append(sum(content["usage"]["completion_tokens"] for _, content in answers) / seconds)
        note(f"round {turn + 1}: {rates['mixed'][-1] / rates['base'][-1]:.2f}")
    ratios = [mixed / base for mixed, base in zip(rates["mixed"], rates["base"], strict=True)]
    return {"ratios": ratios, "ratio": statistics.median(ratios), "base": statistics.median(rates["base"])}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=16, help="tokens of an answer")
    parser.add_argument("--rounds", type=int, default=5, help="turns of base and mixed batches")
    parser.add_argument("--rows", type=int, default=32, help="requests of a batch")
    args = parser.parse_args()
    lm = LM.load("patient")
    patches = {
        "positive": steering(lm, behaviour("attitude"), layers=[5, 6], strength=0.4),
        "kind": surgery(lm, behaviour("tone"), rows=0.02, strength=1.0),
    }
    prompts = [p for m in suite("report", 50) if m.name in ("rude", "positive") for p in m.cases.prompts]
    with tempfile.TemporaryDirectory() as folder:
        words = [
            f"--patch={name}={patch.save(Path(folder) / f'{name}.safetensors')}" for name, patch in patches.items()
        ]
        command = [sys.executable, "-c", RUN, "serve", "patient", "--port", "0", "--json", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                port = int(json.loads(server.stdout.readline())["address"].rpartition(":")[2])
                note(f"a server at port {port}")
                at_once(port, [{"model": "patient", "prompt": "Warm", "max_tokens": 8}])
                loaded = load(port, lm, patches, prompts, args.tokens)
                note(f"{loaded}")
                fast = throughput(port, prompts, args.tokens, args.rounds, args.rows)
                wrong = [post(port, body) for body in MISTAKES]
            finally:
                server.terminate()
    refused = sum(400 <= status < 500 and bool(content["error"]["message"]) for status, content in wrong)
    table(
        "the server under load",
        ["", ""],
        [
            ["requests at once, four mixes", str(loaded["requests"])],
            ["errors", str(loaded["errors"])],
            ["answers unlike those of `generate` alone", str(loaded["different"])],
            ["mistakes refused with a reason", f"{refused} of {len(wrong)}"],
            ["tokens a second, base", f"{fast['base']:.0f}"],
            [
                "eight strengths over base",
                f"{fast['ratio']:.2f}  ({min(fast['ratios']):.2f}-{max(fast['ratios']):.2f})",
            ],
        ],
    )
    finish(
        {
            "throughput_ratio": fast["ratio"], "errors": loaded["errors"], "different": loaded["different"],
            "requests": loaded["requests"], "refused": refused, "mistakes": len(wrong), "ratios": fast["ratios"],
        }
    )  # fmt: skip


if __name__ == "__main__":
    main()
