"""Small versions of the campaigns in benchmarks/."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_hostile_input_never_crashes_or_slips_through():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "fuzz.py"), "--mutations", "300", "--flips", "60"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["bad"] == 0


def test_a_short_storm_leaves_no_mixture():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "storm.py"), "--rounds", "5", "--mb", "0.2", "--small"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["bad"] == 0
