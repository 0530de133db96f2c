from __future__ import annotations

import os
import runpy
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import read_image, to_float, to_uint8, to_uint16, write_image
from smoothkit.systems.lsa.prepare import reestimate_foregrounds
from smoothkit.systems.lsa.reestimate import reestimate

TESTS = Path(__file__).parents[2]
SCRIPT = TESTS.parent / "scripts" / "data_preparation" / "reestimate_foreground.py"


def pixels(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Random foreground and soft alpha of a size of its own, bytes."""
    rng = np.random.default_rng(list(name.encode()))
    height, width = rng.integers(20, 40, 2)
    alpha = cv2.resize(rng.random((4, 5)) * 2 - 0.5, (width, height)).clip(0, 1)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8), to_uint8(alpha)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders ``fg`` and ``alpha`` with a, b and c."""
    for name in "abc":
        fg, alpha = pixels(name)
        write_image(tmp_path / "fg" / f"{name}.png", fg)
        write_image(tmp_path / "alpha" / f"{name}.png", alpha)
    return tmp_path


def run(data: Path, out: str = "out", **options) -> list[str]:
    options = {"iterations": 2, "device": "cpu", **options}
    made = reestimate_foregrounds(data / "fg", data / "alpha", data / out, **options)
    return [path.name for path in made]


def expected(fg: np.ndarray, alpha: np.ndarray, **options) -> np.ndarray:
    return reestimate(to_float(fg), to_float(alpha), **{"iterations": 2, **options})


def test_results_are_rounded(data: Path) -> None:
    assert run(data, kappa=0.5, scales=3) == ["a.png", "b.png", "c.png"]
    for name in "abc":
        found = read_image(data / "out" / f"{name}.png")
        levels = to_uint8(expected(*pixels(name), kappa=0.5, scales=3))
        np.testing.assert_array_equal(found, levels)


def test_truncated_results_are_those_of_float64(data: Path) -> None:
    fg, _ = pixels("a")
    # Beside these pixels colours change by less than float32 can tell.
    alpha = np.random.default_rng(0).choice([253, 254, 255], fg.shape[:2], p=[0.02, 0.02, 0.96])
    write_image(data / "alpha" / "a.png", alpha.astype(np.uint8))
    run(data, truncate=True)
    exact = reestimate(fg / 255, alpha / 255, iterations=2)
    found = read_image(data / "out" / "a.png")
    np.testing.assert_array_equal(found, np.floor(exact.clip(0, 1) * 255 + 1e-11))
    assert (np.rint(exact * 255) != found).mean() > 0.05


def test_a_constant_colour_is_not_cut(data: Path) -> None:
    _, alpha = pixels("a")
    colour = np.full((*alpha.shape, 3), (204, 51, 7), np.uint8)
    write_image(data / "fg" / "a.png", colour)
    run(data, truncate=True)
    np.testing.assert_array_equal(read_image(data / "out" / "a.png"), colour)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_do_not_change_results_nor_the_threads_of_torch(data: Path, workers: int) -> None:
    threads = torch.get_num_threads()
    run(data)
    assert run(data, "again", workers=workers) == ["a.png", "b.png", "c.png"]
    assert torch.get_num_threads() == threads
    for name in "abc":
        paths = [data / out / f"{name}.png" for out in ("out", "again")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_start_from_the_product_is_passed_on(data: Path) -> None:
    run(data, scales=1, init="product")
    levels = to_uint8(expected(*pixels("a"), scales=1, init="product"))
    np.testing.assert_array_equal(read_image(data / "out" / "a.png"), levels)


def test_start_from_the_multilevel_estimate_removes_the_background(data: Path) -> None:
    _, alpha = pixels("a")
    true = np.full((*alpha.shape, 3), (0.1, 0.4, 0.3))
    weights = to_float(alpha)[..., None]
    write_image(data / "fg" / "a.png", to_uint8(weights * true + (1 - weights)))
    errors = []
    for init in ("foreground", "multilevel"):
        run(data, init, init=init, iterations=20)
        found = to_float(read_image(data / init / "a.png"))
        errors.append(np.square(found - true)[(alpha > 0) & (alpha < 255)].mean())
    assert errors[1] < 0.1 * errors[0]


@pytest.mark.parametrize("kind", ["jpg", "rgb", "16 bits"])
def test_alphas_of_any_kind_belong_to_their_stem(data: Path, kind: str) -> None:
    run(data)
    _, alpha = pixels("a")
    (data / "alpha" / "a.png").unlink()
    if kind == "jpg":
        write_image(data / "alpha" / "a.jpg", alpha)
    elif kind == "rgb":
        write_image(data / "alpha" / "a.bmp", np.dstack([alpha] * 3))
    else:
        write_image(data / "alpha" / "a.tif", alpha.astype(np.uint16) * 257)
    assert run(data, "again") == ["a.png", "b.png", "c.png"]
    found, before = (read_image(data / out / "a.png").astype(int) for out in ("again", "out"))
    limit = 8 if kind == "jpg" else 0
    assert np.abs(found - before).mean() <= limit


def test_own_alpha_channel_of_a_foreground_is_dropped(data: Path) -> None:
    run(data)
    fg, alpha = pixels("a")
    write_image(data / "fg" / "a.png", np.dstack([fg, alpha]))
    run(data, "again")
    assert (data / "again" / "a.png").read_bytes() == (data / "out" / "a.png").read_bytes()


def test_sixteen_bits_stay(data: Path) -> None:
    fg, alpha = pixels("a")
    deep = fg.astype(np.uint16) * 257 + 5
    write_image(data / "fg" / "a.png", deep)
    run(data, truncate=True)
    found = read_image(data / "out" / "a.png")
    wanted = to_uint16(expected(np.minimum(deep, 65535), alpha))
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_whole_results_are_kept_and_others_made(data: Path) -> None:
    run(data)
    whole = {name: (data / "out" / f"{name}.png").read_bytes() for name in "abc"}
    untouched = (data / "out" / "a.png").stat().st_mtime_ns
    (data / "out" / "b.png").write_bytes(whole["b"][:-200])
    (data / "out" / "c.png").unlink()
    (data / "out" / ".c.png.999999999.partial").write_bytes(whole["c"][:100])
    assert run(data) == ["b.png", "c.png"]
    assert {name: (data / "out" / f"{name}.png").read_bytes() for name in "abc"} == whole
    assert (data / "out" / "a.png").stat().st_mtime_ns == untouched
    assert [path.name for path in (data / "out").glob(".*")] == [NOTE]
    assert run(data) == []


def test_results_made_otherwise_are_made_anew_and_that_is_told(data: Path, caplog) -> None:
    caplog.set_level("INFO")
    run(data)
    assert run(data, kappa=0.5) == ["a.png", "b.png", "c.png"]
    told = "out: 3 results are made anew; what changed: settings (kappa 1.0, now 0.5)."
    assert told in caplog.text
    levels = to_uint8(expected(*pixels("a"), kappa=0.5))
    np.testing.assert_array_equal(read_image(data / "out" / "a.png"), levels)
    assert run(data, kappa=0.5) == []


@pytest.mark.parametrize("folder", ["fg", "alpha"])
def test_what_was_made_from_other_content_is_made_again(data: Path, folder: str) -> None:
    run(data)
    path = data / folder / "b.png"
    before = path.stat()
    write_image(path, 255 - read_image(path, mode="whole"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(data) == ["b.png"]
    pair = [read_image(data / part / "b.png", mode="whole") for part in ("fg", "alpha")]
    levels = to_uint8(expected(*(image.squeeze() for image in pair)))
    np.testing.assert_array_equal(read_image(data / "out" / "b.png"), levels)
    assert run(data) == []


def test_results_touched_up_by_hand_are_not_replaced(data: Path) -> None:
    run(data)
    write_image(data / "out" / "b.png", 255 - read_image(data / "out" / "b.png"))
    before = (data / "out" / "b.png").read_bytes()
    with pytest.raises(DataError, match=r"out/b\.png: is there already, and no note tells what"):
        run(data)
    assert (data / "out" / "b.png").read_bytes() == before
    assert run(data, overwrite=True) == ["a.png", "b.png", "c.png"]


def test_sources_written_again_with_the_same_content_are_the_same_ones(data: Path) -> None:
    run(data)
    for path in [*(data / "fg").iterdir(), *(data / "alpha").iterdir()]:
        path.write_bytes(path.read_bytes())
        os.utime(path, (2**31, 2**31))
    assert run(data) == []


def test_images_that_no_note_is_beside_are_refused_or_overwritten(data: Path) -> None:
    write_image(data / "out" / "a.png", pixels("z")[0])
    foreign = (data / "out" / "a.png").read_bytes()
    told = r"out/a\.png: is there already, and no note tells what .* or overwrite what is there\.$"
    with pytest.raises(DataError, match=told):
        run(data)
    assert [path.name for path in (data / "out").iterdir()] == ["a.png"]
    assert (data / "out" / "a.png").read_bytes() == foreign
    assert run(data, overwrite=True) == ["a.png", "b.png", "c.png"]


def test_a_kill_never_leaves_a_result_that_counts_for_other_sources(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before a result has its name: the alpha before comes back after it."""
    run(data)
    whole, path = (data / "out" / "a.png").read_bytes(), data / "alpha" / "a.png"
    content = path.read_bytes()
    write_image(path, 255 - read_image(path, mode="whole"))
    real = os.replace

    def killed(*args: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run(data)
    monkeypatch.setattr(os, "replace", real)
    path.write_bytes(content)
    run(data)
    assert (data / "out" / "a.png").read_bytes() == whole


def test_a_killed_run_leaves_no_half_written_file_and_goes_on(data: Path, run_python) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from support.kill_at import arm\n"
        "from smoothkit.systems.lsa.prepare import reestimate_foregrounds\n"
        "arm('replace', 2)  # a, and b\n"
        "folders = [Path(sys.argv[2]) / name for name in ('fg', 'alpha', 'out')]\n"
        "list(reestimate_foregrounds(*folders, iterations=2, device='cpu', workers=1))\n"
    )
    assert run_python("-c", code, str(TESTS), str(data)).returncode == -signal.SIGKILL
    assert [path.name for path in (data / "out").glob("[!.]*.png")] == ["a.png"]
    assert run(data) == ["b.png", "c.png"]
    assert [path.name for path in (data / "out").glob(".*")] == [NOTE]


def test_what_cannot_be_used_is_named_at_the_end(data: Path) -> None:
    good = pixels("a")[1]
    write_image(data / "fg" / "d.png", pixels("a")[0])
    for name, alpha in (("e", good[1:]), ("f", np.dstack([good, good, 255 - good])), ("g", good)):
        write_image(data / "fg" / f"{name}.png", pixels("a")[0])
        write_image(data / "alpha" / f"{name}.png", alpha)
    content = (data / "fg" / "g.png").read_bytes()
    (data / "fg" / "g.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as caught:
        run(data)
    lines = str(caught.value).splitlines()
    assert [
        line.split(": ", 1)[0].removeprefix(f"{data}{os.sep}").replace(os.sep, "/")
        for line in lines
    ] == ["fg/d.png", "alpha/e.png", "alpha/f.png", "fg/g.png"]
    reasons = ("no alpha", "must have the size", "must be grey", "damaged")
    assert all(told in line for told, line in zip(reasons, lines, strict=True))
    assert sorted(path.stem for path in (data / "out").glob("*.png")) == ["a", "b", "c"]


def test_overwriting_that_is_cut_short_leaves_nothing_of_the_former_recipe(data: Path) -> None:
    run(data)
    options = {"iterations": 2, "device": "cpu", "kappa": 0.5, "workers": 1}
    folders = [data / name for name in ("fg", "alpha", "out")]
    next(reestimate_foregrounds(*folders, overwrite=True, **options))
    run(data, kappa=0.5)
    for name in "abc":
        levels = to_uint8(expected(*pixels(name), kappa=0.5))
        np.testing.assert_array_equal(read_image(data / "out" / f"{name}.png"), levels)


@pytest.mark.parametrize("folder", ["fg", "alpha"])
def test_two_files_of_one_stem_are_refused(data: Path, folder: str) -> None:
    write_image(data / folder / "b.jpg", pixels("b")[0])
    with pytest.raises(DataError, match=rf"{folder}: has both b\.jpg and b\.png"):
        run(data)


@pytest.mark.parametrize("folder", ["fg", "alpha"])
def test_results_beside_the_images_are_refused(data: Path, folder: str) -> None:
    with pytest.raises(DataError, match=rf"{folder}: holds the images to read"):
        run(data, folder)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kappa": 0.0}, r"kappa: must be above 0 and finite, got 0\.0"),
        ({"scales": 99}, r"scales: must be from 1 to 16, got 99"),
        ({"init": "image"}, r"init: no such start, got 'image'. Use one of foreground, product"),
        ({"device": "abacus"}, r"device: 'abacus' cannot be used"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    data: Path, options: dict, told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        run(data, **options)
    assert not (data / "out").exists()


def test_a_file_is_no_folder_of_results(data: Path) -> None:
    (data / "file").write_text("mine")
    with pytest.raises(DataError, match=r"file: must be a folder, is a file\.$"):
        run(data, "file", overwrite=True)


def script(monkeypatch: pytest.MonkeyPatch, arguments: str) -> int:
    monkeypatch.setattr("sys.argv", [SCRIPT.name, *arguments.split()])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return int(caught.value.code or 0)


def test_script_writes_what_the_function_does(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, kappa=0.5, scales=2, truncate=True)
    monkeypatch.chdir(data)
    command = (
        "--fg_dir fg --alpha_dir alpha --out_dir script --kappa 0.5 --scales 2 --iterations 2 "
        "--truncate --workers 2 --device cpu"
    )
    assert script(monkeypatch, command) == 0
    assert "script: 3 images written" in capsys.readouterr().out
    for name in "abc":
        paths = [data / out / f"{name}.png" for out in ("out", "script")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    assert script(monkeypatch, command.replace("kappa 0.5", "kappa 0.25")) == 0
    told = "script: 3 results are made anew; what changed: settings (kappa 0.5, now 0.25)."
    assert told in capsys.readouterr().err
    (data / "alpha" / "b.png").unlink()
    assert script(monkeypatch, f"{command} --overwrite") == 2
    assert capsys.readouterr().err.splitlines() == [
        "fg/b.png: has no alpha. Put one called 'b' into alpha."
    ]
