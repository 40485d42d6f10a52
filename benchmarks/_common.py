"""What the benchmarks share: progress lines and the table-then-JSON ending."""

import json
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()


def note(text: str) -> None:
    """Say on standard error how far the benchmark is."""
    sys.stderr.write(f"[{time.monotonic() - BEGAN:6.0f} s] {text}\n")


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    print(f"\n{title}")
    for row in [columns, *rows]:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def memory(key: str) -> int:
    """Return bytes of this process: "VmRSS:" now, "VmHWM:" at most since `forget_peak`."""
    with open("/proc/self/status") as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith(key))


def forget_peak() -> None:
    """Count the most memory from here on."""
    with open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")


def entries(journal: Path) -> list[dict]:
    """Return the entries of a journal. A last line that a kill has cut is taken out of the file, and said."""
    text = journal.read_text(encoding="utf-8") if journal.exists() else ""
    whole, newline, cut = text.rpartition("\n")
    if cut:
        print(f"{journal}: its last line was cut and is taken out; what it was of runs again", flush=True)
        journal.write_text(whole + newline, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def finish(result: dict) -> None:
    print(json.dumps(result, sort_keys=True))
