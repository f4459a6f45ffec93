"""The paper, repeated: its Tables 1, 2 and 3 and pictures in the places of its Figures 3, 4 and 5.

Everything is made in FOLDER and kept there: a run that was stopped goes on where it was, if it is given the
same folder and options. The pages are FOLDER/paper_tables.md and FOLDER/paper_ablations.md, with their
pictures beside them.

The whole takes hours on a few cores and minutes on a graphics card; --quick takes less than 10 minutes on two
cores, with short movies, short trainings, three data sets, and without ablations. CAREamics and bm3d need
environments of their own, whose interpreters are given; denoise.py tells how to make CAREamics'. Without one,
that peer is left out. --parts makes a page of some parts alone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from support.paper.data_sets import DATA_SETS, DataSet
from support.paper.lines import Run, ablation_lines, contrast_line, cross_line, paper_line, peer_lines
from support.paper.models import Models, denoised
from support.paper.page import (
    ABLATION_HEADER,
    BLINKING_HEADER,
    FAIR_HEADER,
    PAPER_HEADER,
    PAPER_REAL,
    TABLE_1_HEADER,
    Page,
    ablation_rows,
    blinking_rows,
    fair_rows,
    paper_rows,
    percent,
    steps_made,
    table_1_rows,
    verdict,
)
from support.paper.pictures import frames_figure, reconstructions_figure, spreads_figure
from support.paper.real_movie import STANDING_NM, STANDING_SHARE, real_movie, real_tables, table_1
from support.paper.results import Figures, Results
from support.trainings import use_threads

from blinkspot.denoising.networks import default_channels
from blinkspot.provenance import package_version

BY_PRESET = {data_set.preset: data_set for data_set in DATA_SETS}
PAPERS = [data_set for data_set in DATA_SETS if data_set.table]
QUICK_SETS = [BY_PRESET[name] for name in ("paper-default", "paper-yfp3-bg100", "paper-yfp4-bg100")]
ABLATED = BY_PRESET["paper-yfp3-bg100"]
WIDE_CHANNELS = 32
CROSSED = [BY_PRESET["paper-yfp3-bg100"], BY_PRESET["paper-yfp4-bg100"]]
# Which of the tables of the real movie are drawn.
FIGURE_4 = ("our default, noisy", "our default, found on denoised, fitted on raw")
FIGURE_5 = ("paper's protocol, noisy", "paper's protocol, denoised")
# Trainings that end when they have settled depend on no clock: the same on any machine, but for rounding.
FULL = {"frames": 300, "minutes": None}
QUICK = {"frames": 60, "minutes": 0.8}
ABLATIONS = "ablations"
PARTS = ("simulated", "blinking", "real", ABLATIONS)
QUICK_PARTS = PARTS[:3]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder where all is made and kept")
    parser.add_argument("--quick", action="store_true", help="in less than 10 minutes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--careamics", type=Path, help="Python interpreter of CAREamics' environment")
    parser.add_argument("--bm3d", type=Path, help="Python interpreter of an environment with bm3d")
    parser.add_argument("--threads", type=int, default=2, help="threads that compute")
    parser.add_argument("--device", default="auto", help="where to train: auto, cpu, cuda, mps")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    run = _run(options)
    asked = options.parts or (QUICK_PARTS if options.quick else PARTS)
    tables = [part for part in asked if part != ABLATIONS]
    for name, title, parts in (
        ("paper_tables.md", "The paper, repeated", tables),
        (
            "paper_ablations.md",
            "The paper, repeated: ablations and peers",
            [ABLATIONS] if ABLATIONS in asked else [],
        ),
    ):
        if parts:
            page = _page(title, parts, run, options)
            (options.folder / name).write_text(page.text(), encoding="utf-8")
            print(page.text())


def _page(title: str, parts: Sequence[str], run: Run, options: argparse.Namespace) -> Page:
    started = time.perf_counter()
    page = Page()
    _head(page, title, options)
    makes = {"simulated": _simulated, "blinking": _blinking, "real": _real, ABLATIONS: _ablations}
    for part in parts:
        makes[part](page, run, options)
    page.words(
        f"This page took {(time.perf_counter() - started) / 60:.0f} minutes; what was found in the folder "
        "was not done again."
    )
    return page


def _run(options: argparse.Namespace) -> Run:
    size = QUICK if options.quick else FULL
    for part in ("results", "models"):
        (options.folder / part).mkdir(parents=True, exist_ok=True)
    asked = {**size, "seed": options.seed, "version": package_version()}
    kept = options.folder / "run.json"
    if kept.exists() and json.loads(kept.read_text()) != asked:
        sys.exit(f"{options.folder} holds a run with other options: choose another folder.")
    kept.write_text(json.dumps(asked))
    return Run(
        results=Results(options.folder / "results"),
        models=Models(options.folder / "models", size["minutes"], options.seed, options.device),
        frames=int(size["frames"]),
        seed=options.seed,
        threads=options.threads,
        careamics=options.careamics,
        bm3d=options.bm3d,
    )


def _head(page: Page, title: str, options: argparse.Namespace) -> None:
    size = QUICK if options.quick else FULL
    gpu = torch.cuda.get_device_name() if options.device != "cpu" and torch.cuda.is_available() else "no GPU"
    command = ["python", "benchmarks/paper_tables.py", "FOLDER"]
    command += ["--quick"] if options.quick else []
    command += ["--parts", *options.parts] if options.parts else []
    command += [f"--{name} PYTHON" for name in ("careamics", "bm3d") if getattr(options, name) is not None]
    minutes = size["minutes"]
    length = "until settled" if minutes is None else f"of at most {minutes:g} minutes"
    page.heading(title, 1)
    page.words(
        "The paper denoises single-molecule movies by a blind-spot network (Laine et al. 2019) with a "
        "Poisson likelihood under a Gamma prior, and localizes with ThunderSTORM. Its figures stand beside "
        "ours."
    )
    page.words(
        "Nothing on this page was written by hand: "
        f"`{' '.join(command)} --threads {options.threads}`, {datetime.date.today().isoformat()}, "
        f"napari-blinkspot {package_version()}, {platform.machine()} with {os.cpu_count()} cores, {gpu}; "
        f"movies of {size['frames']} frames of 256 × 256 pixels, trainings {length}, seed {options.seed}."
    )


def _simulated(page: Page, run: Run, options: argparse.Namespace) -> None:
    """Tables 2 and 3 by the paper's protocol and by a fair one, cross-training, and Figure 3."""
    page.heading("Tables 2 and 3: simulated movies")
    page.words(
        "The paper's protocol: one model per movie, no context frames (the frames are independent); "
        "ThunderSTORM's weighted least squares fit at its default threshold, on the noisy and on the "
        "denoised movie; matched within 50 nm. *Returned* is the part of what noise took from F1 that "
        "denoising gives back: (denoised − noisy) / (noise-free − noisy). Asked: 60 % or more, the "
        "paper's own gain wherever the noise-free movie allows it, and fewer false positives. The "
        "simulations were set so that their *noisy* row is the paper's; nothing else was fitted to "
        "it. *Told what is there*: all that is found without noise is found, and nothing else, but "
        "each molecule is where a maximum likelihood fit of the noisy frame puts it. What that loses "
        "lies in the frame's photons: no denoiser of single frames can return much of it."
    )
    data_sets = QUICK_SETS if options.quick else DATA_SETS
    lines = [(data_set, paper_line(run, data_set)) for data_set in data_sets]
    page.table(PAPER_HEADER, paper_rows(lines))
    page.words(_reasons(lines))
    page.heading("Cross-training (Table 2)", 3)
    page.words(
        "The model of another movie applied to the default one, by the same protocol. A model knows only "
        "movies like its own: train one for each."
    )
    default = BY_PRESET["paper-default"]
    crossed = {"default": paper_line(run, default)}
    crossed |= {other.name: cross_line(run, other, default) for other in CROSSED}
    page.table(
        ("trained on", "F1", "returned", "false positives"),
        [
            [
                name,
                f"{line['denoised_f1']:.3f}",
                percent(line["returned"]),
                f"{line['noisy_false']:,} → {line['denoised_false']:,}",
            ]
            for name, line in crossed.items()
        ],
    )
    page.heading("The same movies, compared fairly", 3)
    page.words(
        "Our own localizer (maximum likelihood), each movie at its own best threshold, printed as it is. The "
        "interval comes from drawing blocks of frames again and again. 'Thresholds from the other half' are "
        "chosen on frames other than those that are scored."
    )
    page.table(FAIR_HEADER, fair_rows([(data_set.name, line) for data_set, line in lines]))
    page.heading("Signal over background", 3)
    page.words(
        "By iterative threshold selection, as the paper reports it; a poor judge: it says nothing of whether "
        "what is bright is where a molecule is."
    )
    page.table(
        ("data set", "noisy", "denoised", "noise-free"),
        [
            [data_set.name, *(f"{value:.2f}" for value in contrast_line(run, data_set).values())]
            for data_set in (default, *CROSSED)
        ],
    )
    rows = []
    for data_set in (default, *CROSSED):
        movie = run.movie(data_set)
        model = run.models.trained(movie.name, movie.stack, movie.camera, context_frames=0).model
        rows.append((data_set.name, movie, denoised(movie.stack, model)))
    frames_figure(rows, options.folder / "images" / "frames.png")
    page.heading("In the place of Figure 3: frames", 3)
    page.picture("images/frames.png", "One frame of three data sets: noisy, denoised, noise-free")


