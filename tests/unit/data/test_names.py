"""Names of files: not in UTF-8, long, with dots, or of two files that differ by extension alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.core.files import parse_json, read_json, write_bytes, write_json, write_text
from smoothkit.data.lmdb_store import LmdbStore, create_lmdb
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.smoothing import SmoothingTestDataset
from smoothkit.data.store import FolderStore, results_of
from smoothkit.engine.tables import Table, write_tables
from smoothkit.ops.io import write_image
from smoothkit.systems.hggt_sr.labels import read_labels

LATIN = os.fsdecode(b"caf\xe9")


def image(level: int) -> np.ndarray:
    return np.full((8, 16, 3), level, np.uint8)


def test_tables_hold_escapes_for_names_that_are_not_utf8(tmp_path: Path) -> None:
    write_tables([Table("T", ["psnr"], [{"image": LATIN, "psnr": 1.5}])], tmp_path)
    assert (tmp_path / "metrics.csv").read_text("utf-8").splitlines()[1] == r"T,caf\udce9,1.5"


def test_json_gives_such_names_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {LATIN: "ü"})
    assert read_json(tmp_path / "a.json") == {LATIN: "ü"}


def test_an_lmdb_keeps_such_names(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / f"{LATIN}.png", image(7))
    create_lmdb(FolderStore(tmp_path / "in"), tmp_path / "a.lmdb")
    store = LmdbStore(tmp_path / "a.lmdb")
    assert store.names == [f"{LATIN}.png"]
    assert store.read(f"{LATIN}.png").max() == 7


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + "a.txt")
    write_bytes(path, b"x")
    write_text(path, "y")
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "y"


def test_an_lmdb_holds_its_images_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.fromarray(image(9)).save(tmp_path / "in/a.png", exif=exif)
    create_lmdb(FolderStore(tmp_path / "in"), tmp_path / "a.lmdb")
    assert LmdbStore(tmp_path / "a.lmdb").read("a.png").shape == (16, 8, 3)


def test_twins_are_refused_where_their_results_would_have_one_name(tmp_path: Path) -> None:
    for name in ("1.png", "1.bmp"):
        write_image(tmp_path / name, image(1))
    for use in (
        lambda: SmoothingTestDataset(str(tmp_path)),
        lambda: BlendedPairDataset(str(tmp_path), patch_size=None),
        lambda: results_of(tmp_path, ["1"]),
    ):
        with pytest.raises(DataError, match=r"has both 1\.bmp and 1\.png\. Move one away"):
            use()


def test_json_without_end_is_refused(tmp_path: Path) -> None:
    nested = b"[" * 100_000
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(nested)
    write_bytes(tmp_path / "A/1.json", nested)
    with pytest.raises(DataError, match=r"A/1\.json: is no label file: it is nested too deeply"):
        read_labels(tmp_path)


@pytest.fixture
def basicsr_data(tmp_path: Path):
    """Folders of pairs, and the mended functions of BasicSR that list them."""
    compat = pytest.importorskip("smoothkit.core.basicsr_compat")
    if not compat.is_installed():
        pytest.skip("BasicSR is not installed here")
    compat.import_basicsr()
    for folder in ("lq", "gt"):
        for level, name in enumerate(("a.png", "a.1.png", "a.2.png")):
            write_image(tmp_path / folder / name, image(level))
    from basicsr.data import data_util

    return data_util


ROOTS = ("lq", "gt")


def paths(tmp_path: Path, end: str = "") -> list[str]:
    return [f"{tmp_path}/{root}{end}" for root in ROOTS]


def test_basicsr_reads_dotted_names_beside_our_store(basicsr_data, tmp_path: Path) -> None:
    from basicsr.utils import FileClient

    for root in paths(tmp_path):
        create_lmdb(FolderStore(root), f"{root}.lmdb")
    ours = LmdbStore(f"{tmp_path}/gt.lmdb")
    assert ours.read("a.1.png").max() == 1
    found = basicsr_data.paired_paths_from_lmdb(paths(tmp_path, ".lmdb"), ROOTS)
    assert [pair["gt_path"] for pair in found] == ["a.1", "a.2", "a"]
    client = FileClient("lmdb", db_paths=paths(tmp_path, ".lmdb"), client_keys=list(ROOTS))
    levels = [cv2.imdecode(np.frombuffer(client.get(p["gt_path"], "gt"), np.uint8), 1).max()
              for p in found]  # fmt: skip
    assert levels == [1, 2, 0]
    with pytest.raises(DataError, match=r"gt\.lmdb/b: no such key, got 'b'"):
        client.get("b", "gt")


def test_basicsr_leaves_stray_files_and_blank_lines_aside(basicsr_data, tmp_path, caplog) -> None:
    for root in paths(tmp_path):
        Path(root, "desktop.ini").touch()
    pairs = basicsr_data.paired_paths_from_folder(paths(tmp_path), ROOTS, "{}")
    assert len(pairs) == 3
    assert "left aside 1 files, such as desktop.ini" in caplog.text
    (tmp_path / "list.txt").write_text("a.png (8,16,3)\n\na.1.png (8,16,3)\n \n")
    listed = basicsr_data.paired_paths_from_meta_info_file(
        paths(tmp_path), ROOTS, tmp_path / "list.txt", "{}"
    )
    assert [Path(pair["gt_path"]).name for pair in listed] == ["a.png", "a.1.png"]


def test_basicsr_refuses_twins(basicsr_data, tmp_path: Path) -> None:
    for root in paths(tmp_path):
        write_image(Path(root, "a.bmp"), image(3))
    with pytest.raises(DataError, match=r"dataroot_lq: .*lq has both a\.bmp and a\.png\. Move one"):
        basicsr_data.paired_paths_from_folder(paths(tmp_path), ROOTS, "{}")
