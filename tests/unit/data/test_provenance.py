"""Notes of what the files of a folder were made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data import file_hashes, provenance
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import NOTE, Note, refuse, told
from smoothkit.ops.io import encode_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``a.png`` and weights outside, and ``out/r.png`` noted as made from them."""
    (tmp_path / "a.png").write_bytes(b"image")
    (tmp_path / "w.pth").write_bytes(b"weights")
    for name in ("a.png", "w.pth"):  # old enough to be believed
        os.utime(tmp_path / name, (1e9, 1e9))
    with Note(tmp_path / "out") as note:
        note.write(tmp_path / "out/sub/r.png", b"result", origin(tmp_path, note))
    return tmp_path


def origin(root: Path, note: Note, weights: str = "w.pth", **settings: object) -> Origin:
    files = {"model": note.file(root / weights)}
    return Origin({"image": note.file(root / "a.png")}, files, {"lam": 0.5, **settings})


def standing(root: Path, folder: str = "out", **changes: object) -> provenance.Standing:
    with Note(root / folder) as note:
        path = root / folder / "sub/r.png"
        return note.standing(path, lambda: origin(root, note, **changes))


def test_a_result_of_the_same_content_and_settings_is_current(folder: Path) -> None:
    assert standing(folder).kind == "current"
    shutil.copytree(folder / "out", folder / "copy")  # other times, other inodes
    assert standing(folder, "copy").kind == "current"
    os.utime(folder / "a.png", (1e9 + 5, 1e9 + 5))
    assert standing(folder).kind == "current"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"lam": 0.02}, "settings (lam 0.5, now 0.02)"),
        ({"new": True}, "settings (new none, now true)"),
        ({"weights": "v.pth"}, "weights w.pth, now v.pth"),
    ],
)
def test_a_result_made_from_something_else_is_outdated(folder: Path, change: dict, why: str):
    (folder / "v.pth").write_bytes(b"others")
    found = standing(folder, **change)
    assert (found.kind, found.why) == ("outdated", why)
    (line,) = told([found], "out")
    assert line == f"out: 1 result is made anew; what changed: {why}."


def test_of_many_reasons_the_most_frequent_are_told() -> None:
    reasons = ["image g", *"aabbccdde", "image f"]
    lines = told([provenance.Standing("outdated", why) for why in reasons], "out")
    assert lines[0] == "out: 2 results are made anew; what changed: a."
    assert lines[4:] == [
        "out: 1 result is made anew; what changed: image g.",
        "out: 2 results are made anew for 2 more such reasons.",
    ]


def test_an_input_of_another_content_and_the_same_size_is_told(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"IMAGE")
    assert standing(folder).why == "image a.png"


def test_files_that_no_note_tells_of_are_unknown(folder: Path) -> None:
    touched_up = encode_image(np.full((5, 5), 9, np.uint8))
    (folder / "out/sub/r.png").write_bytes(touched_up)
    assert standing(folder).kind == "unknown"
    assert Note(folder / "out").is_unknown(folder / "out/sub/r.png")
    told = r"^r\.png: is there already, and no note .*, as of 2 files here. Go away\."
    with pytest.raises(DataError, match=told):
        refuse([Path("r.png"), Path("s.png")], "Go away.")
    (folder / "out/sub/r.png").unlink()
    assert standing(folder).kind == "missing"


def test_a_noted_image_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    path, wanted = tmp_path / "r.png", Origin({})
    content = encode_image(np.random.default_rng(0).integers(0, 255, (9, 9), np.uint8))
    with Note(tmp_path) as note:
        note.write(path, content, wanted)
    path.write_bytes(content[:-4])
    found = Note(tmp_path).standing(path, lambda: wanted)
    assert (found.kind, found.why) == ("outdated", "the file is damaged")
    assert told([found], "out") == ["out: 1 result is made anew; the file is damaged."]


def test_results_are_due_where_the_note_does_not_tell_of_them(folder: Path) -> None:
    out = folder / "out"
    with Note(out) as note:
        current = origin(folder, note)
        origins = {out / "sub/r.png": current}  # none is asked for of what is not there
        results = [*origins, out / "s.png"]
        assert note.due(results, origins.__getitem__, what_to_do="") == {out / "s.png"}
        assert note.due(results, origins.__getitem__, is_all=True, what_to_do="") == set(results)
        (out / "s.png").write_bytes(b"mine")
        with pytest.raises(DataError, match=r"s\.png: is there already, .* Move it\."):
            note.due(results, origins.__getitem__, what_to_do="Move it.")


def test_a_note_that_was_cut_off_anywhere_claims_nothing_that_is_not_there(folder: Path) -> None:
    whole = (folder / "out" / NOTE).read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(0, first - 1, 7):
        (folder / "out" / NOTE).write_bytes(whole[:length])
        assert standing(folder).kind == "unknown"
        with Note(folder / "out") as note:
            note.write(folder / "out/s.png", b"s", origin(folder, note))
        with Note(folder / "out") as note:
            current = origin(folder, note)
            assert note.standing(folder / "out/s.png", lambda: current).kind == "current"  # noqa: B023


