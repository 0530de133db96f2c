"""Patches and groups are those that the published scripts make of the same pictures and seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.hggt_enhance.prepare.patch_cells import Rule
from smoothkit.systems.hggt_enhance.prepare.patch_draws import draw_corners, inside
from smoothkit.systems.hggt_enhance.prepare.patch_select import select_patches
from smoothkit.systems.hggt_enhance.prepare.regroup import regroup
from support.enhanced import tree
from support.oracle import Case

PATCHES = Case("hggt_enhance", "patch_select")
VERSIONS = ("01", "02", "03", "04")


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of patches of the recorded pictures."""
    root = tmp_path_factory.mktemp("patches")
    for stem, file in PATCHES.meta["original_files"].items():
        write_image(root / "in/original" / file, PATCHES[f"{stem}__original"][..., ::-1])
        for version in VERSIONS:
            path = root / f"in/{version}/{stem}_{version}.png"
            write_image(path, PATCHES[f"{stem}__{version}"][..., ::-1])
    rule = Rule(**PATCHES.meta["args"])
    select_patches(root / "in", root / "out", rule, seed=PATCHES.meta["seed"])
    return root / "out"


def test_names_and_text_file_are_the_recorded_ones(patches):
    lines = (patches / "crop_area_info.txt").read_text().splitlines()
    assert lines == PATCHES.meta["crop_area_info_lines"]
    for folder, names in PATCHES.meta["output_files"].items():
        assert sorted(path.name for path in (patches / folder).iterdir()) == sorted(names)


def test_patches_are_slices_of_the_pictures(patches):
    size = PATCHES.meta["args"]["crop_size"]
    for version in ("original", *VERSIONS):
        for name in PATCHES.meta["output_files"][version]:
            stem, top, left = name.removesuffix(".png").partition("_")[0].rsplit("-", 2)
            y, x = int(top), int(left)
            picture = PATCHES[f"{stem}__{version}"][y : y + size, x : x + size, ::-1]
            np.testing.assert_array_equal(read_image(patches / version / name), picture)


def test_figures_and_decisions_are_the_recorded_ones(patches):
    tolerance = PATCHES.meta["tolerance"]["std_and_laplacian_var"]
    for stem in PATCHES.meta["original_files"]:
        inner = [c for c in PATCHES.meta["cells"] if c["image"] == stem]
        inner = [cell for cell in inner if cell["result"] != "outside"]
        cells = json.loads((patches / f".cells/{stem}.json").read_text())
        for cell, recorded in zip(cells, inner, strict=True):
            assert [cell["top"], cell["left"]] == recorded["top_left"]
            assert cell["is_kept"] == (recorded["result"] == "kept")
            for version, figures in recorded["std_and_laplacian_var"].items():
                own = cell["std"][version], cell["laplacian_var"][version]
                np.testing.assert_allclose(own, figures, atol=tolerance)


def test_draws_are_the_recorded_ones():
    rng, args = random.Random(PATCHES.meta["seed"]), PATCHES.meta["args"]
    for stem in PATCHES.meta["original_files"]:
        height, width = PATCHES[f"{stem}__original"].shape[:2]
        corners = draw_corners(rng, height, width, args["step_size"])
        recorded = [c for c in PATCHES.meta["cells"] if c["image"] == stem]
        assert [list(corner) for corner in corners] == [c["top_left"] for c in recorded]
        outside = {tuple(c["top_left"]) for c in recorded if c["result"] == "outside"}
        assert set(corners) - set(inside(corners, height, width, args["crop_size"])) == outside


def test_groups_are_the_recorded_ones(tmp_path):
    case = Case("hggt_enhance", "regroup")
    for name in case.meta["input_original_names_sorted"]:
        for version in ("original", *VERSIONS):
            suffix = "" if version == "original" else f"_{version}"
            path = tmp_path / "in" / version / f"{Path(name).stem}{suffix}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
    regroup(tmp_path / "in", tmp_path / "out", **case.meta["args"], seed=case.meta["seed"])
    found = tree(tmp_path / "out")
    made = {name if content is not None else f"{name}/" for name, content in found.items()}
    assert made == set(case.meta["output_tree"])
    for name, lines in case.meta["txt_lines"].items():
        assert (tmp_path / "out" / name).read_text().splitlines() == lines
    assert all(found[n].decode() == Path(n).name for n in made if n.endswith(".png"))
