"""make_enhanced_gt: photographs to folders of versions, by filters and by a network."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from smoothkit.__main__ import main
from smoothkit.archs import build_network
from smoothkit.models.load import load_model
from smoothkit.ops.filters import apply_filter

TINY = {"type": "TinyNet", "width": 4}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder ``in`` with photographs of several kinds."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (24, 30, 3), np.uint8)
    Path("in").mkdir()
    cv2.imwrite("in/plain.png", colours)
    cv2.imwrite("in/a b.x.jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, 100])
    cv2.imwrite("in/grey.bmp", colours[..., 0])
    cv2.imwrite("in/deep.png", colours.astype(np.uint16) * 257)
    Image.fromarray(colours[..., ::-1]).quantize(8).save("in/palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colours[..., ::-1]).save("in/turned.png", exif=exif)
    opaque = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    cv2.imwrite("in/opaque.png", opaque)
    return tmp_path


def versions(*rows: dict) -> str:
    Path("versions.yml").write_text(yaml.safe_dump({"versions": list(rows)}))
    return "versions.yml"


def network(name: str = "net.pth", seed: int = 0) -> str:
    torch.manual_seed(seed)
    content = {"params": build_network(TINY).state_dict()}
    torch.save(content, name)
    return name


def make(*args: str, out: str = "out") -> int:
    return main(["make_enhanced_gt", "--photo_dir", "in", "--out_dir", out, *args])


def pictures(out: str = "out") -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(Path(out).rglob("*.png"))}


def test_every_kind_of_photograph_becomes_rgb_in_all_versions(folder, capsys):
    assert make("--preset", "classical") == 0
    assert "out: 35 pictures made, 0 already there, 0 skipped" in capsys.readouterr().out
    stems = ["a b.x", "deep", "grey", "opaque", "palette", "plain", "turned"]
    for name in ("original", "01", "02", "03", "04"):
        end = "" if name == "original" else f"_{name}"
        assert sorted(p.name for p in Path("out", name).iterdir()) == [
            f"{s}{end}.png" for s in stems
        ]
    for path in Path("out").rglob("*.png"):
        with Image.open(path) as image:
            assert image.mode == "RGB"
            assert image.size == ((24, 30) if "turned" in path.name else (30, 24))
    plain = cv2.imread("in/plain.png")
    for same in ("plain", "deep", "opaque"):
        assert (cv2.imread(f"out/original/{same}.png") == plain).all()
    assert (cv2.imread("out/original/turned.png") == np.rot90(plain, -1)).all()
    sharp = apply_filter("unsharp", plain, {})
    assert (cv2.imread("out/02/plain_02.png") == sharp).all()


def test_a_network_and_a_filter_from_a_file(folder):
    weights = network()
    rows = (
        {"folder": "a", "weights": weights, "tile_size": 16, "tile_pad": 4, "options": TINY},
        {"folder": "b", "suffix": "-b", "method": "unsharp", "options": {"amount": 2}},
    )
    assert make("--versions", versions(*rows)) == 0
    plain = cv2.imread("in/plain.png")
    restorer = load_model(weights, network=TINY, tile_size=16, tile_pad=4, device="cpu")
    assert (cv2.imread("out/a/plain_a.png") == restorer.restore(plain, "bgr")).all()
    assert (cv2.imread("out/b/plain-b.png") == apply_filter("unsharp", plain, {"amount": 2})).all()


def test_only_what_changed_is_made_again(folder, capfd):
    rows = [
        {"folder": "a", "weights": network(), "options": TINY},
        {"folder": "b", "method": "unsharp"},
    ]
    assert make("--versions", versions(*rows)) == 0
    assert make("--versions", versions(*rows)) == 0
    assert "0 pictures made, 21 already there" in capfd.readouterr().out
    network(seed=1)
    assert make("--versions", versions(*rows)) == 0
    assert "7 pictures made, 14 already there" in capfd.readouterr().out
    rows[1]["options"] = {"sigma": 3.0}
    assert make("--versions", versions(*rows)) == 0
    told = capfd.readouterr()
    assert "7 pictures made, 14 already there" in told.out
    assert "settings (sigma 1.5, now 3.0)" in told.err
    cv2.imwrite("in/plain.png", np.zeros((24, 30, 3), np.uint8))
    assert make("--versions", versions(*rows)) == 0
    assert "3 pictures made, 18 already there" in capfd.readouterr().out


def test_shards_make_together_what_one_run_makes(folder):
    assert make("--preset", "classical", out="whole") == 0
    for shard in ("1/2", "2/2"):
        assert make("--preset", "classical", "--shard", shard) == 0
    assert pictures() == pictures("whole")


def test_torchrun_shares_the_photographs(folder, monkeypatch):
    for rank in ("0", "1"):
        for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": rank, "LOCAL_RANK": rank,
                            "WORLD_SIZE": "2"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        assert make("--preset", "classical", "--device", "cpu") == 0
        assert len(pictures()) == (20 if rank == "0" else 35)


def test_a_run_that_is_killed_goes_on_to_the_same_files(folder):
    assert make("--preset", "classical", out="whole") == 0
    command = [sys.executable, "-m", "smoothkit", "make_enhanced_gt", "--photo_dir", "in"]
    command += ["--out_dir", "out", "--preset", "classical"]
    killed = 0
    for count in (2, 9, 20):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(list(Path("out").rglob("*.png"))) < count and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed
    assert make("--preset", "classical") == 0
    assert pictures() == pictures("whole")
    assert not list(Path("out").rglob("*.tmp*"))


def test_a_photograph_that_cannot_be_used_is_named_and_the_others_are_made(folder, capsys):
    Path("in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    see_through = np.zeros((9, 9, 4), np.uint8)
    cv2.imwrite("in/glass.png", see_through)
    assert make("--preset", "classical") == 2
    done = capsys.readouterr()
    assert "35 pictures made, 0 already there, 2 skipped" in done.out
    assert "skipped: in/broken.png: " in done.err
    assert "skipped: in/glass.png: has transparent pixels. Put it on a background." in done.err


def test_what_is_there_and_of_unknown_origin_is_not_replaced(folder, capsys):
    Path("out/02").mkdir(parents=True)
    cv2.imwrite("out/02/plain_02.png", np.zeros((3, 3, 3), np.uint8))
    before = Path("out/02/plain_02.png").read_bytes()
    assert make("--preset", "classical") == 2
    assert "out/02/plain_02.png: is there already" in capsys.readouterr().err
    assert Path("out/02/plain_02.png").read_bytes() == before
    assert make("--preset", "classical", "--overwrite") == 0
    assert Path("out/02/plain_02.png").read_bytes() != before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"folder": "a"}], "must have 'weights' (a file) or 'method'"),
        ([{"folder": "original", "method": "unsharp"}], "must be the name of a folder of its own"),
        ([{"folder": "a/b", "method": "unsharp"}], "must be the name of a folder of its own"),
        ([{"folder": "a", "method": "unsharp", "tile_size": 9}], "filters take whole images"),
        ([{"folder": "a", "method": "unsharpe"}], "Did you mean 'unsharp'"),
        ([{"folder": "a", "method": "unsharp", "options": {"sigma": 0}}], "unsharp.sigma: must be"),
        ([{"folder": "a", "metod": "unsharp"}], "versions.yml:3: versions.0.metod: "),
        ([{"folder": "a", "method": "unsharp"}] * 2, "several have the folder a"),
        ([], "versions: is empty"),
        ([{"folder": "a", "weights": "no.pth"}, {"folder": "b", "weights": "nor.pth"}], "nor.pth"),
    ],
)
def test_wrong_versions_are_refused_before_anything_is_made(folder, capsys, rows, message):
    assert make("--versions", versions(*rows)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert not Path("out").exists()


def test_missing_published_weights_say_where_they_come_from(folder, capsys):
    assert make("--preset", "hggt") == 2
    told = capsys.readouterr().err
    assert "experiments/pretrained_models/enhancement/RCAN_01.pth: no such" in told
    assert "https://drive.google.com/drive/folders/" in told


def test_twin_names_and_a_folder_that_would_be_written_to_are_refused(folder, capsys):
    cv2.imwrite("in/plain.bmp", np.zeros((3, 3, 3), np.uint8))
    assert make("--preset", "classical") == 2
    assert "has the name of plain.bmp. Rename one of them." in capsys.readouterr().err
    args = ["--photo_dir", "p/original", "--out_dir", "p", "--preset", "classical"]
    Path("p").mkdir()
    Path("in").rename("p/original")
    Path("p/original/plain.bmp").unlink()
    assert main(["make_enhanced_gt", *args]) == 2
    assert "p/original: would be written to" in capsys.readouterr().err
