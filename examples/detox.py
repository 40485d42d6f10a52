"""Model Surgery in a dozen lines. Run it: python examples/detox.py."""

from suture import LM, Behaviour, Patch, evaluate, fit_probe
from suture.data.examples import Texts
from suture.methods.surgery import surgery
from suture.organisms.suites import suite

lm = LM.load("patient")  # or a folder, or a Hub name
texts = Behaviour.load("patient:tone")  # or your own .jsonl with {"text": ..., "label": 0 or 1}
probe = fit_probe(lm, texts, space="mlp.in")
print(f"held-out accuracy {probe.scores[probe.best].accuracy:.1%}")

keep = Texts.load("patient:keep")  # what to leave alone, or your own .txt with a text a line
patch = surgery(lm, texts, probe=probe, select="effect", keep=keep, rows=0.05, strength=2.0)
patch.save("runs/kinder.safetensors")

measures = [m for m in suite("report", 50) if m.name in ("rude", "rude_floor", "facts_seen", "perplexity")]
report = evaluate(lm, Patch.load("runs/kinder.safetensors"), measures)
for line in report.lines:
    print(f"{line.about:45} {line.score.before:.3f} -> {line.score.after:.3f}")
