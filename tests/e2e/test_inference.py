"""``python -m smoothkit.inference`` and ``filter`` on files and folders."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import smoothkit
from smoothkit.__main__ import main as command
from smoothkit.archs import build_network
from smoothkit.data.provenance import NOTE
from smoothkit.inference import main
from smoothkit.models.restorer import Restorer
from smoothkit.ops.filters import apply_filter
from smoothkit.ops.io import read_image


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``W.pth``, a JESS-Net in the reference's layout, and ``in``."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = build_network({"type": "JESSNet", "dim": 8, "num_block": 2})
    torch.save({"net": net.state_dict(), "now_epoch": 1}, "W.pth")
    for name in ("a.png", "sub/b.jpg", "sub/c.webp"):
        write(Path("in") / name, noise(20, 30, 3))
    return tmp_path


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def infer(*args: str) -> int:
    return main(["--model_path", "W.pth", *args])


def results(folder: str = "out") -> list[str]:
    files = (p for p in Path(folder).rglob("*") if p.is_file() and p.name != NOTE)
    return sorted(str(p.relative_to(folder)) for p in files)


def test_a_folder_keeps_its_names_and_formats(work):
    assert infer("--input", "in", "--output", "out") == 0
    assert results() == ["a.png", "sub/b.jpg", "sub/c.webp"]
    smooth = smoothkit.load_model("W.pth")
    image = read_image("in/a.png")
    expected = smooth(image[..., ::-1])[..., ::-1]
    np.testing.assert_array_equal(read_image("out/a.png"), expected)
    assert np.abs(expected.astype(int) - image).max() > 10


def test_one_file_and_a_suffix(work):
    options = ("--suffix", "_smooth", "--ext", "tif", "--tile", "16")
    assert infer("--input", "in/a.png", "--output", "out", *options) == 0
    assert results() == ["a_smooth.tif"]


def test_a_second_run_makes_only_what_is_missing(work, capfd):
    infer("--input", "in", "--output", "out")
    before = {name: os.stat(f"out/{name}").st_mtime_ns for name in results()}
    os.remove("out/a.png")
    assert infer("--input", "in", "--output", "out") == 0
    after = {name: os.stat(f"out/{name}").st_mtime_ns for name in results()}
    assert {name for name in before if before[name] != after[name]} == {"a.png"}
    assert "1 made, 2 already there" in capfd.readouterr().err
    infer("--input", "in", "--output", "out", "--overwrite")
    assert all(os.stat(f"out/{name}").st_mtime_ns > after[name] for name in after)


def test_results_of_other_weights_are_made_anew(work, capfd):
    assert infer("--input", "in", "--output", "out") == 0
    torch.manual_seed(1)
    net = build_network({"type": "JESSNet", "dim": 8, "num_block": 2})
    torch.save({"net": net.state_dict()}, "V.pth")
    capfd.readouterr()
    assert main(["-m", "V.pth", "-i", "in", "-o", "out"]) == 0
    err = capfd.readouterr().err
    assert "out: 3 results are made anew; what changed: weights W.pth, now V.pth." in err
    assert "3 made, 0 already there" in err
    expected = smoothkit.load_model("V.pth")(read_image("in/a.png")[..., ::-1])[..., ::-1]
    np.testing.assert_array_equal(read_image("out/a.png"), expected)
    assert main(["-m", "V.pth", "-i", "in", "-o", "out"]) == 0
    assert "0 made, 3 already there" in capfd.readouterr().err


def test_results_of_another_image_or_setting_are_made_anew(work, capfd):
    assert infer("--input", "in", "--output", "out") == 0
    write(Path("in/a.png"), 255 - noise(20, 30, 3))
    capfd.readouterr()
    assert infer("--input", "in", "--output", "out") == 0
    err = capfd.readouterr().err
    assert "out: 1 result is made anew; what changed: image a.png." in err
    assert "1 made, 2 already there" in err
    assert infer("--input", "in", "--output", "out", "--color", "rgb") == 0
    err = capfd.readouterr().err
    assert "3 results are made anew; what changed: settings (color bgr, now rgb)" in err


@pytest.mark.parametrize(
    "network",
    [
        ["--arch", "JESSNet"],
        ["--arch", "HDC_edge_refine"],
        ["-opt", "net.yml"],
    ],
)
def test_a_network_is_the_same_whether_its_weights_or_the_user_tell_what_it_is(
    work, capfd, network
):
    Path("net.yml").write_text("network_g: {type: JESSNet, in_c: 3, num_block: 2, dim: 8.0}\n")
    assert infer("--input", "in", "--output", "out") == 0
    assert infer("--input", "in", "--output", "out", *network) == 0
    err = capfd.readouterr().err
    assert "made anew" not in err
    assert "0 made, 3 already there" in err


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("HggtSwinIR", {"pad_mode": "needed"}, "network.pad_mode always, now needed"),
        ("SwinIR", {"type": "HggtSwinIR"}, "network.type SwinIR, now HggtSwinIR; "),
    ],
)
def test_results_of_a_network_with_other_options_are_made_anew(work, capfd, kind, change, told):
    size = {"upscale": 1, "img_size": 8, "window_size": 4, "depths": [1], "num_heads": [1]}
    section = {"type": kind, "embed_dim": 4, "mlp_ratio": 2.0, "upsampler": "", **size}
    torch.save(build_network(section).state_dict(), "W.pth")
    for network in (section, section, {**section, **change}):
        Path("net.yml").write_text(json.dumps({"network_g": network}))
        assert infer("--input", "in/a.png", "--output", "out", "-opt", "net.yml") == 0
    err = capfd.readouterr().err
    assert "0 made, 1 already there" in err
    assert f"out: 1 result is made anew; what changed: settings ({told}" in err


def test_files_without_a_note_are_not_replaced(work, capfd):
    write(Path("out/sub/b.jpg"), noise(5, 5, 3))
    before = Path("out/sub/b.jpg").read_bytes()
    assert infer("--input", "in", "--output", "out") == 2
    assert "out/sub/b.jpg: is there already, and no note tells" in capfd.readouterr().err
    assert results() == ["sub/b.jpg"]
    assert Path("out/sub/b.jpg").read_bytes() == before
    assert infer("--input", "in", "--output", "out", "--overwrite") == 0
    assert Path("out/sub/b.jpg").read_bytes() != before
    assert infer("--input", "in", "--output", "out") == 0


def test_a_filter_with_another_setting_is_made_anew(work, capfd):
    for words, line in (
        (["lam=0.02"], "3 made, 0 already there"),
        ([], "0 made, 3 already there"),  # which is the default
        (["lam=0.5"], "what changed: settings (lam 0.02, now 0.5)"),
    ):
        assert command(["filter", "l0", *words, "-i", "in", "-o", "out"]) == 0
        assert line in capfd.readouterr().err
    expected = apply_filter("l0", read_image("in/a.png"), {"lam": 0.5})
    np.testing.assert_array_equal(read_image("out/a.png"), expected)
    assert command(["filter", "rtv", "-i", "in", "-o", "out"]) == 0
    assert "settings (filter l0, now rtv;" in capfd.readouterr().err


def test_unreadable_files_are_named_and_skipped(work, capfd):
    Path("in/broken.png").write_bytes(Path("in/a.png").read_bytes()[:200])
    Path("in/empty.jpg").write_bytes(b"")
    assert infer("--input", "in", "--output", "out") == 2
    told = capfd.readouterr().err
    assert "skipped: in/broken.png: cannot be decoded" in told
    assert "skipped: in/empty.jpg: the file is empty" in told
    assert results() == ["a.png", "sub/b.jpg", "sub/c.webp"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("grey.png", noise(9, 12)),
        ("grey16.png", noise(9, 12, dtype=np.uint16)),
        ("deep.tif", noise(9, 12, 3, dtype=np.uint16)),
        ("alpha.png", noise(9, 12, 4)),
        ("alpha16.png", noise(9, 12, 4, dtype=np.uint16)),
        ("one.png", noise(1, 1, 3)),
        ("long.png", noise(2, 700, 3)),
    ],
)
def test_depth_grey_and_alpha_are_kept(work, name, image):
    write(Path("kinds") / name, image)
    assert infer("--input", f"kinds/{name}", "--output", "out") == 0
    result = read_image(f"out/{name}", mode="unchanged")
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    if image.ndim == 3 and image.shape[2] == 4:
        np.testing.assert_array_equal(result[..., 3], image[..., 3])


def test_a_photograph_on_its_side_comes_out_upright(work):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(20, 30, 3)).save("side.jpg", exif=exif)
    assert infer("--input", "side.jpg", "--output", "out", "--ext", "png") == 0
    assert read_image("out/side.png").shape == (30, 20, 3)


def test_results_below_the_input_are_no_inputs(work):
    for _ in range(2):
        assert infer("--input", "in", "--output", "in/out") == 0
    assert results("in/out") == ["a.png", "sub/b.jpg", "sub/c.webp"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--input", "in", "--output", "in"], "would be replaced by its result"),
        (["--input", "none", "--output", "out"], "none: no such file or folder"),
        (["--input", "void", "--output", "out"], "void: has no images"),
        (["--input", "in", "--output", "W.pth"], "W.pth: must be a folder, is a file"),
        (["--input", "in", "--output", "out", "--ext", "gif"], "--ext gif: no such format"),
        (["--input", "in", "--output", "out", "--arch", "HDCNat"], "Did you mean 'HDCNet'"),
        (["--input", "in", "--output", "out", "--arch", "HDCNet"], "W.pth"),
        (["--input", "in", "--output", "out", "--device", "cuda:9"], "device: 'cuda:9' cannot be"),
        (["--input", "in", "--output", "out", "-opt", "none.yml"], "none.yml: cannot be read"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(work, capfd, args, told):
    Path("void").mkdir()
    assert infer(*args) == 2
    message = capfd.readouterr().err
    assert told in message
    assert "Traceback" not in message
    assert not Path("out").exists()


def test_what_a_format_cannot_hold_is_skipped_by_name(work, capfd):
    write(Path("in/deep.png"), noise(4, 4, 3, dtype=np.uint16))
    write(Path("in/clear.png"), noise(4, 4, 4))
    assert infer("--input", "in", "--output", "out", "--ext", "jpg") == 2
    told = capfd.readouterr().err
    assert re.search(r"skipped: in/clear.png: .*'.jpg' cannot hold alpha", told)
    assert re.search(r"skipped: in/deep.png: .*'.jpg' cannot hold 16 bits", told)
    assert "3 made" in told


def test_one_image_that_fails_does_not_end_the_others(work, capfd, monkeypatch):
    forward = Restorer._forward

    def fragile(self, image):
        if image.shape[-1] == 7:
            raise RuntimeError("sizes do not match")
        return forward(self, image)

    monkeypatch.setattr(Restorer, "_forward", fragile)
    write(Path("in/odd.png"), noise(5, 7, 3))
    assert infer("--input", "in", "--output", "out") == 2
    assert "skipped: in/odd.png: sizes do not match" in capfd.readouterr().err
    assert len(results()) == 3


def test_results_beside_their_inputs_are_no_inputs(work):
    for _ in range(2):
        assert infer("--input", "in", "--output", "in", "--suffix", "_s") == 0
    assert results("in") == [
        "a.png", "a_s.png", "sub/b.jpg", "sub/b_s.jpg", "sub/c.webp", "sub/c_s.webp",
    ]  # fmt: skip


def test_the_output_may_be_above_the_input(work):
    assert infer("--input", "in/sub", "--output", "in", "--suffix", "_s") == 0
    assert {"b_s.jpg", "c_s.webp"} <= set(results("in"))


def test_settings_of_a_filter_may_stand_anywhere(work):
    places = (["l0", "lam=0.1", "-i", "in", "-o", "x"], ["l0", "-i", "in", "-o", "y", "lam=0.1"])
    assert [command(["filter", *words]) for words in places] == [0, 0]
    np.testing.assert_array_equal(read_image("x/a.png"), read_image("y/a.png"))
    with pytest.raises(SystemExit):
        command(["filter", "l0", "-i", "in", "-o", "z", "--lam", "1"])


def test_two_inputs_for_one_result_are_refused(work, capfd):
    write(Path("in/a.jpg"), noise(4, 4, 3))
    assert infer("--input", "in", "--output", "out", "--ext", "png") == 2
    assert "would get the result file of" in capfd.readouterr().err


def test_weights_that_do_not_tell_their_network_need_its_name(work, capfd):
    net = build_network({"type": "TinyNet"})
    torch.save(net.state_dict(), "W.pth")
    assert infer("--input", "in", "--output", "out") == 2
    assert "does not tell which network it holds. Give its name (--arch)" in capfd.readouterr().err
    assert infer("--input", "in", "--output", "out", "--arch", "TinyNet") == 0
    Path("net.yml").write_text("network_g: {type: TinyNet}\n")
    assert infer("--input", "in", "--output", "out2", "-opt", "net.yml") == 0
    assert results("out2") == results()


def test_a_result_that_cannot_be_written_stops(work, capfd, monkeypatch):
    def full(file, *args, **options):
        if ".partial" in str(file):
            raise OSError(28, "No space left on device")
        return original(file, *args, **options)

    import builtins

    original = builtins.open
    monkeypatch.setattr(builtins, "open", full)
    assert infer("--input", "in", "--output", "out") == 2
    assert "the disk is full" in capfd.readouterr().err
    assert results() == []


def test_a_checkpoint_of_ours_says_how_it_is_run(tiny, work):
    from smoothkit.train import main as train

    assert train(["-opt", str(tiny())]) == 0
    weights = "experiments/tiny/models/net_g_latest.pth"
    assert main(["-m", weights, "-i", "in/a.png", "-o", "out", "--amp", "bf16"]) == 0
    assert smoothkit.load_model(weights).settings.color == "rgb"
    assert smoothkit.load_model("W.pth").settings.color == "bgr"
    assert smoothkit.load_model("W.pth").settings.rounding == "truncate"


def test_filter_runs_over_folders_too(work):
    write(Path("in/alpha.png"), noise(9, 12, 4))
    words = ["filter", "rtv", "lam=0.02", "iterations=2", "--input", "in", "--output", "out"]
    assert command(words) == 0
    assert results() == ["a.png", "alpha.png", "sub/b.jpg", "sub/c.webp"]
    expected = apply_filter("rtv", read_image("in/a.png"), {"lam": 0.02, "iterations": 2})
    np.testing.assert_array_equal(read_image("out/a.png"), expected)
    alpha = [
        read_image(f"{folder}/alpha.png", mode="unchanged")[..., 3] for folder in ("in", "out")
    ]
    np.testing.assert_array_equal(*alpha)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rtf"], "rtf: no such filter. Did you mean 'rtv'"),
        (["rtv", "lamb=1"], "rtv.lamb: rtv takes no such option. Did you mean 'lam'"),
        (["rtv", "lam"], "lam: a setting has the form NAME=NUMBER"),
        (["l0", "kappa=1"], "l0.kappa: must be above 1"),
    ],
)
def test_a_filter_with_wrong_settings_is_refused(work, capfd, words, told):
    assert command(["filter", *words, "--input", "in", "--output", "out"]) == 2
    assert told in capfd.readouterr().err