def test_a_kill_between_note_and_result_leaves_an_outdated_one(folder: Path) -> None:
    with Note(folder / "out") as note:
        new, path = origin(folder, note, lam=0.1), folder / "out/sub/r.png"
        note.claim(path, b"another", new)
    found = standing(folder, lam=0.1)
    assert (found.kind, found.why) == ("outdated", "a run was cut short")
    path.write_bytes(b"another")
    assert standing(folder, lam=0.1).kind == "current"


def test_files_that_have_not_changed_are_not_read_again(folder: Path, monkeypatch) -> None:
    read: list[str] = []
    digest = file_hashes._read_digest
    monkeypatch.setattr(
        file_hashes, "_read_digest", lambda path: read.append(path.name) or digest(path)
    )
    assert standing(folder).kind == "current"
    assert read == []
    (folder / "a.png").write_bytes(b"IMAGE")
    os.utime(folder / "a.png", (1e9 + 1, 1e9 + 1))
    assert standing(folder).kind == "outdated"
    assert standing(folder).kind == "outdated"
    assert read == ["a.png"]


def test_a_file_that_may_change_within_a_tick_of_the_clock_is_read_again(folder: Path) -> None:
    note = Note(folder / "out")
    path, later = folder / "new", time.time_ns() + 10**12
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, ns=(later, later))
        assert note.file(path) == ("new", hashlib.sha256(content).hexdigest())


def test_what_is_decoded_is_not_read_again_for_its_hash(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(file_hashes, "_read_digest", None)
    note = Note(folder / "out")
    path = folder / "new"
    path.write_bytes(b"one")  # just now
    assert note.read(path) == b"one"
    path.write_bytes(b"two")
    assert note.file(path) == ("new", hashlib.sha256(b"one").hexdigest())
    assert note.read(path) == b"two"
    assert note.file(path) == ("new", hashlib.sha256(b"two").hexdigest())


def test_a_result_is_not_what_was_read_in_its_place(folder: Path) -> None:
    path = folder / "out/s.png"
    path.write_bytes(b"old")
    with Note(folder / "out") as note:
        note.read(path)
        current = origin(folder, note)
        note.write(path, b"new", current)
        assert note.standing(path, lambda: current).kind == "current"


def result_lines(folder: Path) -> list[dict]:
    lines = map(json.loads, (folder / "out" / NOTE).read_text().splitlines())
    return [line for line in lines if "result" in line]


def make_often(folder: Path, times: int = 6) -> None:
    path = folder / "out/sub/r.png"
    for number in range(times):
        with Note(folder / "out") as note:
            note.write(path, b"result", origin(folder, note, lam=number))


def test_a_note_of_lines_that_no_longer_count_is_rewritten(folder: Path) -> None:
    with Note(folder / "out") as note:
        note.write(folder / "out/kept.png", b"kept", origin(folder, note))
    make_often(folder, 12)
    lines = result_lines(folder)
    assert len(lines) < 8
    assert {line["result"] for line in lines} == {"sub/r.png", "kept.png"}
    assert lines[-1]["by"].startswith("smoothkit ")
    assert standing(folder, lam=11).kind == "current"
    with Note(folder / "out") as note:
        assert not note.is_unknown(folder / "out/kept.png")


def test_a_rewritten_note_keeps_what_a_run_that_was_cut_short_had(folder: Path) -> None:
    path = folder / "out/sub/r.png"
    with Note(folder / "out") as note:
        note.claim(path, b"never written", origin(folder, note, lam=9))
        for number in range(20):
            note.write(folder / "out/s.png", b"s", origin(folder, note, lam=number))
    assert sum(line["result"] == "s.png" for line in result_lines(folder)) == 1
    found = standing(folder)
    assert (found.kind, found.why) == ("outdated", "a run was cut short")


def test_a_note_that_another_run_adds_to_is_not_rewritten(folder: Path) -> None:
    path = folder / "out/s.png"
    with Note(folder / "out") as other:
        other.write(path, b"s", origin(folder, other))
        make_often(folder)
        assert len(result_lines(folder)) == 8
        other.write(path, b"t", origin(folder, other))
    with Note(folder / "out") as note:
        assert not note.is_unknown(path)


def test_a_line_names_what_a_result_was_made_from(folder: Path) -> None:
    line = json.loads((folder / "out" / NOTE).read_text().splitlines()[0])
    assert line["result"] == "sub/r.png"
    assert line["inputs"] == {"image": ["a.png", hashlib.sha256(b"image").hexdigest()]}
    assert line["weights"]["model"][0] == "w.pth"
    assert line["settings"] == {"lam": 0.5}
    assert line["by"].startswith("smoothkit ")