def _reasons(lines: list[tuple[DataSet, Figures]]) -> str:
    """Say what is left where not all that is asked is there."""
    short = [line for data_set, line in lines if verdict(data_set, line) != "all"]
    if not short:
        return "All that is asked is there."
    false = sum(line["denoised_false"] for line in short)
    misplaced = sum(line["denoised_misplaced"] for line in short)
    return (
        f"Something is missing in {len(short)} of {len(lines)}. Of the {false:,} false positives that their "
        f"denoised movies leave, {percent(misplaced / max(false, 1))} are molecules in the wrong place: a "
        "molecule that was missed lies between 50 and 200 nm away. Such a one counts twice, as false and as "
        "missed."
    )


def _blinking(page: Page, run: Run, options: argparse.Namespace) -> None:
    """Do the same where molecules shine for several frames, with context frames."""
    page.heading("Blinking versions, with context frames")
    page.words(
        "The same fields, where molecules shine for 4 frames on average, begin and end within frames; as "
        "many context frames as the held-out likelihood chose. The paper's protocol. Asked: 80 % returned. "
        "*Told what is there*: placed by a fit in the sum of those frames, of its own and the context, in "
        "which the molecule is told to shine: about what those frames' photons allow, though no strict "
        "limit, for a network also learns how wide and how bright the molecules are."
    )
    data_sets = [BY_PRESET["paper-yfp3-bg100"]] if options.quick else PAPERS
    _blinking_lines(page, [(each, paper_line(run, each, blinking=True)) for each in data_sets])
    if options.quick:
        return
    page.heading(f"With {WIDE_CHANNELS} channels in place of {default_channels('dilated')}", 3)
    page.words(
        "With neighbouring frames there is more to learn. The same movies with a network of twice as many "
        "features (`train --channels`), which takes longer to train and twice as long to denoise."
    )
    wide = [(each, paper_line(run, each, blinking=True, channels=WIDE_CHANNELS)) for each in PAPERS]
    _blinking_lines(page, wide)


