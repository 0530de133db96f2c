"""Images derived from folders: what is left, made anew, removed and refused."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.prepare.derive import Summary, derive
from smoothkit.data.prepare.subimages import Crops
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import read_image, write_image

TESTS = Path(__file__).parents[2]


def pixels(seed: int, height: int = 12, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images, of which crops of 8 make 2 x 3 = 6 each, those of 12 make 2."""
    for seed, name in enumerate("ab"):
        write_image(tmp_path / f"in/{name}.png", pixels(seed))
    return tmp_path


def run(root: Path, *inputs: str, crop: int = 8, out: str = "out", **options: bool) -> Summary:
    folders = [root / name for name in inputs or ("in",)]
    return derive(Crops(crop, crop), folders, root / out, workers=2, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def names(root: Path, stem: str, count: int) -> set[str]:
    return {f"{stem}_s{number:03d}.png" for number in range(1, count + 1)}


def test_a_second_run_makes_what_is_missing_and_leaves_the_rest(root: Path) -> None:
    first = run(root)
    assert (first.results, first.made, first.faults) == (12, 12, [])
    whole = contents(root / "out")
    (root / "out/b_s003.png").unlink()
    kept = (root / "out/a_s001.png").stat().st_mtime_ns
    second = run(root)
    assert (second.results, second.made) == (12, 1)
    assert contents(root / "out") == whole
    assert (root / "out/a_s001.png").stat().st_mtime_ns == kept


def test_another_image_of_the_same_name_is_cropped_anew(root: Path, caplog) -> None:
    run(root)
    write_image(root / "in/a.png", pixels(7))
    with caplog.at_level("INFO"):
        assert run(root).made == 6
    assert "out: 6 results are made anew; what changed: image a.png." in caplog.text
    np.testing.assert_array_equal(read_image(root / "out/a_s001.png"), pixels(7)[:8, :8])


def test_another_crop_size_leaves_nothing_of_the_former(root: Path, caplog) -> None:
    run(root)
    with caplog.at_level("INFO"):
        done = run(root, crop=12)
    assert (done.results, done.made) == (4, 4)
    assert "settings (crop_size 8, now 12; step 8, now 12)" in caplog.text
    assert "out: removed results that this run does not make: 8." in caplog.text
    run(root, crop=12, out="alone")
    assert contents(root / "out") == contents(root / "alone")


def test_an_image_that_is_too_small_now_loses_its_former_crops(root: Path) -> None:
    run(root)
    write_image(root / "in/b.png", pixels(1, 5, 20))
    done = run(root)
    assert (done.results, len(done.faults)) == (6, 1)
    assert set(contents(root / "out")) == names(root, "a", 6)


def test_results_of_other_images_are_refused_until_asked_to_overwrite(root: Path) -> None:
    run(root)
    write_image(root / "more/c.png", pixels(3))
    before = contents(root / "out")
    told = r"out: has results of other images, such as a_s001\.png\. Give the folders of all"
    with pytest.raises(DataError, match=told):
        run(root, "more")
    assert contents(root / "out") == before
    assert run(root, "in", "more").made == 6
    assert run(root, "more", overwrite=True).results == 6
    assert set(contents(root / "out")) == names(root, "c", 6)


def test_results_of_an_image_that_was_moved_away_are_removed(root: Path, caplog) -> None:
    run(root)
    (root / "in/a.png").rename(root / "a.png")
    with caplog.at_level("INFO"):
        assert run(root).made == 0
    assert set(contents(root / "out")) == names(root, "b", 6)
    assert "out: removed results that this run does not make: 6." in caplog.text


def test_files_that_no_note_tells_of_are_refused(root: Path) -> None:
    write_image(root / "out/a_s002.png", pixels(9))
    with pytest.raises(DataError, match=r"a_s002\.png: is there already, and no .*--overwrite"):
        run(root)
    assert list(contents(root / "out")) == ["a_s002.png"]
    assert run(root, overwrite=True).results == 12
    # A further image, which training would read too: nothing of this run would replace it.
    write_image(root / "out/z.png", pixels(9))
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"z\.png: is there already, .* Move it away"):
            run(root, overwrite=overwrite)


