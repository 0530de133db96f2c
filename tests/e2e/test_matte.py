"""``python -m smoothkit matte`` on files and folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smoothkit.__main__ import main as command
from smoothkit.archs import build_network
from smoothkit.data.provenance import NOTE
from smoothkit.inference import main as infer
from smoothkit.ops.io import to_float
from smoothkit.systems.lsa.foreground import checkerboard
from smoothkit.systems.lsa.matting import Matting, load_matting
from smoothkit.systems.lsa.predict import MattingPredictor


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder: ``W.pth`` in the published layout, ``in``, ``trimaps`` and ``masks``."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = build_network({"type": "LsaNet", "width": 4, "blocks": [1, 1, 1, 1]})
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state}, "W.pth")
    for name in ("a.png", "sub/b.jpg"):
        write(Path("in") / name, noise(40, 50, 3))
        write((Path("trimaps") / name).with_suffix(".png"), thirds(40, 50))
        write((Path("masks") / name).with_suffix(".png"), np.uint8(255 * (thirds(40, 50) > 0)))
    return tmp_path


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def thirds(height: int, width: int) -> np.ndarray:
    trimap = np.full((height, width), 128, np.uint8)
    trimap[:, : width // 3], trimap[:, -width // 3 :] = 255, 0
    return trimap


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def read(path: str) -> np.ndarray:
    return cv2.imread(path, cv2.IMREAD_UNCHANGED)


def matte(*args: str) -> int:
    return command(["matte", "-m", "W.pth", "-o", "out", *args])


def results() -> list[str]:
    files = (p for p in Path("out").rglob("*") if p.is_file() and p.name != NOTE)
    return sorted(str(p.relative_to("out")) for p in files)


def test_a_folder_of_images_and_trimaps_gives_alphas(work):
    assert matte("-i", "in", "--trimap", "trimaps") == 0
    assert results() == ["a.png", "sub/b.png"]
    alpha = read("out/a.png")
    assert alpha.dtype == np.uint8
    assert (alpha[:, :16] == 255).all()
    assert (alpha[:, -16:] == 0).all()
    expected = load_matting("W.pth", device="cpu")(read("in/a.png"), read("trimaps/a.png"))
    assert np.abs(to_float(alpha) - expected).max() <= 0.5001 / 255


def test_sixteen_bits_hold_more(work):
    assert matte("-i", "in/a.png", "--trimap", "trimaps/a.png", "--bits", "16") == 0
    alpha = read("out/a.png")
    assert alpha.dtype == np.uint16
    expected = load_matting("W.pth", device="cpu")(read("in/a.png"), read("trimaps/a.png"))
    assert np.abs(to_float(alpha) - expected).max() <= 0.5001 / 65535
    assert (alpha % 257 != 0).any()


def test_foreground_and_previews_come_beside_the_alpha(work):
    write(Path("bg.png"), noise(90, 70, 3))
    args = "-i", "in", "--trimap", "trimaps", "--foreground"
    assert matte(*args, "--composite", "checkerboard") == 0
    wanted = ["a.png", "composite/a.png", "composite/sub/b.png", "foreground/a.png"]
    assert results() == [*wanted, "foreground/sub/b.png", "sub/b.png"]
    cutout, shown = read("out/foreground/a.png"), read("out/composite/a.png")
    assert cutout.shape == (40, 50, 4)
    np.testing.assert_array_equal(cutout[..., 3], read("out/a.png"))
    opaque = cutout[:, :16, :3].astype(int)
    assert np.median(np.abs(opaque - read("in/a.png")[:, :16])) <= 1
    empty = np.rint(checkerboard(40, 50) * 255)[:, -16:]
    np.testing.assert_array_equal(shown[:, -16:], empty)
    assert matte(*args, "--composite", "bg.png", "--overwrite") == 0
    assert not np.array_equal(read("out/composite/a.png")[:, -16:], empty)


def test_a_second_run_makes_only_what_is_missing(work, caplog):
    args = "-i", "in", "--trimap", "trimaps", "--composite", "checkerboard"
    assert matte(*args) == 0
    Path("out/composite/a.png").unlink()
    before = Path("out/sub/b.png").stat().st_mtime_ns
    assert matte(*args) == 0
    assert Path("out/composite/a.png").exists()
    assert Path("out/sub/b.png").stat().st_mtime_ns == before


def test_mattes_of_another_trimap_checkpoint_or_setting_are_made_anew(work, capfd):
    def lines(*args: str) -> str:
        capfd.readouterr()
        assert matte("-i", "in", *args) == 0
        return capfd.readouterr().err

    assert "2 made, 0 already there" in lines("--mask", "masks")
    assert "what changed: settings (erode 15, now 3)" in lines("--mask", "masks", "--erode", "3")
    assert "what changed: mask a.png, now none" in lines("--trimap", "trimaps")
    write(Path("trimaps/a.png"), thirds(40, 50)[:, ::-1])
    told = lines("--trimap", "trimaps")
    assert "out: 1 result is made anew; what changed: trimap a.png." in told
    assert "1 made, 1 already there" in told
    content = torch.load("W.pth", weights_only=True)
    torch.save({**content, "epoch": 2}, "W.pth")
    assert "what changed: weights W.pth" in lines("--trimap", "trimaps")
    assert "0 made, 2 already there" in lines("--trimap", "trimaps", "--device", "cpu")


def test_a_composite_before_another_background_is_made_anew(work, capfd):
    for name, level in (("x.png", 50), ("y.png", 200)):
        write(Path(name), np.full((40, 50, 3), level, np.uint8))
    args = "-i", "in/a.png", "--trimap", "trimaps/a.png", "--composite"
    change = "what changed: background x.png, now y.png"
    for background, told in (("x.png", "1 made"), ("y.png", change)):
        assert matte(*args, background) == 0
        assert told in capfd.readouterr().err
    assert (read("out/composite/a.png")[:, -16:] == 200).all()
    assert matte(*args, "checkerboard") == 0
    assert "what changed: background y.png, now none" in capfd.readouterr().err


def test_a_mask_becomes_a_trimap(work):
    assert matte("-i", "in", "--mask", "masks", "--erode", "3", "--dilate", "3") == 0
    alpha = read("out/a.png")
    assert (alpha[:, :27] == 255).all()  # the mask ends at column 34
    assert (alpha[:, 38:] == 0).all()
    assert len(np.unique(alpha[:, 31:37])) > 2


def test_other_levels_are_snapped_or_refused(work, capfd):
    trimap = thirds(40, 50)
    trimap[trimap == 128] = 102
    write(Path("trimaps/a.png"), trimap)
    assert matte("-i", "in/a.png", "--trimap", "trimaps", "--levels", "refuse") == 2
    assert (
        "trimaps/a.png: must have no levels but 0, 128 and 255, got 102" in capfd.readouterr().err
    )
    assert matte("-i", "in/a.png", "--trimap", "trimaps") == 0


@pytest.mark.parametrize("channels", [1, 4], ids=["grey", "with alpha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=str)
def test_other_kinds_of_images_are_taken(work, channels, dtype):
    write(Path("in/a.png"), noise(40, 50, channels, dtype=dtype))
    assert matte("-i", "in/a.png", "--trimap", "trimaps", "--foreground") == 0
    assert read("out/a.png").shape == (40, 50)
    assert read("out/foreground/a.png").dtype == dtype


@pytest.mark.parametrize("size", [(1, 1), (5, 31)], ids=str)
def test_small_images_are_taken(work, size):
    write(Path("in/a.png"), noise(*size, 3))
    write(Path("trimaps/a.png"), np.full(size, 128, np.uint8))
    assert matte("-i", "in/a.png", "--trimap", "trimaps") == 0
    assert read("out/a.png").shape == size


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda: Path("trimaps/a.png").unlink(), "in/a.png: has no trimap called 'a' in trimaps."),
        (lambda: Path("in/a.png").write_bytes(b"x"), "in/a.png: is not a PNG, JPEG"),
        (lambda: Path("trimaps/a.png").write_bytes(b""), "trimaps/a.png: the file is empty"),
        (lambda: write(Path("trimaps/a.png"), thirds(40, 51)),
         "trimaps/a.png: must have the size of in/a.png, 40x50, got 40x51."),
        (lambda: write(Path("trimaps/a.png"), noise(40, 50, 3)), "must be grey, got colours"),
    ],
)  # fmt: skip
def test_one_bad_file_is_named_and_the_rest_is_made(work, capfd, break_it, message):
    break_it()
    assert matte("-i", "in", "--trimap", "trimaps") == 2
    assert message in capfd.readouterr().err
    assert results() == ["sub/b.png"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--trimap", "none"), "--trimap none: no such file or folder."),
        (("--mask", "masks/a.png"), "--mask masks/a.png: must be a folder, since --input is one."),
        (("--trimap", "trimaps", "--bits", "16", "--ext", "jpg"), "--ext jpg: cannot hold 16 bits"),
        (("--trimap", "trimaps", "--composite", "no.png"), "no.png: no such file"),
        (("--trimap", "trimaps", "--scales", "0"), "scales: must be numbers above 0"),
    ],
)
def test_faults_are_named_before_anything_is_made(work, capfd, args, message):
    assert matte("-i", "in", *args) == 2
    assert message in capfd.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("-i", "in/foreground", "--trimap", "trimaps", "--foreground", "-o", "in"),
        ("-i", "in", "--trimap", "trimaps", "-o", "trimaps", "--overwrite"),
        ("-i", "in", "--trimap", "trimaps", "-o", "trimaps"),
        ("-i", "in", "--mask", "masks", "-o", "masks"),
        ("-i", "in/a.png", "--trimap", "trimaps", "--composite", "out/composite/a.png"),
    ],
    ids=["inputs", "trimaps", "trimaps kept", "masks", "background"],
)
def test_what_is_read_is_never_replaced(work, capfd, args):
    for folder in ("in/foreground", "out/composite"):
        write(Path(folder) / "a.png", noise(40, 50, 3))
    before = {path: path.read_bytes() for path in Path().rglob("*.png")}
    assert matte(*args) == 2
    assert "is read, and a result would replace it. Give another -o." in capfd.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*.png")} == before


def test_python_snaps_as_the_command_does(work):
    image, trimap = read("in/a.png"), read("trimaps/a.png")
    matting = load_matting("W.pth", device="cpu")
    expected = matting(image, trimap)
    grey = np.where(trimap == 128, 102, trimap).astype(np.uint8)
    np.testing.assert_array_equal(matting(image, np.dstack([grey] * 3)), expected)


def test_an_input_in_a_folder_of_results_is_refused(work, capfd):
    write(Path("in/foreground/a.png"), noise(40, 50, 3))
    assert matte("-i", "in", "--trimap", "trimaps", "--foreground") == 2
    assert "which is a result of in/a.png. Rename one." in capfd.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("option", "image", "told"),
    [
        ("--trimap", np.full((40, 50), 128), "m.png: has unknown pixels only, so it says nothing."),
        ("--trimap", np.zeros((40, 50)), "m.png: has no unknown pixel, so there is nothing to"),
        ("--trimap", 60 * (thirds(40, 50) > 0), "m.png: has other levels than 0, 128 and 255"),
        ("--mask", np.zeros((40, 50)), "m.png: gives no unknown pixel, so there is nothing to"),
    ],
    ids=["all unknown", "none unknown", "other levels", "empty mask"],
)
def test_what_is_seldom_meant_is_told(work, capfd, option, image, told):
    write(Path("m.png"), image.astype(np.uint8))
    assert matte("-i", "in/a.png", option, "m.png") == 0
    assert told in capfd.readouterr().err


def test_a_mask_of_labels_is_refused(work, capfd):
    write(Path("m.png"), (thirds(40, 50) > 0).astype(np.uint8))
    assert matte("-i", "in/a.png", "--mask", "m.png") == 2
    assert "m.png: has levels 0 and 1 alone, as labels" in capfd.readouterr().err


def test_refinement_has_its_options(work):
    images = []
    for options in ([], ["--refine_lr", "200"], ["--refine_stages", "2"]):
        args = "-i", "in/a.png", "--trimap", "trimaps", "--bits", "16", "--refine", "4"
        assert matte(*args, "--overwrite", *options) == 0
        images.append(read("out/a.png"))
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_each_kind_of_network_has_its_command(work, capfd):
    assert infer(["-m", "W.pth", "-i", "in", "-o", "out"]) == 2
    assert "W.pth: holds LsaNet, which takes a trimap" in capfd.readouterr().err
    torch.save({"net": build_network({"type": "JESSNet"}).state_dict()}, "J.pth")
    assert command(["matte", "-m", "J.pth", "-i", "in", "-o", "out", "--trimap", "trimaps"]) == 2
    assert "J.pth: holds JESSNet, which takes no trimap" in capfd.readouterr().err


def test_refinement_and_views_change_alpha(work):
    image, trimap = read("in/a.png"), read("trimaps/a.png")
    found = []
    for options in ({}, {"refine": {"steps": 5}}, {"views": "rotations"}, {"scales": [0.8, 1.25]}):
        matting = load_matting("W.pth", device="cpu", predictor=MattingPredictor(**options))
        found.append(matting(image, trimap))
    assert all(alpha.shape == (40, 50) for alpha in found)
    assert all(np.abs(alpha - found[0]).max() > 1e-6 for alpha in found[1:])


def test_bf16_stays_close(work):
    image, trimap = read("in/a.png"), read("trimaps/a.png")
    net = build_network({"type": "LsaNet", "width": 4, "blocks": [1, 1, 1, 1]})
    exact, mixed = (
        Matting(net, dtype=dtype)(image, trimap) for dtype in (torch.float32, torch.bfloat16)
    )
    assert 0 < np.abs(exact - mixed).max() < 0.05


def test_refinement_is_in_float32_whatever_else_is_not(work):
    image, trimap = read("in/a.png"), read("trimaps/a.png")
    net = build_network({"type": "LsaNet", "width": 4, "blocks": [1, 1, 1, 1]})
    predictor = MattingPredictor(refine={"steps": 3})
    exact, mixed = (
        Matting(net, predictor=predictor, dtype=dtype)(image, trimap)
        for dtype in (torch.float32, torch.bfloat16)
    )
    np.testing.assert_array_equal(exact, mixed)


@pytest.mark.parametrize("options", [(), ("--refine", "3"), ("--no_border",), ("--bits", "16")])
def test_a_network_that_gives_nan_gives_no_matte(work, capfd, options):
    content = torch.load("W.pth", weights_only=True)
    name = next(key for key in content["state_dict"] if key.endswith("final_final.conv3.bias"))
    content["state_dict"][name].fill_(float("nan"))
    torch.save(content, "W.pth")
    assert matte("-i", "in", "--trimap", "trimaps", *options) == 2
    assert "LsaNet: its result must be finite, got NaN or infinity" in capfd.readouterr().err
    assert not list(Path("out").rglob("*.png"))
