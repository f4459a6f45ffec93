"""The documentation tells the truth: its Python runs, its commands exist, its links lead somewhere."""

import contextlib
import dataclasses
import json
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import typer
import zarr

import blinkspot
import run as run_script
from blinkspot import Camera, LocalizationTable, open_stack, read_table
from blinkspot.batch import read_recipe
from blinkspot.batch.recipe import TABLES
from blinkspot.batch.summary import summary_columns
from blinkspot.cli.app import app, main
from blinkspot.cli.step_options import parse_step
from blinkspot.evaluation import PRESETS, ComparisonSettings
from blinkspot.localization.column_names import THUNDERSTORM_COLUMNS
from blinkspot.localization.processing import STEPS
from blinkspot.localization.table import COLUMNS, OPTIONAL_COLUMNS
from blinkspot.localization.table_files import picasso_hdf5, smap_csv

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
COMMAND_LINE = PROJECT / "docs" / "command_line.md"
FILE_FORMATS = PROJECT / "docs" / "file_formats.md"
DOCS = PROJECT / "docs"
IMAGES = DOCS / "images"
SITE_PAGES = sorted(DOCS.rglob("*.md"))
PAGES = [README, PROJECT / "CHANGELOG.md", *SITE_PAGES]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    for name, command in COMMANDS.items()
}
# Options of other programs, and of blinkspot itself: pip's and the benchmarks' among them.
OTHER_OPTIONS = {"--help", "--version", "--index-url", "--parts", "--limit", "--picasso"}
OTHER_OPTIONS |= {"--careamics", "--bm3d", "--threads", "--lifetime", "--nthreads"}

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Of mkdocstrings: what stands for an object's docstring, and a link to one.
DOCUMENTED = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
OBJECT_LINK = re.compile(r"\]\[([\w.]+)\]")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def without_code(text: str) -> str:
    return INLINE.sub("", FENCED.sub("", text))


def inline_code(page: Path) -> list[str]:
    return INLINE.findall(FENCED.sub("", text_of(page)))


def blocks(page: Path, language: str) -> list[str]:
    return [block for name, block in FENCED.findall(text_of(page)) if name == language]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", FENCED.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def commands_in(page: Path) -> Iterator[list[str]]:
    """Yield the command lines of a page, as lists of words after ``blinkspot``."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    for line in [*(line.strip() for line in lines), *inline_code(page)]:
        if line.startswith("blinkspot "):
            yield shlex.split(line)[1:]


def sections(page: Path) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## +(.+)$", text_of(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def json_keys(command: str) -> list[str]:
    """Return the JSON keys that a command's section lists, without the remarks in parentheses."""
    listed = sections(COMMAND_LINE)[command].partition("JSON keys:")[2].split("\n\n")[0]
    return INLINE.findall(re.sub(r"\([^)]*\)", "", listed))


def first_column(text: str) -> list[str]:
    """Return the code in the first cells of a text's tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.lstrip().startswith("|")]
    return [code for cell in cells for code in INLINE.findall(cell)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in a folder with a tiny movie, as the documentation's examples suppose."""
    path = tmp_path_factory.mktemp("examples")
    with contextlib.chdir(path), pytest.raises(SystemExit, match="0"):
        main(["simulate", "movie.tif", "--frames", "30", "--size", "48"])
    return path


# -- commands and options


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_the_docs_exist(page: Path) -> None:
    for words in commands_in(page):
        name, *arguments = words
        if name.startswith("-"):
            assert name in OTHER_OPTIONS, f"blinkspot {name}"
            continue
        assert name in COMMANDS, f"blinkspot {name}"
        # A name alone, or with an option that is discussed, is no example to be typed.
        if not arguments or arguments == ["--help"] or arguments[0].startswith("-"):
            assert {word for word in arguments if word.startswith("-")} <= OPTIONS[name] | OTHER_OPTIONS
            continue
        # Parses every argument, its type and its choices, and runs nothing.
        COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_named_in_the_docs_exist(page: Path) -> None:
    known = set().union(OTHER_OPTIONS, *OPTIONS.values())
    named = {word for code in inline_code(page) for word in code.split() if re.match(r"--?[a-z]", word)}
    assert named <= known


