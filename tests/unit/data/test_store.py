"""Folders and lmdbs of images, and images found by a pair's number."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from smoothkit.cli.pictures import _inputs
from smoothkit.core import lmdbs
from smoothkit.core.errors import DataError
from smoothkit.data import lmdb_store
from smoothkit.data.companion_kinds import ColorImages
from smoothkit.data.companions import Companions, numbered_companions
from smoothkit.data.lmdb_store import LmdbStore, create_lmdb
from smoothkit.data.protocols import number_of
from smoothkit.data.provenance import NOTE
from smoothkit.data.store import FolderStore, image_files, open_store, results_of
from smoothkit.ops.io import write_image

SCRIPT = Path(__file__).parents[3] / "scripts" / "data_preparation" / "create_lmdb.py"


def image(seed: int, height: int = 12, width: int = 10) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in put ü"
    for seed, name in enumerate(["b.png", "a b.png", "ü.PNG", "sub/c.d.png"]):
        write_image(root / name, image(seed))
    (root / "Thumbs.db").write_bytes(b"junk")
    (root / ".hidden.png").write_bytes(b"junk")
    return root


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> LmdbStore:
    create_lmdb(FolderStore(folder, is_recursive=True), tmp_path / "packed.lmdb")
    return LmdbStore(tmp_path / "packed.lmdb")


def test_a_folder_lists_its_images_sorted(folder: Path) -> None:
    assert open_store(folder).names == ["a b.png", "b.png", "ü.PNG"]
    assert open_store(folder, is_recursive=True).names[2] == "sub/c.d.png"


def test_a_folder_is_found_through_dots(folder: Path) -> None:
    store = open_store(f"{folder}/sub/../../{folder.name}")
    np.testing.assert_array_equal(store.read("b.png"), image(0))
    assert store.path("b.png") == f"{folder}/sub/../../{folder.name}/b.png"


def test_folders_that_cannot_serve_are_named_with_their_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataroot_gt: no such folder, got .*/nowhere"):
        open_store(tmp_path / "nowhere", option="dataroot_gt")
    with pytest.raises(DataError, match=r"dataroot: no images in .*Files that end in .bmp"):
        open_store(tmp_path)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"dataroot: must be a folder .* got the file .*a\.png"):
        open_store(tmp_path / "a.png")


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=f"{tmp_path}: cannot be read: Permission denied"):
        open_store(tmp_path)


def test_links_that_lead_round_give_each_folder_once(tmp_path: Path) -> None:
    for name in ("a", "b/c", "b/d/e"):
        write_image(tmp_path / f"{name}.png", image(0))
    for link, target in (("b/up", ".."), ("0", "b"), ("b/d/self", "self"), ("b/d/b", "..")):
        os.symlink(target, tmp_path / link)
    assert FolderStore(tmp_path, is_recursive=True).names == ["a.png", "b/c.png", "b/d/e.png"]


def test_a_linked_folder_outside_is_taken(tmp_path: Path) -> None:
    write_image(tmp_path / "other/a.png", image(0))
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "other", tmp_path / "in/x")
    assert FolderStore(tmp_path / "in", is_recursive=True).names == ["x/a.png"]


def test_hidden_folders_are_left_aside(tmp_path: Path) -> None:
    write_image(tmp_path / ".thumbnails/a.png", image(0))
    write_image(tmp_path / ".in/b.png", image(0))
    assert FolderStore(tmp_path, is_recursive=True).names == []
    assert FolderStore(tmp_path / ".in", is_recursive=True).names == ["b.png"]


@pytest.mark.parametrize(
    "walk", [open_store, image_files, lambda root: list(_inputs(root, root / "o"))]
)
def test_files_of_other_extensions_are_told_once(tmp_path: Path, caplog, walk) -> None:
    write_image(tmp_path / "a.png", image(0))
    for name in ("b.heic", "c.HEIC", "d.gif", "note.txt", "Thumbs.db", ".hidden.gif", "e"):
        (tmp_path / name).touch()
    walk(tmp_path)
    walk(tmp_path)
    told = f"{tmp_path}: left aside files by extension: 1 of no, 1 of .gif, 2 of .heic."
    assert [record.getMessage() for record in caplog.records] == [told]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a_b_net", "a_net"], {"a": "a_net", "a_b": "a_b_net"}),
        (["a_b", "a_network"], {"a": "a_network", "a_b": "a_b"}),
        (["a", "a_b", "a_b_net", "a_net"], {"a": "a", "a_b": "a_b"}),
        (["a_b_net", "a_net", "a_c_net"], {"a": "a_net"}),
        (["ab_net", "a_b_c_net"], {"a_b": "a_b_c_net", "ab": "ab_net"}),
    ],
)
def test_results_go_to_the_longest_name_that_they_fit(tmp_path: Path, files, expected) -> None:
    for name in files:
        write_image(tmp_path / f"{name}.png", image(0))
    found = results_of(tmp_path, list(expected))
    assert {name: path.stem for name, path in found.items()} == expected


def test_a_longer_name_leaves_nothing_to_the_shorter(tmp_path: Path) -> None:
    write_image(tmp_path / "a_b_net.png", image(0))
    with pytest.raises(DataError, match=f"{tmp_path}: has no result for 'a'"):
        results_of(tmp_path, ["a_b", "a"])


def test_an_lmdb_serves_what_the_folder_does(folder: Path, packed: LmdbStore) -> None:
    source = open_store(folder, is_recursive=True)
    assert packed.names == ["a b.png", "b.png", "sub/c.d.png", "ü.png"]
    for ours, theirs in zip(packed.names, source.names, strict=True):
        np.testing.assert_array_equal(packed.read(ours), source.read(theirs))
        assert packed.header(ours) == source.header(theirs)


def test_the_layout_is_that_of_basicsr(packed: LmdbStore) -> None:
    lines = Path(packed.root, "meta_info.txt").read_text("utf-8").splitlines()
    assert lines[1] == "b.png (12,10,3) 1"
    with lmdb.open(packed.root, readonly=True, lock=False) as environment:
        keys = [key.decode() for key, _ in environment.begin().cursor()]
    assert keys == ["a b", "b", "sub/c.d", "ü"]


@pytest.mark.parametrize("encoding", ["bmp", "keep", "png"])
def test_every_encoding_keeps_the_pixels(folder: Path, tmp_path: Path, encoding) -> None:
    create_lmdb(open_store(folder), tmp_path / "x.lmdb", encoding=encoding)
    store = open_store(tmp_path / "x.lmdb")
    np.testing.assert_array_equal(store.read(store.names[1]), image(0))


def test_kept_files_are_stored_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    create_lmdb(open_store(folder), tmp_path / "x.lmdb", encoding="keep")
    assert open_store(tmp_path / "x.lmdb").read_bytes("b.png") == (folder / "b.png").read_bytes()


def test_the_map_grows(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(lmdb_store, "_FIRST_MAP_SIZE", 1 << 14)
    write_image(folder / "large.png", image(9, 200, 200))
    create_lmdb(open_store(folder), tmp_path / "x.lmdb")
    np.testing.assert_array_equal(
        open_store(tmp_path / "x.lmdb").read("large.png"), image(9, 200, 200)
    )


def test_a_failed_run_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "z.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"z\.png: the file is empty"):
        create_lmdb(open_store(folder), tmp_path / "x.lmdb")
    assert os.listdir(tmp_path) == [folder.name]


def test_targets_that_cannot_be_are_refused(folder: Path, packed: LmdbStore) -> None:
    with pytest.raises(DataError, match=r"packed\.lmdb: holds the images, which would be replaced"):
        create_lmdb(packed, packed.root)
    (folder / "sub.lmdb").mkdir()
    with pytest.raises(DataError, match=r"sub\.lmdb: is there already, and is no lmdb"):
        create_lmdb(open_store(folder), folder / "sub.lmdb", overwrite=True)
    with pytest.raises(DataError, match=r"must end in '\.lmdb'"):
        create_lmdb(open_store(folder), folder / "x")
    write_image(folder / "b.bmp", image(0))
    with pytest.raises(DataError, match=r"b\.png: has the same key as b\.bmp"):
        create_lmdb(open_store(folder), folder / "x.lmdb")


def test_the_command_packs_a_folder(folder: Path, tmp_path: Path) -> None:
    def run(source: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, SCRIPT, "--input", source, "--output", tmp_path / "x.lmdb"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(folder).stdout == f"{tmp_path}/x.lmdb: 3 images written\n"
    assert run(folder).stdout == f"{tmp_path}/x.lmdb: 3 images up to date\n"
    (folder / "b.png").unlink()
    changed = run(folder)
    assert changed.stdout == f"{tmp_path}/x.lmdb: 2 images written\n"
    told = "1 result is made anew; what changed: images 3 images, now 2 images."
    assert told in changed.stderr
    assert open_store(tmp_path / "x.lmdb").names == ["a b.png", "ü.png"]
    refused = run(tmp_path / "nowhere")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"--input: no such folder, got {tmp_path}/nowhere.\n"


def test_an_lmdb_that_is_up_to_date_is_left(folder: Path, packed: LmdbStore) -> None:
    source = FolderStore(folder, is_recursive=True)
    assert not create_lmdb(source, packed.root)
    assert create_lmdb(source, packed.root, compress_level=2)
    assert not create_lmdb(source, packed.root, compress_level=2)
    write_image(folder / "b.png", image(9))
    assert create_lmdb(source, packed.root, compress_level=2)
    np.testing.assert_array_equal(LmdbStore(packed.root).read("b.png"), image(9))
    assert sorted(os.listdir(folder.parent)) == [folder.name, "packed.lmdb"]


def test_an_lmdb_that_no_note_tells_of_is_replaced_on_request_only(folder, packed) -> None:
    Path(packed.root, NOTE).unlink()
    with pytest.raises(DataError, match=r"is there already, and no note tells .*--overwrite"):
        create_lmdb(open_store(folder), packed.root)
    assert len(LmdbStore(packed.root).names) == 4
    assert create_lmdb(open_store(folder), packed.root, overwrite=True)
    assert len(LmdbStore(packed.root).names) == 3


def test_a_killed_run_leaves_no_lmdb_and_the_next_one_its_remains(folder, tmp_path, run_python):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from support.kill_at import arm\n"
        "from smoothkit.data.lmdb_store import create_lmdb\n"
        "from smoothkit.data.store import open_store\n"
        "arm('replace', 1)\n"
        "create_lmdb(open_store(sys.argv[2]), sys.argv[3])\n"
    )
    target = tmp_path / "x.lmdb"
    killed = run_python("-c", code, str(Path(__file__).parents[2]), str(folder), str(target))
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(list(tmp_path.glob(".*.partial"))) == 1
    assert create_lmdb(open_store(folder), target)
    assert list(tmp_path.glob(".*.partial")) == []


def test_a_missing_key_is_named(packed: LmdbStore) -> None:
    with pytest.raises(DataError, match=r"packed\.lmdb/nope\.png: no such key, got 'nope'"):
        packed.read("nope.png")


def test_stores_of_one_path_share_and_close_with_the_last(packed: LmdbStore) -> None:
    other = LmdbStore(f"{packed.root}/../packed.lmdb")
    np.testing.assert_array_equal(packed.read("b.png"), other.read("b.png"))
    assert len(lmdbs._OPEN) == 1
    del other
    packed.database._opened = None
    assert len(lmdbs._OPEN) == 0
    lmdb.open(packed.root, readonly=True, lock=False).close()  # nothing holds the file any more


def test_a_file_held_open_elsewhere_is_named(packed: LmdbStore) -> None:
    with (
        lmdb.open(packed.root, readonly=True, lock=False),
        pytest.raises(DataError, match=r"packed\.lmdb: cannot be opened: .*already open"),
    ):
        packed.read("b.png")


def test_a_store_can_be_pickled_after_reading(packed: LmdbStore) -> None:
    packed.read("b.png")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(packed)).read("b.png"), image(0))


def test_a_store_survives_a_fork(packed: LmdbStore) -> None:
    # In a process of its own: forking the test's, which has threads, warns.
    script = (
        "import os, sys; from smoothkit.data.lmdb_store import LmdbStore;"
        "a, b = LmdbStore(sys.argv[1]), LmdbStore(sys.argv[1]); a.read('b.png'); b.read('b.png');"
        "child = os.fork();"
        "ok = a.read('b.png').sum() == b.read('b.png').sum();"
        "ok = ok and a.database._opened is b.database._opened;"
        "os._exit(not ok) if not child else None;"
        "sys.exit(not ok or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script, packed.root], check=True)


def test_a_damaged_lmdb_is_named(packed: LmdbStore) -> None:
    os.truncate(f"{packed.root}/data.mdb", 8192)
    with pytest.raises(DataError, match=r"packed\.lmdb: data\.mdb is cut off"):
        packed.read("b.png")
    Path(packed.root, "meta_info.txt").write_text("b.png 12 10 3\n")
    with pytest.raises(DataError, match=r"meta_info\.txt: each line must be .*got 'b\.png 12"):
        open_store(packed.root)
    Path(packed.root, "meta_info.txt").unlink()
    with pytest.raises(DataError, match=r"meta_info\.txt: cannot be read"):
        open_store(packed.root)


def test_reading_images_loads_neither_torch_nor_lmdb() -> None:
    script = (
        "import sys, smoothkit.data.store, smoothkit.ops.augment;"
        "sys.exit(bool({'torch', 'lmdb', 'basicsr', 'torchvision'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("name", "number"),
    [("12.png", 12), ("sub/007.x.png", 7), ("a.png", None), ("1_0.png", None), ("-1.png", None)],
)
def test_the_number_of_a_name_ends_at_its_first_dot(name: str, number: int | None) -> None:
    assert number_of(name) == number


def companions(root: Path, numbers: list[int]) -> Companions:
    for number in numbers:
        write_image(root / f"{number}.png", image(number))
    return numbered_companions({"edge": (str(root), ColorImages())})["edge"]


def test_a_companion_is_found_modulo_the_count(tmp_path: Path) -> None:
    images = companions(tmp_path, [0, 1, 2])
    np.testing.assert_array_equal(images.read("train/7.png", (12, 10)), image(1))


def test_a_gap_does_not_shift_the_others(tmp_path: Path) -> None:
    images = companions(tmp_path, [0, 2])
    np.testing.assert_array_equal(images.read("5.png", (12, 10)), image(2))
    with pytest.raises(DataError, match=rf"{tmp_path}/1\.png: missing; train/4\.png belongs to it"):
        images.checker()("train/4.png", (12, 10))


def test_companions_of_another_size_or_name_are_refused(tmp_path: Path) -> None:
    images = companions(tmp_path / "edge", [0])
    for use in (images.checker(), images.read):
        with pytest.raises(DataError, match=r"0\.png: must have the size .* 12x11, got 12x10"):
            use("3.png", (12, 11))
    with pytest.raises(DataError, match=r"x\.png: must be named by its number.*dataroot_edge"):
        images.checker()("x.png", (12, 10))
    write_image(tmp_path / "other" / "a.png", image(0))
    with pytest.raises(DataError, match=r"dataroot_edge: images must be named 0\.png, 1\.png"):
        companions(tmp_path / "other", [])