def _blinking_lines(page: Page, lines: Sequence[tuple[DataSet, Figures]]) -> None:
    page.table(
        (*BLINKING_HEADER, "context frames", "steps"),
        [
            [*row, str(line["context_frames"]), steps_made(line)]
            for row, (_, line) in zip(blinking_rows(lines), lines, strict=True)
        ],
    )
    page.words("Compared fairly:")
    page.table(FAIR_HEADER, fair_rows([(data_set.name, line) for data_set, line in lines]))


def _real(page: Page, run: Run, options: argparse.Namespace) -> None:
    """Table 1 and Figures 4 and 5, on the real movie."""
    page.heading("Table 1: a real movie")
    page.words(
        f"300 frames of Eos-actin in a neuron (PALM). The paper reports {PAPER_REAL}, which nobody but its "
        "authors has; here is what denoising does to another real movie. Its camera was estimated from its "
        "noise, its pixels are taken for 100 nm. Without truth nobody can say how many of the molecules "
        "located are true: more is not yet better. The uncertainty of a fit on a denoised picture is not "
        "true unless it is calibrated. *Standing*: where there is a localization within "
        f"{STANDING_NM:g} nm in more than {100 * STANDING_SHARE:g} % of the frames. The neuron shines by "
        "itself, and this light, wider than a molecule, is located again and again: no sigma or number here "
        "is one of molecules alone."
    )
    page.table(TABLE_1_HEADER, table_1_rows(table_1(run)))
    movie = real_movie(run)
    tables = real_tables(movie)
    images = options.folder / "images"
    reconstructions_figure(movie, {name: tables[name] for name in FIGURE_4}, images / "reconstructions.png")
    spreads_figure({name: tables[name] for name in FIGURE_5}, images / "spreads.png")
    page.heading("In the place of Figure 4: super-resolved pictures", 3)
    page.picture(
        "images/reconstructions.png", "Super-resolved pictures of the real movie, noisy and denoised"
    )
    page.heading("In the place of Figure 5: sigma and uncertainty", 3)
    page.picture(
        "images/spreads.png", "Distributions of sigma and of reported uncertainty, noisy and denoised"
    )


def _ablations(page: Page, run: Run, options: argparse.Namespace) -> None:
    """Exchange or leave out what the paper names, one at a time; and the peers."""
    line = paper_line(run, ABLATED)
    page.heading(f"Ablations and peers: {ABLATED.name}")
    page.words(
        f"By the paper's protocol: noisy F1 {line['noisy_f1']:.3f} with {line['noisy_false']:,} false "
        f"positives, noise-free {line['clean_f1']:.3f} with {line['clean_false']:,}; PSNR of the noisy movie "
        f"{line['noisy_psnr_db']:.2f} dB."
    )
    page.table(ABLATION_HEADER, ablation_rows(ablation_lines(run, ABLATED)))
    page.heading("Peers", 3)
    others = peer_lines(run, ABLATED, line["cpu_s"])
    page.table(ABLATION_HEADER, ablation_rows({"blinkspot": line, **others}))
    page.words("The same, compared fairly:")
    page.table(FAIR_HEADER, fair_rows(list({"blinkspot": line, **others}.items())))


if __name__ == "__main__":
    main()
