"""The published evaluation of a miniature Test-100: every value, and the text files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lpips as published
import numpy as np
import pytest
import torch

from smoothkit.metrics import calculate_metric
from smoothkit.metrics.dists import Dists
from smoothkit.metrics.perceptual import Lpips
from smoothkit.metrics.several import psnr_ssim
from smoothkit.ops.io import to_float, write_image
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.measures import measure_of
from smoothkit.systems.hggt_sr.multi_gt import Outcome, multi_gt, text_report
from support.fill import fill
from support.hggt import write_labels, write_pictures
from support.oracle import Case

CASE = Case("hggt_posneg_sr", "test100_metrics")
META = CASE.meta


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("test100")
    for name in META["names"]:
        images = [CASE[f"{name}/{kind}"] for kind in ("original", "01", "02", "03", "04")]
        write_pictures(root / "images", name, images)
        write_labels(root / "labels", name, META["labels"][name])
        write_image(root / f"Test-100/{name}_{META['suffix']}.png", CASE[f"{name}/sr"])
    return root


def outcome_of(folder: Path, measure: Any, metrics: Sequence[str], **options: Any) -> Outcome:
    arguments = (f"{folder}/Test-100/", folder / "images", read_labels(folder / "labels"), measure)
    *_, (_, _, outcome) = multi_gt(*arguments, metrics=metrics, **options)
    return outcome


def fidelity(
    result: np.ndarray, truths: Sequence[np.ndarray], *, test_y_channel: bool = False
) -> Mapping[str, list[float]]:
    pairs = psnr_ssim(result, truths, crop_border=4, test_y_channel=test_y_channel)
    return {"psnr": [pair[0] for pair in pairs], "ssim": [pair[1] for pair in pairs]}


@pytest.mark.parametrize("output", ["psnr_ssim", "psnr_ssim_y"])
@pytest.mark.parametrize("suffix", [None, META["suffix"]])
def test_psnr_and_ssim_are_the_published_ones(folder: Path, output: str, suffix) -> None:
    measure = partial(fidelity, test_y_channel=output.endswith("_y"))
    found = outcome_of(folder, measure, ["psnr", "ssim"], suffix=suffix)
    values = [
        pair
        for one in found.sets
        for pair in zip(one.values["psnr"].values(), one.values["ssim"].values(), strict=True)
    ]
    recorded = [value for _, value in META["outputs"][output]["calls"]]
    limits = META["tolerance"]
    np.testing.assert_allclose([v[0] for v in values], recorded[::2], atol=limits["psnr"], rtol=0)
    np.testing.assert_allclose([v[1] for v in values], recorded[1::2], atol=limits["ssim"], rtol=0)
    assert text_report(found, "PSNR/SSIM") == META["outputs"][output]["txt"]
    assert found.skipped == []


def cropped(image: np.ndarray) -> torch.Tensor:
    return to_tensor(to_float(image))[:, 4:-4, 4:-4]


def filled_lpips() -> Lpips:
    judge: Any = published.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = judge.state_dict()
    own = {k: v for k, v in fill(state).items() if k.startswith(("net.", "lin"))}
    own = {k: v.abs() if k.startswith("lin") else v for k, v in own.items() if "scaling" not in k}
    for key in state:  # the package keeps its heads under a second name too
        if key.startswith("lins."):
            number = key.split(".")[1]
            own[key] = own[f"lin{number}.{key.split('.', 2)[2]}"]
    judge.load_state_dict({**state, **own})
    return Lpips(judge).eval()


def filled_dists() -> Dists:
    judge = Dists().eval()
    state = judge.state_dict()
    own = {
        k: v for k, v in fill(state).items() if k.startswith("stage") and not k.endswith("filter")
    }
    shares = {k: fill(state)[k].abs() for k in ("alpha", "beta")}
    judge.load_state_dict({**state, **own, **shares})
    return judge


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "build"), [("lpips", filled_lpips), ("dists", filled_dists)])
def test_feature_distances_are_the_published_ones(folder: Path, name: str, build) -> None:
    judge = build()

    def measure(result: np.ndarray, truths: Sequence[np.ndarray]) -> Mapping[str, list[float]]:
        stack = torch.stack([cropped(truth) for truth in truths])
        return {name: judge(cropped(result)[None], stack).tolist()}

    found = outcome_of(folder, measure, [name])
    values = [value for one in found.sets for value in one.values[name].values()]
    recorded = [value for _, value in META["outputs"][name]["calls"]]
    limits = META["tolerance"]
    tolerance = {"rtol": limits["lpips_rel"]} if name == "lpips" else {"atol": limits["dists_abs"]}
    np.testing.assert_allclose(values, recorded, **{"rtol": 0, **tolerance})
    ours = text_report(found, name.upper()).splitlines()
    theirs = META["outputs"][name]["txt"].splitlines()
    assert [line.rpartition(":")[0] for line in ours] == [
        line.rpartition(":")[0] for line in theirs
    ]


def test_a_measure_without_a_truth_is_the_same_for_all() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    values = measure_of(["niqe", "psnr"], crop_border=4)(image, [image, 255 - image])
    options = {"type": "calculate_niqe", "crop_border": 4}
    assert values["niqe"] == [pytest.approx(calculate_metric({"img": image}, options))] * 2
    assert values["psnr"][0] == np.inf
