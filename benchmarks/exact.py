"""The promises of exactness over many generated cases: make exact, or python benchmarks/exact.py --cases 1000.

Runs the property tests of test_verbs.py and test_quick.py in tests/checkpoint with so many examples each, and prints how many
cases held.
"""

import argparse
import os
import sys
from pathlib import Path

from _common import finish, table

TESTS = Path(__file__).parents[1] / "tests"
NAMES = "taking_all_patches_off or order_shards_and_threads or any_of_five or on_and_off_quickly"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="of each property")
    given = parser.parse_args()
    os.environ["SUTURE_CASES"] = str(given.cases)
    sys.path.insert(0, str(TESTS))
    import pytest

    from checkpoint_parts import SEEN

    files = [str(TESTS / "checkpoint" / name) for name in ("test_verbs.py", "test_quick.py")]
    failed = pytest.main(["-q", "-k", NAMES, *files])
    table("Cases that held", ["promise", "cases"], [[promise, str(count)] for promise, count in sorted(SEEN.items())])
    finish({"bad": int(failed), "cases": dict(SEEN)})
    sys.exit(4 if failed else 0)


if __name__ == "__main__":
    main()
