"""Pages that are looked at all at once are found to be what they are one by one."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.safety.tiff_page_kinds import PageKinds
from blinkspot.safety.tiff_page_list import check_pages_from_start
from blinkspot.safety.tiff_page_runs import PageRuns, Run

WIDTH, BITS, ROWS, STRIP, SUB_PAGES = 256, 258, 278, 273, 330
GAPS = (0, 0, 0, 2, 30, 5000)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A list of pages: mostly alike, behind one another; sometimes odd, far off, backwards or without end."""
    order, big = draw(st.sampled_from("<>")), draw(st.booleans())
    link = "Q" if big else "I"
    start = b"II" if order == "<" else b"MM"
    header = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 16)
    content = bytearray((start + header).ljust(16, b"\0"))
    n_pages = draw(st.integers(1, 40))
    even_gap = draw(st.sampled_from(GAPS))
    odd = draw(
        st.dictionaries(st.integers(0, n_pages - 1), st.sampled_from(("kind", "tags", "gap", "sub", "link")))
    )
    places, links = [], []
    for number in range(n_pages):
        what = odd.get(number)
        width = 8 if what == "kind" else 16
        entries = [(WIDTH, 3, 1, width), (BITS, 3, 1, 16), (STRIP, 4, 1, number), (ROWS, 3, 1, 4)]
        if what == "tags":
            entries = draw(
                st.sampled_from(([], entries[:2], [*entries[:3], (999, 3, 2, 0)], [(999, 2, 9, 0)]))
            )
        if what == "sub":
            entries = [*entries, (SUB_PAGES, 4, 1, 20)]
        places.append(len(content))
        content += struct.pack(f"{order}{'Q' if big else 'H'}", len(entries))
        for tag, kind, count, value in entries:
            content += struct.pack(f"{order}HH{link}{link}", tag, kind, count, value)
        links.append((len(content), what == "link"))
        content += bytes(8 if big else 4)
        content += bytes(draw(st.sampled_from(GAPS)) if what == "gap" else even_gap)
    for number, (at, is_odd) in enumerate(links):
        following = places[number + 1] if number + 1 < n_pages else draw(st.sampled_from((0, 0, 1 << 30)))
        if is_odd:
            following = draw(st.sampled_from([*places, 0, 3, len(content) - 5]))
        struct.pack_into(f"{order}{link}", content, at, following)
    return bytes(content)


def found(path: Path) -> Any:
    try:
        kinds = check_pages_from_start(path)
    except BlinkspotError as error:
        return str(error)
    return [(at, kinds.of(at)) for at in kinds.places], kinds.are_alike


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=files())
def test_the_same_as_one_by_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    path.write_bytes(content)
    together = found(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PageRuns, "after", lambda self, page, entries, at, following: Run((), page, following))
        assert found(path) == together


def test_a_movie_in_one_block_is_not_walked_through_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "block.tif"
    tifffile.memmap(path, shape=(20_000, 8, 8), dtype=np.uint16, bigtiff=True).flush()
    looked_at, add = [], PageKinds.add
    monkeypatch.setattr(
        PageKinds, "add", lambda self, at, *more: (looked_at.append(at), add(self, at, *more))
    )
    kinds = check_pages_from_start(path)
    assert len(kinds.places) == 20_000
    assert kinds.are_alike
    assert len(looked_at) < 100


def test_an_odd_page_within_a_block_is_found(tmp_path: Path) -> None:
    path = tmp_path / "block.tif"
    tifffile.memmap(path, shape=(3_000, 8, 8), dtype=np.uint16, bigtiff=True).flush()
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[2_000].tags["ImageWidth"].valueoffset
    with path.open("r+b") as file:
        file.seek(at)
        file.write(struct.pack("<H", 4))
    kinds = check_pages_from_start(path)
    widths = [kinds.of(place)[WIDTH] for place in kinds.places]
    assert not kinds.are_alike
    assert [number for number, width in enumerate(widths) if width != 8] == [2_000]


def pages_of(n_tags: list[int], start: int = 0, last_leads_to: int | None = None) -> tuple[bytes, list[int]]:
    """Return a little-endian file whose pages lie behind one another, and their places."""
    content, places = bytearray(b"II" + struct.pack("<HI", 42, 0) + bytes(8)), []
    for number in n_tags:
        places.append(len(content))
        content += struct.pack("<H", number) + struct.pack("<HHII", WIDTH, 3, 1, 16) * number
        content += struct.pack("<I", len(content) + 4)
    struct.pack_into("<I", content, len(content) - 4, 0 if last_leads_to is None else places[last_leads_to])
    struct.pack_into("<I", content, 4, places[start])
    return bytes(content), places


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the place of each page after which alike ones are looked for."""
    calls, after = [], PageRuns.after

    def counted(self: PageRuns, page: bytes, entries: Any, at: int, following: int) -> Run:
        calls.append(at)
        return after(self, page, entries, at, following)

    monkeypatch.setattr(PageRuns, "after", counted)
    return calls


def test_a_list_that_comes_back_into_a_run_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cycle.tif"
    path.write_bytes(pages_of([1] * 20_000, 2_000, last_leads_to=0)[0])
    calls = counting(monkeypatch)
    assert "comes back to page 20000 and has no end" in found(path)
    assert len(calls) < 50


def test_where_pages_are_not_alike_they_are_looked_for_less_and_less(tmp_path: Path) -> None:
    path = tmp_path / "alternating.tif"
    content, places = pages_of([1, 2] * 5_000)
    path.write_bytes(content)
    reads = []

    class Counted:
        def __init__(self, file: Any) -> None:
            self.seek, self._file = file.seek, file

        def read(self, n_bytes: int) -> bytes:
            reads.append(n_bytes)
            return self._file.read(n_bytes)

    entry = np.dtype([("tag", "<u2"), ("type", "<u2"), ("count", "<u4"), ("value", "V4")])
    with path.open("rb") as file:
        runs = PageRuns(Counted(file), "little")  # type: ignore[arg-type]
        for at, following in itertools.pairwise(places):
            page = content[at:following]
            assert not runs.after(
                page, np.frombuffer(page, entry, (len(page) - 6) // 12, 2), at, following
            ).places
    assert 0 < len(reads) < 100
    assert sum(reads) < 20_000