def test_every_command_has_a_section_and_a_row_in_the_readme() -> None:
    documented = [heading for heading in sections(COMMAND_LINE) if heading in COMMANDS]
    assert documented == list(COMMANDS)
    rows = first_column(sections(README)["On the command line"])
    assert rows == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_its_commands_section(name: str) -> None:
    shared = set(first_column(sections(COMMAND_LINE)["What all commands share"]))
    section = sections(COMMAND_LINE)[name]
    listed = {code for code in first_column(section) if code.startswith("-")}
    has_camera_options = "| camera options |" in section
    assert listed | (shared if has_camera_options else set()) == OPTIONS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_in_the_docs_are_those_of_the_options(name: str) -> None:
    defaults = {option: parameter.default for parameter in COMMANDS[name].params for option in parameter.opts}
    rows = re.findall(r"^\| `(--[a-z-]+)` \| `?([\w.-]+)`? \|", sections(COMMAND_LINE)[name], re.MULTILINE)
    for option, default in rows:
        # Where the option itself has none, the preset or the network has: see the next test.
        if defaults[option] is not None:
            expected = defaults[option]
            assert type(expected)(default) == expected, option


def test_presets_in_the_docs_are_those_of_the_simulation() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in sections(COMMAND_LINE)["simulate"].splitlines()
        if line.startswith(tuple(f"| `{name}` |" for name in PRESETS))
    ]
    assert {row[0].strip("`") for row in rows} == set(PRESETS)
    for name, pixel, camera, photons, fwhm, density, background, on_time in rows:
        preset = PRESETS[name.strip("`")]

        def numbers(cell: str) -> list[float]:
            return [float(number) for number in re.findall(r"[\d.]+", cell.replace(",", ""))]

        assert numbers(pixel) == [preset.camera.pixel_size_nm]
        assert (numbers(camera) or [1.0]) == [preset.camera.em_gain]
        assert numbers(photons) == list(preset.photons)
        assert set(numbers(fwhm)) == set(preset.fwhm_nm)
        assert numbers(density) == [preset.density_per_um2]
        assert numbers(background) == [preset.background_photons]
        assert numbers(on_time) == [preset.mean_on_frames]
        assert f"| `--frames` | {preset.frames} |" in text_of(
            COMMAND_LINE
        ) or f"{name} has {preset.frames:,} frames" in text_of(COMMAND_LINE)
        if name.startswith("`paper-"):
            assert f"The `paper-` presets have frames of {preset.size_px} pixels" in text_of(COMMAND_LINE)
        else:
            assert f"| `--size` | {preset.size_px} |" in text_of(COMMAND_LINE)
        assert f"gives {preset.min_truth_photons:g} photons or more" in text_of(COMMAND_LINE)


def test_json_keys_in_the_docs_are_those_that_are_printed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = {
        "simulate": "other.tif --frames 2 --size 16",
        "camera": "movie.tif",
        "train": "movie.tif -o m.blinkspot --epochs 1 --channels 4 --context-frames 1",
        "denoise": "movie.tif -m m.blinkspot -o d.tif",
        "localize": "movie.tif -o found.csv --denoised d.tif --fit-on denoised",
        "drift": "found.csv -o still.csv --load drift.csv",
        "process": "found.csv -o processed.csv --step merge",
        "convert": "found.csv -o found.hdf5",
        "render": "found.csv -o found.png",
        "score": "found.csv movie_truth.csv",
        "picture-score": "d.tif movie.tif",
        "residuals": "movie.tif -m m.blinkspot",
        "compare": "movie.tif d.tif -o compared --truth movie_truth.csv",
        "check": "movie.tif",
        "batch": "recipe.toml movie.tif -o batch",
    }
    monkeypatch.chdir(folder)
    Path("drift.csv").write_text("frame,x [nm],y [nm]\n1,0,0\n30,9,-9\n")
    Path("recipe.toml").write_text("[localize]\n")
    for name, arguments in examples.items():
        with pytest.raises(SystemExit, match="0"):
            main([name, *arguments.split(), "--json"])
        assert list(json.loads(capsys.readouterr().out)) == json_keys(name), name
    _check_comparison_folder(folder / "compared")


