"""Fuzz the readers: damaged and hostile files, each read in a child with little memory and little time.

    python benchmarks/faults/fuzz.py READER... --minutes 10 [--seed N] [--keep FOLDER]

Small valid files are made, then damaged: as bytes, as text, and by what their format is made of. Each input
may take 5 s of processor time and 1 GB of memory beyond what the program has anyway. It is either read or
refused in one sentence; whatever else happens is a fault, and the input is kept. `all`: every reader.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import print_table  # noqa: E402
from support.fuzzing import models, tables, texts, tiffs, zarrs  # noqa: E402
from support.fuzzing.children import KINDS, Children, Outcome  # noqa: E402
from support.fuzzing.target import Target  # noqa: E402

READERS: dict[str, Target] = {
    "tiff": tiffs.TIFF,
    "zarr": zarrs.ZARR,
    "csv": tables.CSV,
    "hdf5": tables.HDF5,
    "model": models.MODEL,
    "checkpoint": models.CHECKPOINT,
    "camera": texts.CAMERA,
    "pictures": tiffs.PICTURES,
    "calibration": texts.CALIBRATION,
    "drift": tables.DRIFT,
    "session": texts.SESSION,
    "record": texts.RECORD,
    "expression": texts.EXPRESSION,
}
_KEPT_OF_A_KIND = 2


@dataclass
class Tally:
    """What became of the inputs of a reader."""

    counts: Counter[str] = field(default_factory=Counter)
    places: Counter[tuple[str, str]] = field(default_factory=Counter)
    wall_s: float = 0.0

    def note(self, outcome: Outcome) -> int:
        """Count an outcome; return how often its place has failed by now."""
        self.counts[outcome.kind] += 1
        if outcome.kind not in ("accepted", "refused"):
            self.places[outcome.kind, outcome.place] += 1
        return self.places[outcome.kind, outcome.place]


def valid_inputs(target: Target, folder: Path) -> list[Path]:
    """Have a child write the valid inputs, so that no thread of it is here when others are made."""
    folder.mkdir()
    child = multiprocessing.get_context("fork").Process(target=target.make, args=(folder,))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit("The valid inputs could not be made; the reason stands above.")
    return sorted(folder.iterdir())


def fuzz(name: str, seconds: float, seed: int, kept: Path) -> Tally:
    """Fuzz a reader for some time."""
    target, tally = READERS[name], Tally()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        valid = valid_inputs(target, Path(temporary) / "valid")
        children = Children(target.read, valid)
        began = time.monotonic()
        try:
            for number in itertools.count():
                tally.wall_s = time.monotonic() - began
                if tally.wall_s > seconds:
                    break
                rng = random.Random(f"{name} {seed} {number}")
                chosen = rng.choice(valid)
                folder = Path(temporary) / "input" / chosen.name
                shutil.copytree(chosen, folder)
                target.damage(folder, rng)
                outcome = children.outcome(folder)
                is_new = tally.note(outcome) <= _KEPT_OF_A_KIND
                if outcome.kind not in ("accepted", "refused") and is_new:
                    keep(folder, outcome, kept / name)
                shutil.rmtree(folder)
        finally:
            children.close()
    return tally


def keep(folder: Path, outcome: Outcome, into: Path) -> None:
    """Copy an input that failed, and write down why."""
    name = f"{outcome.kind} {outcome.place}".replace("/", "_").replace(" ", "-")
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    target = into / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}"
    shutil.copytree(folder, target / folder.name, dirs_exist_ok=True)
    (target / "why.txt").write_text(outcome.words, encoding="utf-8", errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "readers", nargs="+", choices=["all", *READERS], metavar="READER", help=", ".join(READERS)
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-failures"), help="folder for inputs that failed"
    )
    options = parser.parse_args()
    readers = list(READERS) if "all" in options.readers else options.readers
    rows, faults = [], 0
    for name in readers:
        tally = fuzz(name, 60.0 * options.minutes, options.seed, options.keep)
        total = tally.counts.total()
        rows.append((name, f"{tally.wall_s / 60:.1f}", total, *(tally.counts[kind] for kind in KINDS)))
        print(f"{name}: {total} inputs", flush=True)
        for (kind, place), times in tally.places.most_common():
            print(f"  {kind}: {place} ({times} times)", flush=True)
            faults += times
    print()
    print_table(("reader", "minutes", "inputs", *KINDS), rows)
    if faults:
        sys.exit(f"{faults} inputs failed; some of each kind are in {options.keep}.")


if __name__ == "__main__":
    main()
