r"""Everything that the denoiser must reach, in one table, with its peers in the same run.

Parts (all but the last by default):

psnr         on the shared simulated movies low120 and yfp4_bg100, whose frames are independent: blinkspot,
             the same network and time with the comparators' losses, CAREamics' Noise2Void for the same
             processor time, and what the photons allow (photon_limit.py)
gaussian     the losses again, at a background of half an electron
paper        the paper's protocol: what part of the F1 that noise took does denoising give back
blinking     context from neighbouring frames, on molecules that are on for whole frames; and its ghosts
bias         median of fitted over true photons and widths, of the molecules found within 50 nm
networks     the paper's network, small and at full size, trained for the same time
speed        one 512x512 frame, once warm
convergence  a training on 1,000 frames of 256x256: when is it within 0.2 dB of its end (give it 10 minutes)

PSNR is the range of the clean movie over the root mean square error against it. 'photons' is by how much the
sum of the denoised movie differs from that of the noisy one. CPU and wall seconds are those of the training
where a row has one; all threads count as CPU. Peak memory is measured by huge_movie.py.

CAREamics needs an environment of its own, whose interpreter is given with --careamics. CAREamics 0.3.5
asks for an older torchvision than the one that fits torch 2.13, so the environment measured here was made by
parts, in a new virtual environment (the peer script copes with a torchvision whose operators do not load
beside a torch without CUDA):

    pip install "torch==2.13.*" "torchvision==0.28.*" "pydantic>=2.11,<2.14" "numpy<=2.4.6" "zarr>=3,<4" \
        "lightning<=2.6.6" "torchmetrics<1.9" "scikit-image<=0.26" "tifffile<=2026.3.3" "microssim<=0.0.5" \
        "bioimageio-core<=0.11" matplotlib psutil pyyaml
    pip install --no-deps "careamics==0.3.5"
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from support.molecule_parts import bias_rows, blinking_rows, paper_rows
from support.picture_parts import convergence_rows, gaussian_rows, network_rows, psnr_rows
from support.rows import Row, Run
from support.speed_part import speed_rows
from support.trainings import Trainings, use_threads

PARTS: dict[str, Callable[[Run], Iterator[Row]]] = {
    "psnr": psnr_rows,
    "gaussian": gaussian_rows,
    "paper": paper_rows,
    "blinking": blinking_rows,
    "bias": bias_rows,
    "networks": network_rows,
    "speed": speed_rows,
    "convergence": convergence_rows,
}
DEFAULT_PARTS = [name for name in PARTS if name != "convergence"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=DEFAULT_PARTS)
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of each model")
    parser.add_argument("--threads", type=int, default=2, help="threads that compute")
    parser.add_argument("--careamics", type=Path, help="Python interpreter of CAREamics' environment")
    parser.add_argument("--limit", action="store_true", help="sample the photon limit anew (some minutes)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    use_threads(options.threads)
    run = Run(Trainings(options.minutes, options.seed), options.threads, options.careamics, options.limit)
    for part in options.parts:
        run.collect(PARTS[part](run))
    run.print_table()


if __name__ == "__main__":
    main()
