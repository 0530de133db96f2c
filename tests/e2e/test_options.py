"""Option files with faults, as a user meets them: one report, exit code 2, nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.engine.published import in_our_form
from smoothkit.train import main as train_main


def stage(**options):
    """Changes that give an option file a degradation of one stage."""
    return {"degradation": {"gt_size": 8, "stages": [options]}}


OPTIONS = Path(__file__).parents[2] / "options"


def refused(path, capfd, *args):
    assert train_main(["-opt", str(path), *args]) == 2
    assert not Path("experiments").exists()
    return capfd.readouterr().err


def test_all_faults_come_in_one_report_with_their_lines(tiny, capfd):
    path = tiny(
        network_g={"widht": 3},
        train={"pixel_opt": {"type": "L1Los"}, "optim_g": {"lrr": 1}, "acumulate": 2},
        val={"metrics": {"psnr": {"crop": 1}}},
        datasets={"train": {"lenght": 3, "batch_size_per_gpu": "two"}, "val": {"type": "Noise"}},
        logger={"print_frq": 1},
        num_gpus=1,
    )
    err = refused(path, capfd)
    lines = path.read_text().splitlines()
    for where, key, hint in [
        ("network_g.widht", "widht", "Did you mean 'width'?"),
        ("train.pixel_opt.type", "type: L1Los", "Did you mean 'L1Loss'?"),
        ("train.optim_g.lrr", "lrr", "Did you mean 'lr'?"),
        ("train.acumulate", "acumulate", "Did you mean 'accumulate'?"),
        ("val.metrics.psnr.crop", "crop", "Did you mean 'crop_border'?"),
        ("datasets.train.lenght", "lenght", "Did you mean 'length'?"),
        ("datasets.train.batch_size_per_gpu", "batch_size", "must be a whole number, got 'two'"),
        ("datasets.val.type", "type: Noise$", "Did you mean 'NoiseDataset'?"),
        ("logger.print_frq", "print_frq", "Did you mean 'print_freq'?"),
        ("num_gpus", "num_gpus", "Did you mean 'num_gpu'?"),
    ]:
        number = next(n for n, line in enumerate(lines, 1) if re.search(key, line))
        found = [line for line in err.splitlines() if f" {where}: " in line]
        assert found, where
        assert found[0].startswith(f"{path}:{number}: "), found[0]
        assert hint in found[0]


@pytest.mark.parametrize(
    "path", sorted(OPTIONS.glob("**/*.yml")), ids=lambda p: str(p.relative_to(OPTIONS))
)
def test_every_option_file_is_without_a_fault(path):
    file, unread = in_our_form(read_options(path))
    report = check(file)
    # A test file may leave the network to the checkpoint.
    faults = [fault for fault in report.faults if "needs 'network_g'" not in fault.message]
    assert (faults, report.unread, unread) == ([], [], [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": {"gan_opt": {"type": "GANLoss", "gan_type": "vanilla"}}},
            "network_d: is missing: train.gan_opt needs a discriminator",
        ),
        (
            {"train": {"a_opt": {"type": "AdaTargetLoss", "network": {"type": "LocNet"}}}},
            "train: needs 'optim_loc', the optimiser of train.a_opt.network.",
        ),
        (
            {
                "train": {
                    "a_opt": {"type": "AdaTargetLoss", "network": {"type": "LocNet"}, "k_size": 5},
                    "optim_loc": {"type": "Adam", "lr": 1e-3},
                }
            },
            "LocNet takes patches of 390 values, 7 and 9 pixels wide, got 5 and 9",
        ),
        ({"network_d": {"type": "TinyNet"}}, "network_d: needs one adversarial loss"),
        ({"network_d": {"type": "TinyNet"}}, "train: needs 'optim_d'"),
        ({"predictor": {"rouding": "round"}}, "predictor.rouding: predictor takes no such"),
        ({"degradation": {"pol_size": 4}}, "no such option. Did you mean 'pool_size'"),
        (
            {"degradation": {"pool_size": 7}, "datasets": {"train": {"batch_size_per_gpu": 2}}},
            "degradation.pool_size: must be a multiple of the batch (2), got 7. Take 6 or 8.",
        ),
        (
            {"scale": 4, "degradation": {"gt_size": 50}},
            "degradation.gt_size: must be a multiple of the scale (4), got 50. Take 48 or 52.",
        ),
        ({"scale": 0}, "scale: must be 1 or more, got 0"),
        ({"degradation": {"gt_size": 0}}, "gt_size: must be a multiple of the scale (1), got 0."),
        ({"degradation": {"pool_size": -4}}, "pool_size: must be 1 or more, got -4"),
        (stage(resize_prob=[0.5, 0.5]), "stages.0: resize_prob: must be 3 shares that are not"),
        (stage(resize_range=[0, 2]), "resize_range: must be [smallest, largest], both above 0"),
        (stage(resize_range=[1.1, 2]), "resize_range: must hold 1, got [1.1, 2]"),
        (stage(blur={"kernel_list": ["foo"]}), "kernel_list: must be of iso, aniso, "),
        (stage(blur={"kernel_prob": [1]}), "kernel_prob: must be 2 shares that are not all 0"),
        (stage(blur={"half_size": [4, 1]}), "half_size: must be [smallest, largest], both 1 or"),
        (stage(jpeg_range=[0, 0]), "jpeg_range: must be [smallest, largest], both above 0"),
        (
            {
                "degradation": {"gt_size": 24},
                "train": {"pixel_opt": {"type": "L1Loss", "target": "sharp"}},
            },
            "degradation.gt_size: must be above 25 to be sharpened, got 24",
        ),
        ({"train": {"net_d_iters": 0}}, "train.net_d_iters: must be 1 or more, got 0"),
        ({"network_g": None}, "needs 'network_g'"),
        ({"train": {"total_iter": None}}, "needs one of 'total_iter' and 'total_epochs'"),
        ({"train": {"optim_g": None}}, "needs 'optim_g'"),
        ({"train": {"pixel_opt": None}}, "has no loss"),
        ({"train": None}, "train: is missing"),
        ({"datasets": {"train": None}}, "needs 'train'"),
        ({"name": None}, "needs 'name'"),
        ({"name": "../elsewhere"}, "must be the name of one folder"),
        ({"name": 3}, "name: must be a text, got 3"),
        ({"num_gpu": 2}, "num_gpu: asks for 2 accelerators, but this machine has 0"),
        ({"train": {"amp": "bf15"}}, "train.amp: must be one of 'off', 'auto', 'bf16', 'fp16'"),
        ({"train": {"accumulate": 0}}, "must be 1 or more"),
        ({"datasets": None}, "needs 'datasets'"),
        ({"datasets": {"train": {"batch_size_per_gpu": 0}}}, "must be 1 or more, got 0"),
        ({"train": {"optim_g": {"lr": -1.0}}}, "train.optim_g: Adam refuses this"),
        ({"model_type": "RestorationModle"}, "Did you mean 'RestorationModel'?"),
        ({"path": {"pretrain_network_g": "no.pth"}}, "no.pth: no such checkpoint"),
        ({"train": {"edge_opt": {"type": "L1Loss", "pred": "edges"}}}, "this step has no 'edges'"),
        ({"train": {"pixel_opt": {"pred": 1}}}, "train.pixel_opt.pred: must be a text, got 1."),
        (
            {
                "network_g": {"type": "EdgeGuidedSmoothingNet", "dim": 4, "num_block": 1},
                "datasets": {"train": {"size": 7}},
            },
            "network_g: EdgeGuidedSmoothingNet refuses this: image: must have sides of 8 and more",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named(tiny, capfd, changes, message):
    assert train_main(["-opt", str(tiny(**changes))]) == 2
    assert message in capfd.readouterr().err


def test_a_file_that_is_not_yaml_is_refused(tiny, capfd):
    path = tiny()
    path.write_text("name: [unclosed\n")
    assert "is not YAML" in refused(path, capfd)


def test_a_python_tag_is_refused_and_nothing_is_run(tiny, capfd):
    path = tiny()
    path.write_text(path.read_text() + "x: !!python/object/apply:os.mkdir [ran]\n")
    err = refused(path, capfd)
    assert "'!!python/object/apply:os.mkdir' is refused" in err
    assert not Path("ran").exists()


def test_a_duplicate_key_is_a_fault(tiny, capfd):
    path = tiny()
    path.write_text(path.read_text() + "name: again\n")
    assert f"{path}:1: name: is given twice, again in line" in refused(path, capfd)


def test_force_yml_adds_and_replaces_but_never_runs(tiny, capfd):
    path = tiny()
    args = ["-opt", str(path), "--force_yml"]
    assert train_main([*args, "train:total_iter=2", "train:grad_clip=1e-1", "name=ürün 1"]) == 0
    assert Path("experiments/ürün 1/models/net_g_2.pth").exists()
    assert train_main([*args, "train:total_iter=!!python/object/apply:os.mkdir [ran]"]) == 2
    assert not Path("ran").exists()
    assert train_main([*args, "train:total_itr=2"]) == 2
    assert "--force_yml train:total_itr=2: train.total_itr:" in capfd.readouterr().err


def test_num_gpu_1_without_an_accelerator_warns_and_runs_on_the_cpu(tiny, capfd):
    assert train_main(["-opt", str(tiny(num_gpu=1))]) == 0
    assert "no accelerator; running on the CPU" in capfd.readouterr().err


def test_check_reports_networks_and_data_and_stops(tiny, capfd):
    path = tiny()
    assert smoothkit_main(["check", "-opt", str(path)]) == 0
    out = capfd.readouterr().out
    assert "network_g: TinyNet, 227 parameters" in out
    assert "datasets.train: NoiseDataset, 10 items" in out
    assert "no faults" in out
    assert not Path("experiments").exists()
    broken = tiny(datasets={"train": {"bad_header_at": 1}})
    assert smoothkit_main(["check", "-opt", str(broken)]) == 2
    assert "datasets.train: item_1.png: a broken header" in capfd.readouterr().err
    assert smoothkit_main(["check", "-opt", str(broken), "--no-data"]) == 0


def test_a_checkpoint_of_another_network_names_what_differs(tiny, capfd):
    assert train_main(["-opt", str(tiny())]) == 0
    weights = {"pretrain_network_g": "experiments/tiny/models/net_g_8.pth"}
    other = tiny(network_g={"type": "HDCNet", "dim": 4, "num_block": 1}, path=weights)
    assert train_main(["-opt", str(other)]) == 2
    err = capfd.readouterr().err.splitlines()[-1]
    assert "not weights of this HDCNet" in err
    assert "missing: descriptor.conv_in.weight" in err
    assert "... (6 in all)" in err
    assert "The file holds TinyNet with width 4" in err
    assert len(err) < 700
