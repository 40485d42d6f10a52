"""What a patch on disk costs, on synthetic bf16 checkpoints with the shapes of Llama 3 8B and (sparse files) 70B.

    python benchmarks/apply.py --gb 8

  copy_ratio            seconds of `suture apply -o OUT` / seconds of `cp` and fsync of the same files, taken in turn; medians
  revert_copy_ratio     seconds of `suture revert -o OUT` / those of `cp` and fsync of the patched files, taken in turn; medians
  in_place_bytes_ratio  bytes written in place (rows, undo data, journal, ledger) / bytes of the touched rows
  in_place_time_share   seconds of `suture apply --in-place` / seconds of that `cp`; revert_time_share likewise
  quick_time_share      the same with --quick, where only touched rows are read; quick_revert_time_share likewise
  quick_floor_s         what the disk alone takes for that, in turn with it: the touched rows read, their bytes written to one
                        file, the rows written back, each file flushed, by os.preadv and os.pwrite alone; floor_share: of cp
  quick_floor_ratio     seconds of --quick / that; of the revert, for which rows and kept bits are read and nothing is kept
  start_s               what Python takes to start and import torch, which is in none of the others
  *_survey_s, *_fsync_s what it was spent on: reading and hashing before the first write, waiting for the disk (*_fsyncs times)
  peak_rss_mb(_double)  largest memory of the process, for half of --gb and for --gb; slice_mb: the largest touched tensor
  sparse_*              the same for 70B shapes in files with holes: nothing that large is read or written

4.65 % of the rows of every gate are touched by one direction, as Model Surgery does. All files are deleted at the end.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from _checkpoints import LLAMA_8B, LLAMA_70B, make, patch_for, shapes
from _common import finish, note, table

from suture.checkpoint.format.folder import Checkpoint
from suture.patch.patch import Patch

ROUNDS = 5  # of cp and apply in turn, and of cp and revert
QUICK_ROUNDS = 5  # of what takes less than a second
CHILD = """
import json, os, sys, time
from pathlib import Path
import torch
from suture.checkpoint.disk import Disk, File
from suture.checkpoint.verbs import apply, revert
torch.set_num_threads(1)
seen = {"written": 0, "fsyncs": 0, "fsync_s": 0.0, "first": None}
class Counting(Disk):
    def step(self, what, path):
        seen["first"] = seen["first"] or time.monotonic()
    def sync(self, handle):
        began = time.monotonic()
        super().sync(handle)
        seen["fsyncs"] += 1
        seen["fsync_s"] += time.monotonic() - began
write = File.write
def counted(self, data, offset):
    seen["written"] += len(data)
    write(self, data, offset)
