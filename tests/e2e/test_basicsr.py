"""A plain option file of BasicSR: its own model, network and data set in this engine."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
import yaml

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.core.basicsr_compat import import_basicsr, is_installed
from smoothkit.losses import build_loss
from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.fill import fill
from support.runs import assert_same, told, weights

pytestmark = pytest.mark.skipif(not is_installed(), reason="BasicSR is not installed here")

OPTIONS = """
name: sr
model_type: SRModel
scale: 2
num_gpu: 0
manual_seed: 3
datasets:
  train:
    name: small
    type: PairedImageDataset
    dataroot_gt: hq
    dataroot_lq: lq
    io_backend: {type: disk}
    gt_size: 16
    use_hflip: true
    use_rot: true
    use_shuffle: true
    num_worker_per_gpu: 1
    batch_size_per_gpu: 2
    dataset_enlarge_ratio: 3
    prefetch_mode: ~
  val:
    name: held_out
    type: PairedImageDataset
    dataroot_gt: hq
    dataroot_lq: lq
    io_backend: {type: disk}
network_g: {type: RRDBNet, num_in_ch: 3, num_out_ch: 3, scale: 2, num_feat: 8, num_block: 1,
            num_grow_ch: 4}
path: {pretrain_network_g: ~, strict_load_g: true, resume_state: ~}
train:
  ema_decay: 0.9
  optim_g: {type: Adam, lr: !!float 1e-3, weight_decay: 0, betas: [0.9, 0.99]}
  scheduler: {type: MultiStepLR, milestones: [4], gamma: 0.5}
  total_iter: 8
  warmup_iter: -1
  pixel_opt: {type: L1Loss, loss_weight: 1.0, reduction: mean}
val:
  val_freq: !!float 4
  save_img: true
  metrics:
    psnr: {type: calculate_psnr, crop_border: 2, test_y_channel: false}
    ssim: {type: calculate_ssim, crop_border: 2, test_y_channel: false, better: higher}
