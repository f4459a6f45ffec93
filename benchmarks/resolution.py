"""Our ring correlation and NeNA beside Picasso's, on the same tables.

    python benchmarks/resolution.py --picasso PICASSO_ENVIRONMENT/bin/python

Blinking molecules on filaments, DNA origami and rings, found with errors of a known width, and the tables of
the shared blinking movie and of the real Eos-actin movie. Picasso splits localizations one by one, and
has the pixel chosen by its NeNA: so do we here, and beside it by blocks of frames, which is our default.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from support import print_table
from support.resolution_tables import Sample, blinking_sample, shared_samples

from blinkspot.evaluation.resolution import ResolutionSettings, measure_resolution
from blinkspot.progress import finish

PEER = Path(__file__).with_name("support") / "picasso_resolution_peer.py"
SPLITS = 3


def picassos(samples: list[Sample], interpreter: Path) -> list[dict[str, Any]]:
    """Return what Picasso says of each."""
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for number, sample in enumerate(samples):
            source = Path(folder, f"{number}.npz")
            names = ("frame", "x_nm", "y_nm", "uncertainty_nm")
            columns = {name: sample.table.column(name) for name in names}
            pixel_size_nm = sample.table.provenance["camera"]["pixel_size_nm"]
            about = {"extent_nm": sample.extent_nm, "pixel_size_nm": pixel_size_nm}
            np.savez(source, **columns, **about, seeds=np.arange(SPLITS))
            sources.append(source)
        done = subprocess.run([interpreter, PEER, *sources], check=True, capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours(sample: Sample, split: str) -> tuple[float | None, float | None, float]:
    """Return resolution, precision and processor seconds."""
    started = time.process_time()
    found = finish(measure_resolution(sample.table, ResolutionSettings(split=split, splits=SPLITS)))
    seconds = time.process_time() - started
    return found.ring_correlation.resolution_nm, found.nena.precision_nm, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picasso", type=Path, help="Python of an environment with Picasso")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    samples = [
        blinking_sample(structure, precision_nm, options.seed)
        for structure, precision_nm in (
            ("filaments", 10.0),
            ("origami", 8.0),
            ("rings", 15.0),
            ("filaments", 25.0),
        )
    ]
    samples += shared_samples()
    ours(blinking_sample("rings", 10.0, 0, 2000, 200), "blocks")  # what numba compiles is not counted
    peers = picassos(samples, options.picasso) if options.picasso else [None] * len(samples)
    precisions, resolutions = [], []
    for sample, peer in zip(samples, peers, strict=True):
        by_one, precision_nm, seconds = ours(sample, "localizations")
        by_blocks, _, _ = ours(sample, "blocks")
        true_nm = "" if sample.true_precision_nm is None else f"{sample.true_precision_nm:.2f}"
        name, n = sample.name, len(sample.table)
        if peer is None:
            precisions.append((name, n, true_nm, _nm(precision_nm), "", ""))
            resolutions.append((name, _nm(by_one), "", "", _nm(by_blocks), f"{seconds:.1f}", ""))
            continue
        known = [value for value in peer["resolutions_nm"] if value is not None]
        theirs = float(np.mean(known)) if known else None
        difference = _percent(precision_nm, peer["precision_nm"])
        precisions.append((name, n, true_nm, _nm(precision_nm), _nm(peer["precision_nm"]), difference))
        theirs_s = peer["frc_s"] + peer["nena_s"]
        resolutions.append(
            (
                name,
                _nm(by_one),
                _nm(theirs),
                _percent(by_one, theirs),
                _nm(by_blocks),
                f"{seconds:.1f}",
                f"{theirs_s:.1f}",
            )
        )
    print_table(("NeNA, nm", "localizations", "true", "blinkspot", "Picasso", "difference"), precisions)
    print()
    header = ("FRC 1/7, nm", "blinkspot", "Picasso", "difference", "by blocks", "our CPU s", "Picasso CPU s")
    print_table(header, resolutions)


def _nm(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _percent(value: float | None, reference: float | None) -> str:
    if value is None or reference is None:
        return ""
    return f"{100.0 * (value / reference - 1.0):+.1f} %"


if __name__ == "__main__":
    main()