File.write = counted
def peak_mb():  # not ru_maxrss: that of a child begins with what its parent had
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000
started = peak_mb()
verb, path, patch, out = sys.argv[1:]
quick = out == "quick"
began, cpu = time.monotonic(), os.times()
where = {"in_place": True, "quick": quick} if out == "-" or quick else {"out": Path(out)}
where["disk"] = Counting()
outcome = (apply(Path(path), [Path(patch)], **where) if verb == "apply" else revert(Path(path), **where))
seconds = time.monotonic() - began
seen["written"] += Path(patch).stat().st_size if verb == "apply" else 0
seen["survey_s"] = seen.pop("first") - began
seen["cpu"] = [now - then for now, then in zip(os.times()[:2], cpu)]
more = {"peak": peak_mb(), "started": started, "touched": outcome.bytes}
print(json.dumps({**seen, "seconds": seconds, **more}))
"""


def measured(verb: str, folder: Path, patch: Path, out: Path | str) -> dict:
    os.sync()  # what was written before is not this run's
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, verb, str(folder), str(patch), str(out)], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    result["start"] = time.monotonic() - began - result["seconds"]
    note(f"{verb} {folder.name} -> {out}: {result}")
    return result


def copied(folder: Path, out: Path) -> float:
    """Seconds of a plain copy that has reached the disk."""
    os.sync()
    began = time.monotonic()
    subprocess.run(["cp", "-r", "--reflink=never", str(folder), str(out)], check=True)
    for file in filter(Path.is_file, out.rglob("*")):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    seconds = time.monotonic() - began
    note(f"cp took {seconds:.1f} s")
    shutil.rmtree(out)
    return seconds


def forget(folder: Path) -> None:
    """Drop the files of a folder from the page cache."""
    os.sync()
    for file in filter(Path.is_file, folder.rglob("*")):
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def floor(folder: Path, patch: Path, spare: Path) -> dict[str, float]:
    """Seconds of the bare reading, keeping and writing of the rows that a patch touches."""
    checkpoint, places = Checkpoint.open(folder), {}
    for name, (term,) in Patch.load(patch).terms.items():
        slot = checkpoint.slots[name]
        width = slot.size // slot.shape[0]  # of every row: the gates have one shape
        places.setdefault(slot.file, []).extend(slot.begin + row * width for row in term.rows.tolist())
    os.sync()
    clock, rows = [time.monotonic()], {}
    for file, begins in places.items():
        kept = memoryview(bytearray(width * len(begins)))
        rows[file] = [kept[at : at + width] for at in range(0, len(kept), width)], kept
        with file.open("rb", buffering=0) as stream:
            for begin, row in zip(begins, rows[file][0], strict=True):
                os.preadv(stream.fileno(), [row], begin)
    clock.append(time.monotonic())
    with spare.open("wb", buffering=0) as stream:
        for _, kept in rows.values():
            stream.write(kept)
        os.fsync(stream.fileno())
    clock.append(time.monotonic())
    for file, begins in places.items():
        with file.open("r+b", buffering=0) as stream:
            for begin, row in zip(begins, rows[file][0], strict=True):
                os.pwrite(stream.fileno(), row, begin)
            os.fsync(stream.fileno())
    clock.append(time.monotonic())
    spare.unlink()
    read, keep, write = (end - begin for begin, end in itertools.pairwise(clock))
    note(f"bare: rows read in {read:.3f} s, kept in {keep:.3f} s, written in {write:.3f} s")
    return {"quick": read + keep + write, "quick_revert": 2 * read + write}


def dense(work: Path, gb: float) -> dict:
    per_layer = 2 * sum(torch.Size(s).numel() for s in shapes(LLAMA_8B, 1, False).values())
    peaks = []
    for share in (0.5, 1.0):
        vocab = share * gb > 6
        layers = max(1, min(LLAMA_8B["layers"], int((share * gb * 1e9 - vocab * 2.1e9) / per_layer)))
        folder = make(work / f"made{share}", shapes(LLAMA_8B, layers, vocab), sparse=False)
        note(f"made {layers} blocks, {sum(f.stat().st_size for f in folder.iterdir()) / 1e9:.2f} GB")
        patch = patch_for(folder, work / f"patch{share}", range(layers))
        copies, news = [], []
        for _ in range(1 if share == 0.5 else ROUNDS):
            if news:
                shutil.rmtree(work / "out")
            if share == 1.0:
                copies.append(copied(folder, work / "plain"))
            news.append(measured("apply", folder, patch, work / "out"))
        peaks.append(max(new["peak"] for new in news))
        if share == 0.5:
            shutil.rmtree(folder)
            shutil.rmtree(work / "out")
    takes, offs = [], []
    forget(folder)  # nobody reads the base here, and three checkpoints may not fit in memory
    for _ in range(ROUNDS):
        takes.append(copied(work / "out", work / "plain"))
        offs.append(measured("revert", work / "out", patch, work / "off"))
        shutil.rmtree(work / "off")
    shutil.rmtree(work / "out")
    copies.append(copied(folder, work / "plain"))
    place = measured("apply", folder, patch, "-")
    back = measured("revert", folder, patch, "-")
    quick = quickly(folder, patch, statistics.median(copies), work / "spare")
    size = sum(f.stat().st_size for f in folder.iterdir())
    shutil.rmtree(folder)
    plain, new = statistics.median(copies), statistics.median(each["seconds"] for each in news)
    taken_off = statistics.median(each["seconds"] for each in offs)
    return {
        "gigabytes": round(size / 1e9, 2),
        "copy_s": [round(seconds, 2) for seconds in copies],
        "apply_s": [round(each["seconds"], 2) for each in news],
        "revert_s": [round(each["seconds"], 2) for each in offs],
        "revert_copy_s": [round(seconds, 2) for seconds in takes],
        "in_place_s": round(place["seconds"], 2),
        "in_place_survey_s": round(place["survey_s"], 2),
        "in_place_fsync_s": round(place["fsync_s"], 2),
        "in_place_fsyncs": place["fsyncs"],
        "revert_in_place_s": round(back["seconds"], 2),
        "copy_ratio": round(new / plain, 3),
        "revert_copy_ratio": round(taken_off / statistics.median(takes), 3),
        "in_place_bytes_ratio": round(place["written"] / place["touched"], 3),
        "in_place_bytes_share": round(place["written"] / size, 6),
        "in_place_time_share": round(place["seconds"] / plain, 3),
        "revert_time_share": round(back["seconds"] / plain, 3),
        **quick,
        "peak_rss_mb": round(peaks[0], 1),
        "peak_rss_mb_double": round(peaks[1], 1),
        "started_rss_mb": round(news[0]["started"], 1),
        "slice_mb": round(2 * LLAMA_8B["inner"] * LLAMA_8B["hidden"] / 1e6, 1),
    }


def quickly(folder: Path, patch: Path, plain: float, spare: Path) -> dict:
    """What --quick costs, on and off and the bare disk in turn; the runs whose time is the median."""
    runs, floors = [], []
    for _ in range(QUICK_ROUNDS):
        runs.append((measured("apply", folder, patch, "quick"), measured("revert", folder, patch, "quick")))
        floors.append(floor(folder, patch, spare))
    found = {
        "quick_peak_rss_mb": round(max(each["peak"] for pair in runs for each in pair), 1),
        "start_s": round(statistics.median(each["start"] for pair in runs for each in pair), 2),
    }
    for name, way in zip(("quick", "quick_revert"), zip(*runs, strict=True), strict=True):
        middle = sorted(way, key=lambda each: each["seconds"])[QUICK_ROUNDS // 2]
        bare = statistics.median(each[name] for each in floors)
        found[f"{name}_s"] = [round(each["seconds"], 2) for each in way]
        found |= {f"{name}_{part}": round(middle[part], 2) for part in ("survey_s", "fsync_s", "fsyncs")}
        found[f"{name}_cpu_s"] = round(sum(middle["cpu"]), 2)
        found[f"{name}_bytes_ratio"] = round(middle["written"] / middle["touched"], 3)
        found[f"{name}_time_share"] = round(middle["seconds"] / plain, 3)
        found[f"{name}_floor_s"] = [round(each[name], 2) for each in floors]
        found[f"{name}_floor_share"] = round(bare / plain, 3)
        found[f"{name}_floor_ratio"] = round(middle["seconds"] / bare, 2)
    return found


def sparse(work: Path) -> dict:
    folder = make(work / "70B", shapes(LLAMA_70B, LLAMA_70B["layers"], True), sparse=True)
    size = sum(f.stat().st_size for f in folder.iterdir())
    patch = patch_for(folder, work / "patch70", range(0, 80, 20))
    new = measured("apply", folder, patch, work / "out70")
    taken = sum(f.stat().st_blocks * 512 for f in (work / "out70").rglob("*") if f.is_file())
    shutil.rmtree(work / "out70")
    place = measured("apply", folder, patch, "-")
    shutil.rmtree(folder)
    return {
        "sparse_gigabytes": round(size / 1e9, 1),
        "sparse_apply_s": round(new["seconds"], 2),
        "sparse_in_place_s": round(place["seconds"], 2),
        "sparse_disk_mb": round(taken / 1e6, 1),
        "sparse_peak_rss_mb": round(max(new["peak"], place["peak"]), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gb", type=float, default=8, help="size of the checkpoint; about 2.5 times that is used at once"
    )
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--no-sparse", action="store_true", help="leave the 70B shapes out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        free = shutil.disk_usage(work).free / 1e9
        if free < 2.5 * given.gb:
            sys.exit(f"{2.5 * given.gb:.0f} GB of free disk are needed, {free:.0f} GB are there; give a smaller --gb")
        result = dense(Path(work), given.gb) | ({} if given.no_sparse else sparse(Path(work)))
    table("Patches on disk", ["what", "measured"], [[key, str(value)] for key, value in result.items()])
    finish(result)


if __name__ == "__main__":
    main()
