"""HGGT's published option files, written out from their specification, are read as ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from smoothkit.core.options import OptionFile, read_options, thaw
from smoothkit.engine.check import check
from smoothkit.engine.published import in_our_form
from support.pins import differences, flat, nested, read_pins

HERE = Path(__file__).parent
SYSTEMS = ("hggt_sr", "hggt_enhance")
PUBLISHED, OURS = (
    {k: v for name in SYSTEMS for k, v in read_pins(HERE / f"{folder}/{name}.yml").items()}
    for folder in ("published", "option_files")
)
# Keys of files that the published models do not read either.
UNREAD = {
    "train/hggt_sr/train_SwinIR_DF2K_OST_Blind_x4.yml": ["gt_usm"],
    # Bare weights, in which there is no key.
    "train/hggt_sr/train_AdaTarget_DF2K_OST_Blind_x4.yml": ["path.param_key_g"],
    "train/hggt_sr/train_RealESRGAN_DF2K_OST_Blind_x4.yml": ["gt_usm"],
    "test/hggt_sr/test_AdaTarget_DF2K_OST_Blind_x4.yml": ["k_size", "s_size"],
}
# What the authors' files say otherwise, on purpose.
OTHERWISE = {
    "num_gpu": {"auto", 1},
    "dist_params.backend": {"nccl"},
    "path.param_key_loc": {"params"},
    "datasets.test_1.dataroot_gt": {"datasets/Test/GT/Test-100/images/Original"},
    # Workers prefetch here anyway, and memory is pinned where there is CUDA.
    "datasets.train.prefetch_mode": {None, "cuda"},
    "datasets.train.pin_memory": {True},
    "logger.wandb": {None},
    "logger.wandb.project": {None},
    "logger.wandb.resume_id": {None},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_sets_what_ours_does(name, tmp_path):
    read, unread = in_our_form(written(name, tmp_path))
    pins = {path: value for path, value in OURS[name].items() if path not in OTHERWISE}
    pins |= {path: value for path, value in flat(thaw(read.data)).items() if path in OTHERWISE}
    assert "\n".join(differences(read, pins)) == ""
    assert all(value in OTHERWISE[path] for path, value in pins.items() if path in OTHERWISE)
    always = ["datasets.train.io_backend"] * name.startswith("train")
    assert sorted(unread) == sorted(always + UNREAD.get(name, []))
    assert check(read).faults == []


def written(name: str, folder: Path) -> OptionFile:
    options = {"name": Path(name).stem, **nested(PUBLISHED[name])}
    path = folder / "published.yml"
    path.write_text(yaml.safe_dump(options))
    return read_options(path)