def _check_comparison_folder(compared: Path) -> None:
    section = sections(FILE_FORMATS)["The folder of a comparison"]
    names = ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
    listed = {listed.replace("NAME", name) for listed in first_column(section) for name in names}
    assert {path.name for path in compared.iterdir()} == listed - {"counts.png"}
    noisy = json.loads((compared / "scores.json").read_text(encoding="utf-8"))["routes"]["noisy"]
    assert set(noisy) <= set(INLINE.findall(section))


def test_the_recipe_in_the_docs_is_one_and_names_every_key(folder: Path) -> None:
    (text,) = blocks(DOCS / "batch.md", "toml")
    path = folder / "docs_recipe.toml"
    (folder / "camera.toml").write_text("[camera]\n")
    path.write_text(text, encoding="utf-8")
    recipe = read_recipe(path)
    assert recipe.localize is not None
    assert [step.name for step in recipe.process] == ["filter", "drift", "merge"]
    assert None not in (recipe.train, recipe.denoise, recipe.resolution, recipe.compare, recipe.check)
    rows = [line for line in text_of(DOCS / "batch.md").splitlines() if line.startswith("| `[")]
    assert [INLINE.findall(row)[0].strip("[]") for row in rows] == list(TABLES)
    assert first_column(sections(DOCS / "batch.md")["What comes out"]) == summary_columns()


def test_steps_in_the_docs_are_those_there_are() -> None:
    rows = [line.split("|") for line in sections(COMMAND_LINE)["process"].splitlines()]
    listed = {row[1].strip(): row[2] for row in rows if len(row) == 4 and row[1].strip() in STEPS}
    assert list(listed) == list(STEPS)
    for name, settings in listed.items():
        if "=" not in settings:
            continue
        pairs = dict(pair.split("=") for code in INLINE.findall(settings) for pair in code.split())
        assert set(pairs) == {field.name for field in dataclasses.fields(STEPS[name])}
        step = parse_step(" ".join([name, *(f"{key}={value}" for key, value in pairs.items())]))
        for field in dataclasses.fields(step):
            assert getattr(step, field.name) == field.default or "example" in settings
    headings = re.findall(r"^## (.+)$", text_of(PROJECT / "docs" / "after_the_fits.md"), re.MULTILINE)
    assert {name for heading in headings for name in heading.split(", ")} >= set(STEPS)


# -- Python


def test_readme_python_runs_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_files, on_arrays = blocks(README, "python")
    # Not as written: the time for training, and the threshold of a well denoised movie.
    assert on_files.count("minutes=5") == 1
    on_files, on_arrays = (block.replace("threshold=4", "threshold=1") for block in (on_files, on_arrays))
    names: dict[str, Any] = {}
    monkeypatch.chdir(folder)
    exec(on_files.replace("minutes=5", "epochs=1"), names)
    assert open_stack("denoised.tif").shape == (30, 48, 48)
    assert Path("comparison", "index.html").is_file()
    assert Path("molecules.csv").read_text().startswith('"frame","x [nm]"')

    frames = open_stack("movie.tif").frames(0, 30)
    pictures = []
    for array in (frames, dask.array.from_array(frames, chunks=(7, 48, 48)), zarr.array(frames)):
        names["array"] = array
        exec(on_arrays, names)
        pictures.append(names["picture"])
    assert pictures[0].sum() > 0
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_readme_python_has_about_ten_lines() -> None:
    on_files = blocks(README, "python")[0]
    assert len(on_files.split("\n\n")[1].strip().splitlines()) <= 10