logger: {print_freq: 1, save_checkpoint_freq: 4, use_tb_logger: true, wandb: {project: ~}}
dist_params: {backend: nccl, port: 29500}
"""


@pytest.fixture
def sr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Images and an option file, in the working folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("hq", "lq"):
        Path(folder).mkdir()
    for index in range(4):
        image = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (48, 48))
        cv2.imwrite(f"hq/{index}.png", image)
        cv2.imwrite(f"lq/{index}.png", cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA))

    def write(file: str = "sr.yml", change=lambda options: None) -> str:
        options = yaml.safe_load(OPTIONS)
        change(options)
        Path(file).write_text(yaml.safe_dump(options))
        return file

    return write


def train(file: str, *args: str) -> int:
    return train_main(["-opt", file, *args])


def test_a_plain_option_file_trains_resumes_exactly_and_tests(sr):
    def named_whole(options):
        options["name"] = "whole"

    assert train(sr("whole.yml", named_whole)) == 0
    assert train(sr(), "--force_yml", "train:total_iter=4") == 0
    assert train(sr(), "--auto_resume") == 0
    assert_same(weights(8, "sr"), weights(8, "whole"))
    assert_same(weights(8, "sr", key="params_ema"), weights(8, "whole", key="params_ema"))
    rates = [line["lr"] for line in told("sr") if "lr" in line]
    assert rates == pytest.approx([1e-3] * 4 + [5e-4] * 4)

    def as_test(options):
        del options["train"], options["datasets"]["train"]
        options["path"]["pretrain_network_g"] = "experiments/sr/models/net_g_8.pth"

    assert evaluate(["-opt", sr("test.yml", as_test)]) == 0
    rows = Path("results/sr/metrics.csv").read_text().splitlines()
    assert rows[0] == "dataset,image,psnr,ssim"
    assert len(rows) == 5
    assert Path("results/sr/visualization/held_out/0_sr.png").exists()


def test_an_edited_optimiser_counts_or_is_refused(sr, capfd):
    assert train(sr(), "--force_yml", "train:total_iter=4") == 0
    decay, rate, kind = (
        f"train:optim_g:{text}" for text in ("weight_decay=0.5", "lr=1", "type=SGD")
    )
    no_betas = sr(change=lambda options: options["train"]["optim_g"].pop("betas"))
    assert train(no_betas, "--auto_resume", "--force_yml", kind) == 2
    assert "type: is SGD, but the state to go on from was saved with Adam" in capfd.readouterr().err
    assert train(sr(), "--auto_resume", "--force_yml", rate) == 2
    assert "lr: was edited, but a model of BasicSR's goes on with" in capfd.readouterr().err
    assert train(sr(), "--auto_resume", "--force_yml", decay) == 0
    assert "weight_decay is 0.5, was 0" in capfd.readouterr().err
    state = torch.load("experiments/sr/training_states/8.state", weights_only=True)
    assert state["optimizers"][0]["param_groups"][0]["weight_decay"] == 0.5


def test_lmdb_in_place_of_folders(sr, run_python):
    import_basicsr()
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    for folder in ("hq", "lq"):
        names = [f"{index}.png" for index in range(4)]
        keys = [str(index) for index in range(4)]
        make_lmdb_from_imgs(folder, f"{folder}.lmdb", names, keys, multiprocessing_read=False)

    def with_lmdb(options):
        for section in options["datasets"].values():
            section |= {"dataroot_gt": "hq.lmdb", "dataroot_lq": "lq.lmdb",
                        "io_backend": {"type": "lmdb"}}  # fmt: skip

    assert train(sr(change=with_lmdb), "--force_yml", "train:total_iter=4") == 0
    assert train(sr("disk.yml", lambda o: o.update(name="disk")), "--force_yml",
                 "train:total_iter=4") == 0  # fmt: skip
    assert_same(weights(4, "sr"), weights(4, "disk"))


def test_pairs_may_differ_in_extension_but_not_in_number(sr, capfd):
    for path in Path("lq").iterdir():
        path.rename(path.with_suffix(".bmp"))  # the content tells what it is
    assert train(sr(), "--force_yml", "train:total_iter=2") == 0
    Path("lq/2.bmp").rename("lq/9.bmp")
    assert train(sr()) == 2
    assert "dataroot_lq: lq has no image for '2', which dataroot_gt has" in capfd.readouterr().err
    Path("hq/2.png").unlink()
    assert train(sr()) == 2
    assert "dataroot_gt: hq has no image for '9', which dataroot_lq has" in capfd.readouterr().err


def test_unread_keys_are_listed_in_one_warning(sr, capfd):
    def misspelt(options):
        options["datasets"]["train"]["use_shufle"] = True
        options["train"]["ema_decy"] = 0.9
        options["crop_boarder"] = 4

    assert train(sr(change=misspelt), "--force_yml", "train:total_iter=1") == 0
    warnings = [line for line in capfd.readouterr().err.splitlines() if "read by nothing" in line]
    assert len(warnings) == 1
    for key in ("datasets.train.use_shufle", "train.ema_decy", "crop_boarder"):
        assert key in warnings[0]


def test_what_basicsr_would_not_obey_is_refused(sr, capfd):
    assert train(sr(), "--force_yml", "train:amp=bf16") == 2
    assert "SRModel of BasicSR has a training step of its own" in capfd.readouterr().err


def test_a_corrupt_image_is_named(sr, capfd):
    file = sr()
    Path("lq/2.png").write_bytes(b"not a picture")
    assert train(file) == 2
    assert "lq/2.png" in capfd.readouterr().err


def test_a_missing_folder_and_a_missing_key_are_named(sr, capfd):
    assert train(sr(), "--force_yml", "datasets:val:dataroot_lq=nowhere") == 2
    assert "datasets.val" in (err := capfd.readouterr().err)
    assert "nowhere" in err

    def without_root(options):
        del options["datasets"]["val"]["dataroot_lq"]

    assert train(sr(change=without_root)) == 2
    assert "datasets.val: needs 'dataroot_lq', which is missing" in capfd.readouterr().err


def test_a_bare_state_dict_loads_into_a_basicsr_model(sr):
    import torch

    assert train(sr(), "--force_yml", "train:total_iter=4") == 0
    torch.save({f"module.{k}": v for k, v in weights(4, "sr").items()}, "bare.pth")
    args = ("--force_yml", "path:pretrain_network_g=bare.pth", "train:total_iter=1")
    assert train(sr("again.yml", lambda o: o.update(name="again")), *args) == 0


def test_our_network_in_a_basicsr_model(sr):
    def ours(options):
        options["scale"] = 1
        options["network_g"] = {"type": "SmoothingBaseline", "dim": 4, "num_block": 1}
        for section in options["datasets"].values():
            section["dataroot_lq"] = "hq"

    assert train(sr(change=ours), "--force_yml", "train:total_iter=2", "scale=1") == 0
    assert "descriptor.conv_in.weight" in weights(2, "sr")


def test_a_network_with_classes_among_its_options_resumes(sr):
    """SwinIR's signature holds nn.LayerNorm, which no checkpoint may hold."""

    def swin(options):
        options["model_type"] = "RestorationModel"
        options["scale"] = 1
        small = {"embed_dim": 4, "depths": [1], "num_heads": [1], "mlp_ratio": 1}
        options["network_g"] = {"type": "SwinIR", "upscale": 1, "img_size": 16, "window_size": 8}
        options["network_g"] |= small
        options["datasets"]["train"]["dataroot_lq"] = "hq"
        del options["datasets"]["val"]

    file = sr(change=swin)
    assert train(file, "--force_yml", "train:total_iter=4") == 0
    assert train(file, "--auto_resume") == 0
    assert len(weights(8, "sr")) > 10


