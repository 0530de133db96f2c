from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.core.errors import DataError
from smoothkit.core.weights import load_file, network_state
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image
from smoothkit.systems.hggt_sr.arch import LocNet
from smoothkit.systems.hggt_sr.prepare import choose_images, convert_pickled_network
from support.hggt import make_folder

INDEX = "data_preparation/hggt_index.py"
FOLDERS = "--image_dir images --label_dir labels"


@pytest.fixture(autouse=True)
def sets(tmp_path: Path) -> None:
    make_folder(tmp_path)


def test_statistics_are_printed(run_script, capsys) -> None:
    assert run_script(INDEX, FOLDERS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sets: 4" in lines
    assert "positive pictures: 3" in lines
    assert "negative pictures: 4" in lines
    assert lines[-1] == "annotators: 3, all agree on 100.0% of pictures"


def test_files_of_a_label_are_listed_linked_and_copied(run_script, capsys, tmp_path: Path) -> None:
    names = [f"{number:04d}-0-0_01.png" for number in range(3)]
    assert run_script(INDEX, f"{FOLDERS} --list positive") == 0
    assert capsys.readouterr().out.splitlines() == [f"images/01/{name}" for name in names]
    for _ in range(2):
        assert run_script(INDEX, f"{FOLDERS} --gather positive --out_dir linked") == 0
    assert sorted(path.name for path in (tmp_path / "linked").iterdir()) == names
    assert os.path.samefile(f"linked/{names[0]}", f"images/01/{names[0]}")
    assert run_script(INDEX, f"{FOLDERS} --gather negative --out_dir copied --copy") == 0
    first = tmp_path / "copied/0000-0-0_02.png"
    assert not os.path.samefile(first, "images/02/0000-0-0_02.png")
    write_image(first, torch.zeros(4, 4, 3, dtype=torch.uint8).numpy())
    assert run_script(INDEX, f"{FOLDERS} --gather negative --out_dir copied") == 2
    assert "is there already, with other content" in capsys.readouterr().err


def test_a_folder_is_checked(run_script, capsys, tmp_path: Path) -> None:
    assert run_script(INDEX, f"{FOLDERS} --check") == 0
    assert "0 faults" in capsys.readouterr().out
    (tmp_path / "images/02/0001-0-0_02.png").unlink()
    write_image("images/03/0002-0-0_03.png", torch.zeros(4, 4, 3, dtype=torch.uint8).numpy())
    assert run_script(INDEX, f"{FOLDERS} --check") == 2
    told = capsys.readouterr()
    assert "2 faults" in told.out
    assert "0001-0-0_02.png: missing, though it has labels" in told.err
    assert "0002-0-0_03.png: must have the size of the others of its set, 56x56" in told.err
    assert run_script(INDEX, f"{FOLDERS} --annotators 4") == 2


def test_all_faults_of_labels_are_told(run_script, capsys, tmp_path: Path) -> None:
    (tmp_path / "labels/B/0001-0-0.json").unlink()
    path = tmp_path / "labels/A/0002-0-0.json"
    path.write_text(path.read_text().replace('"Negative"', '"Nagative"'))
    shutil.copy("images/01/0000-0-0_01.png", "images/01/9999-0-0_01.png")
    shutil.rmtree(tmp_path / "labels/C")
    assert run_script(INDEX, f"{FOLDERS} --check") == 2
    err = capsys.readouterr().err
    assert "labels: has labels of 2 annotators, needs 3" in err
    assert "labels/B/0001-0-0.json: missing, only A labelled this set" in err
    assert "labels/A/0002-0-0.json: the label of 02 is 'nagative', neither Positive, " in err
    assert "images/01/9999-0-0_01.png: has no labels" in err
    assert run_script(INDEX, f"{FOLDERS} --check --annotators 2") == 2
    assert "needs" not in capsys.readouterr().err.replace("Each set needs", "")


def test_a_packed_folder_is_checked(run_script, capsys, tmp_path: Path) -> None:
    create_lmdb(open_store("images", is_recursive=True), tmp_path / "images.lmdb")
    assert run_script(INDEX, "--image_dir images.lmdb --label_dir labels --check") == 0


def test_images_are_drawn_by_a_seed(run_script, tmp_path: Path) -> None:
    first = choose_images("gt", "a", 2, seed=1)
    assert choose_images("gt", "b", 2, seed=1) == first
    assert len({tuple(choose_images("gt", f"c{seed}", 2, seed=seed)) for seed in range(9)}) > 1
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == first
    arguments = "--imgpath gt --savepath d --number 9"
    assert run_script("data_preparation/random_choose.py", arguments) == 2


def test_a_pickled_locnet_is_converted_where_it_is_trusted(
    run_script, capsys, tmp_path: Path
) -> None:
    net = build_network({"type": "LocNet"})
    main = sys.modules["__main__"]
    main.LocNet = type("LocNet", (LocNet,), {"__module__": "__main__"})
    net.__class__ = main.LocNet
    torch.save(net, "whole.pth")
    del main.LocNet
    with pytest.raises(
        DataError, match=r"code. It names __main__.LocNet. .*convert_pickled_locnet"
    ):
        load_file("whole.pth")
    assert run_script("data_preparation/convert_pickled_locnet.py", "whole.pth out.pth") == 2
    assert not Path("out.pth").exists()
    assert convert_pickled_network("whole.pth", "out.pth") == 23
    assert not hasattr(main, "LocNet")
    state = network_state(load_file("out.pth"), "out.pth")
    build_network({"type": "LocNet"}).load_state_dict(state)
    with pytest.raises(DataError, match=r"gt/0000-0-0.png: holds no pickled module"):
        convert_pickled_network("gt/0000-0-0.png", "no.pth")