def test_former_results_of_an_image_that_cannot_be_read_now_are_not_touched(root: Path) -> None:
    run(root)
    before = contents(root / "out")
    (root / "in/b.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"b\.png: is not a PNG.* .*out/b_s001\.png is of it"):
        run(root)
    assert contents(root / "out") == before
    done = run(root, overwrite=True)
    assert (done.results, len(done.faults)) == (6, 1)
    assert set(contents(root / "out")) == names(root, "a", 6)


def test_images_that_cannot_be_read_are_left_out_and_told(root: Path) -> None:
    run(root)
    content = (root / "in/b.png").read_bytes()
    (root / "in/b.png").write_bytes(content[: len(content) // 2])
    (root / "in/c.png").write_bytes(b"")
    done = run(root)
    told = [str(fault) for fault in done.faults]
    assert told[0].startswith(f"{root}/in/b.png: cannot be decoded")
    assert told[1] == f"{root}/in/c.png: the file is empty."
    # What is there of b was made from another file than is there now.
    assert set(contents(root / "out")) == names(root, "a", 6)
    assert (done.results, done.made) == (6, 0)


def test_images_whose_results_would_have_one_name_are_refused(root: Path) -> None:
    write_image(root / "more/a.jpg", pixels(3))
    for folder in ("more", "in"):  # the same folder twice is a mistake, too
        with pytest.raises(DataError, match=r"a\.\w+: its results would have the names of those"):
            run(root, "in", folder)
    assert not (root / "out").exists()


def test_folders_that_cannot_be_are_refused(root: Path) -> None:
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: has no images"):
        run(root, "in", "empty")
    with pytest.raises(DataError, match=r"nowhere: cannot be read: No such file"):
        run(root, "nowhere")
    with pytest.raises(DataError, match=r"in: holds what it is to be made from"):
        run(root, out="in")
    with pytest.raises(DataError, match=r"in/out: lies inside .*in, so the results would be read"):
        run(root, out="in/out", is_recursive=True)
    (root / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file: is a file, where a folder is to be"):
        run(root, out="file")


def test_folders_inside_take_part_where_asked_to(root: Path) -> None:
    write_image(root / "in/deep/er/c.png", pixels(3))
    assert run(root).results == 12
    assert run(root, is_recursive=True).made == 6
    assert names(root, "c", 6) < set(contents(root / "out"))


def test_names_with_blanks_and_of_other_scripts_work(root: Path) -> None:
    latin = os.fsdecode(b"caf\xe9.png")
    for name in ("a b.png", "-x.png", "ü 漢.png", latin):
        write_image(root / "odd" / name, pixels(3, 8, 8))
    done = run(root, "odd")
    assert (done.results, done.made) == (4, 4)
    assert run(root, "odd").made == 0
    assert "-x_s001.png" in contents(root / "out")
    write_image(root / "odd" / f"{'n' * 250}.png", pixels(3, 8, 8))
    (fault,) = run(root, "odd").faults
    assert "must have at most 255 bytes, got 259" in str(fault)


def test_the_number_of_workers_changes_nothing(root: Path) -> None:
    run(root)
    derive(Crops(8, 8), [root / "in"], root / "one", workers=1)
    assert contents(root / "out") == contents(root / "one")


@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_killed_run_goes_on_as_if_it_had_not_been(root: Path, run_python, at: int) -> None:
    run(root, out="whole")
    run(root, crop=12)  # so that there are results to be replaced, and to be made
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from support.kill_at import arm\n"
        "from smoothkit.data.prepare.derive import derive\n"
        "from smoothkit.data.prepare.subimages import Crops\n"
        "arm('replace', int(sys.argv[3]))\n"
        "root = Path(sys.argv[2])\n"
        "derive(Crops(8, 8), [root / 'in'], root / 'out', workers=2)\n"
    )
    killed = run_python("-c", code, str(TESTS), str(root), str(at))
    assert killed.returncode == -signal.SIGKILL
    there = contents(root / "out")
    whole, former = contents(root / "whole"), names(root, "a", 2) | names(root, "b", 2)
    assert all(whole[name] == content for name, content in there.items() if name not in former)
    assert run(root).results == 12
    assert contents(root / "out") == whole
    assert [path.name for path in (root / "out").glob(".*")] == [NOTE]


def test_the_note_names_image_and_settings(root: Path) -> None:
    run(root)
    lines = map(json.loads, (root / "out" / NOTE).read_text().splitlines())
    (line,) = (line for line in lines if line.get("result") == "b_s004.png")
    assert line["inputs"]["image"][0] == "b.png"
    assert line["settings"] == Crops(8, 8).settings()