def test_example_of_the_python_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks(DOCS / "api" / "index.md", "python")
    for as_written, for_test in (
        ("frames=300, size_px=128", "frames=30, size_px=48"),
        ("minutes=3", "epochs=1"),
        ("threshold=4", "threshold=1"),
    ):
        assert as_written in example
        example = example.replace(as_written, for_test)
    names: dict[str, Any] = {}
    monkeypatch.chdir(folder)
    for left in Path().glob("molecules.*"):  # by another example
        left.unlink()
    exec(example, names)
    assert 0 < len(names["molecules"]) <= len(names["found"])
    assert names["picture"].sum() == pytest.approx(len(names["molecules"]), rel=0.05)
    assert len(read_table("molecules.csv")) == len(names["molecules"])


def test_python_pages_document_all_public_names() -> None:
    documented = [name for page in SITE_PAGES for name in DOCUMENTED.findall(text_of(page))]
    assert len(set(documented)) == len(documented)
    for name in documented:
        assert pkgutil.resolve_name(name) is not None
    assert {f"blinkspot.{name}" for name in blinkspot.__all__} <= set(documented)
    linked = {name for page in SITE_PAGES for name in OBJECT_LINK.findall(text_of(page))}
    assert linked <= set(documented)


def test_names_in_the_docs_exist_in_the_library() -> None:
    for page in PAGES:
        for code in inline_code(page):
            dotted = re.match(r"^(Camera|LocalizationTable)\.(\w+)", code)
            if dotted:
                owner = {"Camera": Camera, "LocalizationTable": LocalizationTable}[dotted[1]]
                assert hasattr(owner, dotted[2]) or dotted[2] in owner.__dataclass_fields__


def test_camera_file_in_the_docs_is_one(tmp_path: Path) -> None:
    (example,) = blocks(FILE_FORMATS, "toml")
    (tmp_path / "camera.toml").write_text(example)
    camera = Camera.load(tmp_path / "camera.toml")
    assert camera.as_dict() == tomllib.loads(example)["camera"]


@pytest.mark.parametrize("uncertainty_is_valid", [True, False])
def test_columns_in_the_docs_are_those_of_the_tables(tmp_path: Path, uncertainty_is_valid: bool) -> None:
    section = sections(FILE_FORMATS)["Table of localizations: CSV"]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {}
    for row in rows:
        documented |= dict(zip(INLINE.findall(row[1]), INLINE.findall(row[3]), strict=True))
    del documented["uncertainty_uncalibrated [nm]" if uncertainty_is_valid else "uncertainty [nm]"]
    table = LocalizationTable.from_columns(
        {name: [1.0] for name in COLUMNS}, uncertainty_is_valid=uncertainty_is_valid
    )
    table.save(tmp_path / "table.csv")
    heading = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()[0]
    assert list(documented) == [title.strip('"') for title in heading.split(",")]
    assert list(documented.values()) == list(COLUMNS)


def test_every_column_is_explained_with_its_names_elsewhere() -> None:
    page = PROJECT / "docs" / "columns.md"
    section = sections(page)["All of them"]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    names = {row[0].strip(" `"): [INLINE.findall(cell) for cell in row[3:]] for row in rows}
    assert list(names) == [*COLUMNS, *OPTIONAL_COLUMNS]
    thunderstorm_names = {column.name: column.heading for column in THUNDERSTORM_COLUMNS}
    for name, (thunderstorm, picasso, smap) in names.items():
        assert thunderstorm in ([], [thunderstorm_names[name]])
        assert thunderstorm or thunderstorm_names[name] == name
        # Where a format has axes only, their mean goes to both.
        for format, listed in ((picasso_hdf5, picasso), (smap_csv, smap)):
            both = [format._FIELDS.get(name.replace("_nm", f"_{axis}_nm")) for axis in "xy"]
            field = format._FIELDS.get(name)
            assert listed == (
                [field] if field else [each for each in both if each] if None not in both else []
            )