def test_metrics_without_a_reference_are_accepted_and_may_fail(sr, capfd):
    def judged(options):
        options["val"]["metrics"] = {"niqe": {"type": "calculate_niqe", "crop_border": 0}}

    assert train(sr(change=judged), "--force_yml", "train:total_iter=4") == 0
    assert "recorded as nan" in capfd.readouterr().err


def test_what_a_basicsr_model_needs_is_said_in_one_line(sr, capfd):
    assert train(sr(change=lambda o: o["train"].pop("optim_g"))) == 2
    assert "SRModel needs 'optim_g', which is missing" in capfd.readouterr().err


def test_a_perceptual_loss_without_weights_says_where_to_put_them(sr, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    def perceptual(options):
        section = {"type": "PerceptualLoss", "layer_weights": {"conv1_2": 1}}
        options["train"]["perceptual_opt"] = section

    assert train(sr(change=perceptual)) == 2
    message = capfd.readouterr().err
    assert "vgg19-dcbb9e9d.pth: no such weights here, and nothing is downloaded" in message
    assert "experiments/pretrained_models" in message
    assert str(tmp_path / "cache/hub/checkpoints") in message


@pytest.mark.parametrize("folder", ["experiments/pretrained_models", "cache/hub/checkpoints"])
def test_a_perceptual_loss_reads_its_weights_from_a_file(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    published = fill(torchvision.models.vgg11().features.state_dict())
    (tmp_path / folder).mkdir(parents=True)
    torch.save(
        {f"features.{name}": value for name, value in published.items()},
        tmp_path / folder / "vgg11-8a719046.pth",
    )
    section = {"type": "PerceptualLoss", "layer_weights": {"conv1_1": 1}, "vgg_type": "vgg11"}
    loss = build_loss(section)
    first = loss.vgg.vgg_net.conv1_1.weight
    torch.testing.assert_close(first, published["0.weight"])
    image = torch.rand(1, 3, 8, 8)
    assert loss(image, image)[0] == 0 < loss(image, 1 - image)[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this model runs where CUDA is")
def test_a_model_that_needs_cuda_is_refused_in_one_line(sr, capfd):
    def real(options):
        options["model_type"] = "RealESRNetModel"

    assert train(sr(change=real)) == 2
    assert "RealESRNetModel cannot run on cpu" in capfd.readouterr().err


@pytest.mark.parametrize("model", ["SRModel", "RestorationModel"])
@pytest.mark.parametrize(("made", "paired"), [(2, 4), (4, 2)])
def test_pairs_of_another_scale_are_refused_in_one_line(sr, capfd, model, made, paired):
    side = 48 // paired
    for path in Path("lq").iterdir():
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (side, side)))

    def as_test(options):
        del options["train"], options["datasets"]["train"]
        options["model_type"] = model
        options["scale"] = options["network_g"]["scale"] = made

    assert evaluate(["-opt", sr(change=as_test)]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    size = made * side
    assert f"hq/0.png: must be {made} times its input, {size}x{size}, got 48x48." in last
    # The pairs fit the file, but the network does neither.
    assert evaluate(["-opt", sr(change=as_test), "--force_yml", f"scale={paired}"]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"0: the result must have the size of the ground truth, 48x48, got {size}x{size}" in last


def test_a_validation_on_pairs_of_another_scale_ends_the_run_in_one_line(sr, capfd):
    Path("small").mkdir()
    for path in Path("hq").iterdir():
        cv2.imwrite(f"small/{path.name}", cv2.imread(str(path))[:47, :47])

    def on_small(options):
        options["datasets"]["val"]["dataroot_gt"] = "small"

    assert train(sr(change=on_small), "--force_yml", "train:total_iter=4") == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert "small/0.png: must be 2 times its input, 48x48, got 47x47" in last


def test_a_ground_truth_of_some_pixels_more_is_cut_and_that_is_told(sr, capfd):
    for path in Path("lq").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[:22])
        truth = cv2.imread(f"hq/{path.name}")
        cv2.imwrite(f"hq/{path.name}", truth[:45])

    def as_test(options):
        del options["train"], options["datasets"]["train"]

    assert evaluate(["-opt", sr(change=as_test)]) == 0
    assert capfd.readouterr().err.count("some pixels more than 2 times their inputs") == 1


def test_results_that_are_not_finite_end_a_test_with_2(sr, capfd):
    def as_test(options):
        del options["train"], options["datasets"]["train"]
        options["path"]["pretrain_network_g"] = "bad.pth"

    from smoothkit.archs import build_network

    state = build_network(yaml.safe_load(OPTIONS)["network_g"]).state_dict()
    state["conv_last.bias"][:] = float("nan")
    torch.save({"params": state}, "bad.pth")
    assert evaluate(["-opt", sr(change=as_test)]) == 2
    err = capfd.readouterr().err
    assert "held_out/0: the result must be finite, got NaN or infinity; so it is with 4 of 4" in err
    assert not list(Path("results").rglob("*.png"))
    assert Path("results/sr/metrics.csv").read_text().splitlines()[1] == "held_out,0,nan,nan"


@pytest.mark.parametrize(("content", "told"), [(b"", "the file is empty"), (b"no", "is not a PNG")])
def test_a_file_that_is_no_image_is_found_before_it_is_read(sr, capfd, content, told):
    Path("lq/2.png").write_bytes(content)
    path = sr()
    assert smoothkit_main(["check", "-opt", str(path)]) == 2
    message = capfd.readouterr().err
    for key in ("train", "val"):
        assert f"datasets.{key}: lq/2.png: {told}" in message
    assert train(path, "--force_yml", "datasets:train:on_error=skip", "datasets:val:on_error=skip",
                 "train:total_iter=4") == 0  # fmt: skip
    assert "of 4 items are skipped: lq/2.png" in capfd.readouterr().err


def test_a_file_of_a_list_that_is_not_there_is_found(sr, capfd):
    names = "".join(f"{number}.png (48,48,3)\n" for number in (0, 9))
    Path("meta.txt").write_text(names)

    def listed(options):
        options["datasets"]["train"]["meta_info_file"] = "meta.txt"

    assert smoothkit_main(["check", "-opt", str(sr(change=listed))]) == 2
    assert "datasets.train: lq/9.png: no such file." in capfd.readouterr().err
