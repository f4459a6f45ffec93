"""The page: the paper's figures beside ours, in words and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .data_sets import DataSet
from .protocols import returned
from .results import Figures

PAPER_REAL = "2.4 and 6.4 times the molecules on its two real YFP movies"
ASKED_RETURNED = 0.60
ASKED_BLINKING = 0.80


@dataclass
class Page:
    """Markdown, part by part."""

    parts: list[str] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section."""
        self.parts.append(f"{'#' * level} {text}")

    def words(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table, its first column to the left."""
        lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.parts.append("\n".join(lines))

    def picture(self, file: str, words: str) -> None:
        """Add a picture."""
        self.parts.append(f"![{words}]({file})")

    def text(self) -> str:
        """Return the whole page."""
        return "\n\n".join(self.parts) + "\n"


def paper_rows(lines: Sequence[tuple[DataSet, Figures]]) -> list[list[str]]:
    """Return the rows of the paper's protocol: its figures and ours, and whether what is asked is there."""
    rows = []
    for data_set, figures in lines:
        rows.append(
            [
                data_set.name,
                _arrow(data_set.noisy_f1, data_set.denoised_f1),
                _arrow(figures["noisy_f1"], figures["denoised_f1"]),
                f"{figures['clean_f1']:.3f}",
                f"{figures['told_f1']:.3f}",
                percent(figures["returned"]),
                f"{figures['noisy_false']:,} → {figures['denoised_false']:,} ({figures['clean_false']:,})",
                f"{figures['noisy_recall']:.3f} → {figures['denoised_recall']:.3f}",
                f"{figures['noisy_rmse_nm']:.1f} → {figures['denoised_rmse_nm']:.1f}",
                verdict(data_set, figures),
            ]
        )
    return rows


PAPER_HEADER = (
    "data set",
    "paper's F1",
    "our F1",
    "noise-free F1",
    "F1, told what is there",
    "returned",
    "false positives (noise-free)",
    "recall",
    "RMS error, nm",
    "reached",
)


def verdict(data_set: DataSet, figures: Figures) -> str:
    """Say which of the three things asked are there: 60 % returned, the paper's gain, fewer false ones."""
    gain = figures["denoised_f1"] - figures["noisy_f1"]
    missing = []
    if not figures["returned"] >= ASKED_RETURNED:
        missing.append(f"returns less than {100 * ASKED_RETURNED:.0f} %")
    if data_set.noisy_f1 is not None and data_set.denoised_f1 is not None:
        papers = data_set.denoised_f1 - data_set.noisy_f1
        if gain < min(papers, figures["clean_f1"] - figures["noisy_f1"]):
            missing.append(f"gains {gain:+.3f}, the paper {papers:+.3f}".replace("-", "−"))
    if figures["denoised_false"] >= figures["noisy_false"]:
        missing.append("no fewer false positives")
    return "all" if not missing else "; ".join(missing)


BLINKING_HEADER = tuple(name for name in PAPER_HEADER if name != "paper's F1")


def blinking_rows(lines: Sequence[tuple[DataSet, Figures]]) -> list[list[str]]:
    """Return the rows of the blinking movies, of which the paper has no figures."""
    rows = paper_rows([(DataSet(each.name, each.preset, 0), figures) for each, figures in lines])
    for row, (_, figures) in zip(rows, lines, strict=True):
        told = returned(figures["noisy_f1"], figures["told_f1"], figures["clean_f1"])
        reached = figures["returned"] >= ASKED_BLINKING
        row[-1] = "yes" if reached else f"no; told what is there: {percent(told)}"
    return [[cell for number, cell in enumerate(row) if number != 1] for row in rows]


def steps_made(figures: Figures) -> str:
    """Return how many steps a training made, in words."""
    return f"{figures['steps']:,}" + ("" if figures["settled"] else " (not settled)")


FAIR_HEADER = (
    "data set",
    "noisy",
    "denoised, fit on raw",
    "denoised, fit on denoised",
    "gain of the better (95 % interval)",
    "thresholds from the other half",
    "RMS error, nm",
)


def fair_rows(lines: Sequence[tuple[str, Figures]]) -> list[list[str]]:
    """Return the rows of the fair protocol."""
    return [
        [
            name,
            f"{figures['fair_noisy']:.3f}",
            f"{figures['fair_denoised_fit_raw']:.3f}",
            f"{figures['fair_denoised_fit_denoised']:.3f}",
            _gain(figures),
            _arrow(figures["fair_noisy_held_out"], figures["fair_denoised_held_out"]),
            f"{figures['fair_noisy_rmse_nm']:.1f} → {figures['fair_denoised_rmse_nm']:.1f}",
        ]
        for name, figures in lines
    ]


TABLE_1_HEADER = (
    "",
    "located",
    "of them standing",
    "sigma, nm: mean ± std (median)",
    "uncertainty, nm: mean ± std (median)",
)


def table_1_rows(lines: dict[str, Figures]) -> list[list[str]]:
    """Return the rows of Table 1."""
    return [
        [
            name,
            f"{row['located']:,}",
            percent(row["standing"]),
            f"{row['sigma_mean_nm']:.1f} ± {row['sigma_std_nm']:.1f} ({row['sigma_median_nm']:.1f})",
            f"{row['uncertainty_mean_nm']:.1f} ± {row['uncertainty_std_nm']:.1f} "
            f"({row['uncertainty_median_nm']:.1f})"
            + ("" if row["uncertainty_is_true"] else ", not calibrated"),
        ]
        for name, row in lines.items()
    ]


ABLATION_HEADER = ("", "F1", "returned", "false positives", "PSNR, dB", "steps", "CPU s")


def ablation_rows(lines: dict[str, Figures]) -> list[list[str]]:
    """Return the rows of the ablations and of the peers."""
    return [
        [
            name,
            f"{figures['denoised_f1']:.3f}",
            percent(figures["returned"]),
            f"{figures['denoised_false']:,}",
            f"{figures['denoised_psnr_db']:.2f}",
            steps_made(figures) if "steps" in figures else "–",
            f"{figures['cpu_s']:.0f}" if "cpu_s" in figures else "–",
        ]
        for name, figures in lines.items()
    ]


def percent(part: float) -> str:
    """Write a part in per cent; a dash where there is none."""
    return "–" if math.isnan(part) else f"{100.0 * part:.0f} %".replace("-", "−")


def _arrow(before: float | None, after: float | None) -> str:
    return "–" if before is None or after is None else f"{before:.3f} → {after:.3f}"


def _gain(figures: Figures) -> str:
    if math.isnan(figures["fair_low"]):
        return f"{figures['fair_gain']:+.3f} (too short for an interval)".replace("-", "−")
    gain, low, high = (f"{figures[f'fair_{name}']:+.3f}" for name in ("gain", "low", "high"))
    return f"{gain} ({low} to {high})".replace("-", "−")
