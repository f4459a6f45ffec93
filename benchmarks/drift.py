"""Our drift correction beside Picasso's, on simulated molecules whose drift is known.

    python benchmarks/drift.py --picasso PICASSO_ENVIRONMENT/bin/python

200 nm over 1,000 frames (a smooth random walk), 300,000 molecules found to 10 to 20 nm, on filaments and on
DNA origami. Picasso's redundant cross-correlation (RCC) and adaptive intersection maximization (AIM) run
in its own environment, each with several lengths of segment.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from support import print_table
from support.drifting import (
    CAMERA_PIXEL_NM,
    FIELD_NM,
    SAMPLES,
    DriftingSample,
    drifting_sample,
    rms_error_nm,
)

from blinkspot.localization.processing.drift import estimate_drift
from blinkspot.progress import finish

PEER = Path(__file__).with_name("support") / "picasso_drift_peer.py"
METHODS = ("rcc", "overlap")
N_FRAMES = 1000


def ours(sample: DriftingSample) -> Iterator[tuple[str, float, float]]:
    """Yield method, error and processor seconds."""
    for method in METHODS:
        started = time.process_time()
        found = finish(estimate_drift(sample.table, method))
        seconds = time.process_time() - started
        yield f"blinkspot {method}", rms_error_nm(found.drift.positions_nm, sample.drift_nm), seconds


def picassos(sample: DriftingSample, interpreter: Path) -> Iterator[tuple[str, float, float]]:
    """Yield method, error and processor seconds."""
    table = sample.table
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "molecules.npz"), Path(folder, "drifts.npz")
        names = ("frame", "x_nm", "y_nm", "uncertainty_nm")
        np.savez(source, **{name: table.column(name) for name in names})
        size_px = round(FIELD_NM / CAMERA_PIXEL_NM)
        command = [interpreter, PEER, source, target, N_FRAMES, size_px, CAMERA_PIXEL_NM]
        subprocess.run([str(word) for word in command], check=True)
        with np.load(target) as results:
            for name in results.files:
                if not name.endswith("seconds"):
                    error_nm = rms_error_nm(results[name], sample.drift_nm)
                    yield f"Picasso {name}", error_nm, float(results[f"{name} seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picasso", type=Path, help="Python of an environment with Picasso")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    # What numba compiles is not counted.
    for method in METHODS:
        finish(estimate_drift(drifting_sample("origami", 0, 20_000, 200).table, method))
    rows = []
    for kind in SAMPLES:
        errors, seconds = defaultdict(list), defaultdict(list)
        for seed in options.seeds:
            sample = drifting_sample(kind, seed, n_frames=N_FRAMES)
            runs = [*ours(sample), *(picassos(sample, options.picasso) if options.picasso else ())]
            for name, error_nm, spent in runs:
                errors[name].append(error_nm)
                seconds[name].append(spent)
            print(f"{kind}, seed {seed}: done", file=sys.stderr)
        rows += [
            (kind, name, *(f"{error_nm:.2f}" for error_nm in errors[name]), f"{np.mean(seconds[name]):.1f}")
            for name in errors
        ]
    print_table(("sample", "method", *(f"nm, seed {seed}" for seed in options.seeds), "CPU s"), rows)


if __name__ == "__main__":
    main()