def test_figures_of_the_comparison_in_the_docs() -> None:
    settings = ComparisonSettings()
    text = " ".join(text_of(PROJECT / "docs" / "how_it_works.md").split())
    assert f"at a threshold of {settings.search_threshold:g} " in text
    assert f"blocks of {settings.frames_per_block} successive frames" in text
    assert f"within the tolerance ({settings.tolerance_nm:g} nm)" in text


# -- docks

PROSE = {
    "Drag a TIFF stack, or a folder of TIFF files, into the window",
    "When to stop",
    "sCMOS cameras",
}
OF_NAPARI = {
    "File",
    "Filter",
    "IO Utilities",
    "Layers",
    "Open Sample",
    "Plugins",
    "Preferences",
    "Save Selected Layers...",
}


@pytest.mark.parametrize(
    "page", [*sorted((DOCS / "docks").glob("*.md")), DOCS / "tutorial.md", DOCS / "faq.md"], ids=name_of
)
def test_docks_in_the_docs_bear_the_texts_of_the_docks(page: Path) -> None:
    package = PROJECT / "src" / "blinkspot"
    sources = [
        *(package / "plugin").rglob("*.py"),
        package / "napari.yaml",
        package / "denoising" / "training" / "course.py",
    ]
    shown = "\n".join(text_of(path) for path in sources)
    # Texts of the window stand in italics, on the docks' pages its main fields and buttons in bold at the
    # start of an item or a paragraph.
    named = re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", " ".join(text_of(page).split()))
    if page.parent.name == "docks":
        named += re.findall(r"^(?:\d\. |- )?\*\*([^*]+?)\.?\*\*", text_of(page), re.MULTILINE)
    # What stands for a layer's name or a number, or is put together by napari.
    variable = r"^(?:NAME|blinking molecules) | ± error$|\(Blinkspot\)$|\(denoised\)$|^Blinkspot (?=Thunder)"
    for text in (piece for name in named for piece in name.split(" > ")):
        fixed = re.sub(variable, "", text).strip()
        assert fixed in OF_NAPARI or fixed in shown or fixed in PROSE, text


# -- links, pictures, files


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for target in LINK.findall(without_code(text_of(page))):
        if re.match(r"[a-z]+://", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        if linked.parent.resolve() == IMAGES and not IMAGES.is_dir():
            missing.append(target)
            continue
        assert linked.is_file(), target
        if anchor:
            assert anchor in anchors(linked), target
    if missing:
        pytest.skip(f"docs/make_screenshots.py has not been run yet: no {', '.join(missing)}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_folder_of_a_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.:/])/(home|work|tmp|Users|root|opt)/", text_of(page))


@pytest.mark.parametrize("folder", [DOCS, DOCS / "docks", DOCS / "api"], ids=name_of)
def test_every_page_is_in_its_folders_index(folder: Path) -> None:
    linked = LINK.findall(text_of(folder / "index.md"))
    assert {page.name for page in folder.glob("*.md")} - {"index.md"} <= set(linked)


def test_every_page_is_once_in_the_sites_navigation() -> None:
    navigation = text_of(PROJECT / "mkdocs.yml").partition("\nnav:\n")[2].partition("\n\n")[0]
    listed = re.findall(r"[\w/]+\.md$", navigation, re.MULTILINE)
    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in SITE_PAGES]


def test_every_picture_of_the_docs_is_shown() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in LINK.findall(text_of(page))
        if target.endswith(".png")
    }
    assert {path.resolve() for path in IMAGES.rglob("*.png")} <= shown


def test_run_script_commands_in_the_docs_exist() -> None:
    named = {word for page in PAGES for word in re.findall(r"python3 run\.py (\w+)", text_of(page))}
    assert named == set(run_script.COMMANDS)


def test_install_lines_name_what_the_project_offers() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = text_of(README)
    assert run_script.TORCH_CPU_INDEX in readme
    for extra in re.findall(r"pip install \"\.\[(\w+)\]\"", readme):
        assert extra in settings["optional-dependencies"]
    assert settings["license"] in readme
    assert f"## [{settings['version']}]" in text_of(PROJECT / "CHANGELOG.md")
