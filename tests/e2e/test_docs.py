"""The documents tell the truth: their commands run, their tables are those of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from smoothkit.archs import build_network
from smoothkit.ops.io import read_image, write_image
from support.csgis import write_teacher
from support.vgg import write_vgg16

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


def plain_environment() -> dict[str, str]:
    """The environment without the tests' own system."""
    return {k: v for k, v in os.environ.items() if k != "SMOOTHKIT_SYSTEMS"}


def test_the_options_reference_is_what_the_code_says(run_python):
    listed = run_python("-m", "smoothkit", "list", "--markdown", env=plain_environment())
    written = (ROOT / "docs/options.md").read_text()
    assert listed.stdout == written, "run: python -m smoothkit list --markdown > docs/options.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_named_files_exist(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    files = re.findall(r"\b((?:options|scripts|docs)/[\w/.-]+\.(?:yml|py|sh|md))\b", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [file for file in files if not (ROOT / file).exists()]
    assert not missing


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the project in which the quick demo has run, and what it printed."""
    root = tmp_path_factory.mktemp("demo")
    for name in ("demo.sh", "scripts", "options"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    environment = {**plain_environment(), "SMOOTHKIT_QUICK": "1"}
    environment["PYTHON"] = sys.executable
    done = subprocess.run(
        ["sh", "demo.sh", "all"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    return root, done.stdout


def test_the_quick_demo_prints_its_table_and_writes_its_picture(demo):
    root, printed = demo
    methods = ("textured input", "bilateral", "rolling_guidance", "l0", "rtv", "JESS-Net")
    rows = {m: re.search(rf"^{m} +(\d+\.\d\d) +(-?\d\.\d{{4}})", printed, re.M) for m in methods}
    assert all(rows.values()), printed
    assert "\nGround truths: photographs smoothed by the RTV filter" in printed
    assert (root / "results/JESSNet_demo_quick/comparison.png").stat().st_size > 10_000
    assert (root / "results/JESSNet_demo_quick/metrics.csv").exists()


def test_the_quick_demo_puts_csgis_net_beside_jess_net(demo):
    root, printed = demo
    table = printed[printed.index("JESS-Net and filters beside it") :]
    names = ["textured input", "over-smoothed", "under-smoothed", "rtv", "JESS-Net", "CSGIS-Net"]
    rows = re.findall(r"^([\w -]+?) +\d+\.\d\d +-?\d\.\d{4}", table, re.M)
    assert rows[: len(names)] == names
    sheet = read_image(root / "results/CSGISNet_demo_quick/comparison.png")
    truths = (root / "datasets/SPS_demo_quick/smooth/test").glob("*.png")
    widths = {read_image(path).shape[1] for path in truths}
    assert sheet.shape[1] in {(len(names) + 1) * min(256, width) for width in widths}
    folder = root / "datasets/VOC-smooth_demo_quick"
    counts = {name: len(list((folder / name).glob("*.png"))) for name in ("gt", "seg", "over")}
    assert len(set(counts.values())) == 1


def test_the_quick_demo_makes_groups_of_enhanced_patches(demo):
    root, printed = demo
    for kind in ("noisy", "blurred"):
        for made in ("datasets", "results"):
            assert re.search(rf"^{made}, {kind}: psnr \d+\.\d+", printed, re.M)
    data = root / "datasets/Enhance_demo_quick"
    counts = [len(list((data / "EnhancedGT" / n).glob("*.png"))) for n in ("original", "01", "04")]
    assert counts[0] > 0
    assert len(set(counts)) == 1
    kept = {path.name for path in (data / "patches/original").glob("*.png")}
    assert kept
    assert {p.name for p in (data / "groups").glob("*/images*/original/*.png")} == kept
    assert (data / "patches/contact.html").exists()
    assert (root / "results/Enhance_demo_quick/versions.png").exists()


def test_the_quick_demo_compares_networks_over_labels(demo):
    root, printed = demo
    methods = re.findall(r"^\| (\w+) \| -?\d+\.\d{4} \[", printed, re.M)
    assert sorted(methods) == ["RRDB", "RRDB_Pos", "RRDB_PosNeg", "bicubic"]
    out = root / "results/HGGT_demo_quick"
    sheet = read_image(out / "comparison.png")
    assert sheet.shape[1] == 6 * min(256, *read_image(next((out / "bicubic").iterdir())).shape[:2])
    assert {"metrics.csv", "metrics.json", "plots.html"} <= {path.name for path in out.iterdir()}


def test_the_quick_demo_measures_matting_beside_classical_methods(demo):
    root, printed = demo
    rows = re.findall(r"^(trimap|closed_form|knn|LSA) +((?: *\d+\.\d\d){4})$", printed, re.M)
    values = {name: [float(v) for v in line.split()] for name, line in rows}
    assert list(values) == ["trimap", "closed_form", "knn", "LSA"]
    assert values["closed_form"] < values["trimap"]
    out = root / "results/LSA_demo_quick/compared"
    sheet = read_image(out / "comparison.png")
    assert sheet.shape[1] == 6 * 96
    assert len(list((out / "knn").glob("*.png"))) == 18


def test_held_out_pairs_share_no_picture_with_training(demo):
    samples = demo[0] / "datasets/samples_quick"
    kinds = {
        half: {path.stem for path in (samples / half / "photographs").iterdir()}
        for half in ("train", "test")
    }
    names = {half: {stem.rpartition("_")[0] for stem in stems} for half, stems in kinds.items()}
    assert names["train"]
    assert names["test"]
    assert not names["train"] & names["test"]


def fenced(page: Path, language: str) -> list[str]:
    """Code blocks of a page whose fence names this language, or none where it is empty."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def our_commands() -> list[str]:
    """Every ``python ...`` line of the documents' code blocks, in order, comments cut off."""
    lines = [
        line.partition("  #")[0].strip()
        for page in PAGES
        for language in ("", "sh")
        for block in fenced(page, language)
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line.startswith("python ")))


@pytest.fixture(scope="module")
def workplace(demo) -> Path:
    """The folder of the demo with all files under the names that the documents use."""
    root, _ = demo
    run = root / "experiments/JESSNet_demo_quick"
    samples, sps = root / "datasets/samples_quick/test", root / "datasets/SPS_demo_quick"
    links = {"NAME": run, "photographs": samples / "photographs", "truths": sps / "smooth/test"}
    links |= {"smooth": samples / "photographs", "datasets/SPS/textures": samples / "textures"}
    (root / "datasets/SPS").mkdir()
    for name, target in links.items():
        (root / name).symlink_to(target)
    weights = run / "models/net_g_latest.pth"
    published = root / "experiments/pretrained/JESSNet/epoch 224_ssim 0.922825_psnr 31.733277"
    published.parent.mkdir(parents=True)
    for target in (root / "W.pth", published):
        shutil.copy(weights, target)
    shutil.copy(run / "options.yml", root / "FILE.yml")
    make_test_sets(root / "datasets", sps / "held_out/train")
    make_hggt(root)
    make_matting(root)
    make_csgis(root)
    make_archives(root)
    make_enhancement(root)
    return root


def make_enhancement(root: Path) -> None:
    """Set5 to validate on, an option file of seconds, photographs and published weights."""
    rng = np.random.default_rng(0)
    for number in range(2):
        coarse = rng.integers(0, 256, (28, 28, 3), np.uint8)
        photo = coarse.repeat(20, 0).repeat(20, 1)
        write_image(root / f"datasets/MultiGT1600/{number}.png", photo)
    networks = {
        "RCAN": {"type": "RCANNOUP", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4,
                 "num_group": 1, "num_block": 1, "squeeze_factor": 2},
        "ELAN": {"type": "ELAN", "m_elan": 2, "c_elan": 6},
    }  # fmt: skip
    folder = root / "experiments/pretrained_models/enhancement"
    folder.mkdir(parents=True)
    for name in ("RCAN_01", "RCAN_02", "ELAN_03", "ELAN_04"):
        state = build_network(networks[name[:4]]).state_dict()
        torch.save({"params": state}, folder / f"{name}.pth")
    (root / "datasets/Set5").symlink_to(root / "datasets/HGGT_demo_quick/test/lq")
    path = root / "options/train/hggt_enhance/train_EnhanceRCAN_01.yml"
    options = yaml.safe_load(path.read_text())
    options["network_g"] |= {"num_feat": 4, "num_group": 1, "num_block": 1, "squeeze_factor": 2}
    options["network_d"]["num_feat"] = 4
    options["degradation"] |= {"gt_size": 32, "pool_size": 2}
    options["datasets"]["train"] |= {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
    options["train"]["total_iter"] = 2
    options["train"].pop("perceptual_opt")  # half a gigabyte of VGG19
    path.write_text(yaml.safe_dump(options))


def make_archives(root: Path) -> None:
    """The archives of DIV2K, Flickr2K and OST, of a few made-up images."""
    names = {
        "DIV2K_train_HR.zip": ["DIV2K_train_HR/0001.png", "DIV2K_train_HR/0002.png"],
        "Flickr2K.tar": ["Flickr2K/Flickr2K_HR/000001.png", "Flickr2K/Flickr2K_LR/000001x2.png"],
        "OST_dataset.zip": ["OST/plant/plant_1.png", "OST/sky/sky_1.png"],
    }
    rng = np.random.default_rng(0)
    for archive, images in names.items():
        folder = root / "unpacked" / archive
        for name in images:
            side = 300 if "sky" in name else 520
            coarse = rng.integers(0, 256, (side // 20, side // 20, 3), np.uint8)
            write_image(folder / name, coarse.repeat(20, 0).repeat(20, 1))
        kind = archive.partition(".")[2]
        made = shutil.make_archive(str(root / archive.partition(".")[0]), kind, folder)
        assert Path(made).name == archive


def make_csgis(root: Path) -> None:
    """VOC from the quick demo, weights under the published names, a training file for seconds."""
    voc = root / "datasets/VOCdevkit/VOC2012"
    voc.parent.mkdir()
    voc.symlink_to(root / "datasets/VOC_demo_quick")
    textures = root / "datasets/VOC-smooth/textures"
    textures.parent.mkdir()
    textures.symlink_to(root / "datasets/samples_quick/train/textures")
    pretrained = root / "experiments/pretrained_models"
    pretrained.mkdir(parents=True, exist_ok=True)
    write_vgg16(pretrained / "vgg16-397923af.pth")
    write_teacher(pretrained / "best_deeplabv3plus_mobilenet_voc_os16.pth")
    published = root / "experiments/pretrained/CSGISNet/epoch 149_ssim 0.890724_psnr 28.756027"
    published.parent.mkdir(parents=True)
    shutil.copy(root / "experiments/CSGISNet_demo_quick/models/net_g_latest.pth", published)
    path = root / "options/train/csgis/train_CSGISNet.yml"
    options = yaml.safe_load(path.read_text())
    options["network_g"] |= {"dim": 8, "num_block": 1}
    small = {"patch_size": 32, "num_worker_per_gpu": 0}
    options["datasets"]["train"] |= {**small, "batch_size_per_gpu": 2}
    options["datasets"]["val"] |= small
    options["train"]["total_epochs"] = 1
    path.write_text(yaml.safe_dump(options))


def make_matting(root: Path) -> None:
    """AIM's folders and Composition-1k from the quick demo; networks of a few weights."""
    own = root / "datasets/matting_demo_quick"
    (root / "datasets/matting_demo").symlink_to(own)
    (root / "datasets/AIM").symlink_to(own)
    test = own / "test"
    links = {"images": test / "merged", "fg": test / "merged", "alpha": test / "alpha_copy"}
    links["masks"] = test / "alpha_copy"
    shutil.copytree(test / "alpha_copy", root / "alphas")
    for name, target in links.items():
        (root / name).symlink_to(target)
    weights = root / "experiments/pretrained/LSA/ckpt_e200.pth"
    weights.parent.mkdir(parents=True)
    small = {"type": "LsaNet", "width": 4, "blocks": [1, 1, 1, 1]}
    torch.save({"epoch": 200, "state_dict": build_network(small).state_dict()}, weights)
    shutil.copy(weights, root / "M.pth")
    for path in (root / "options").glob("*/lsa/*.yml"):
        options = yaml.safe_load(path.read_text())
        options["network_g"] = small
        path.write_text(yaml.safe_dump(options))


def make_hggt(root: Path) -> None:
    """HGGT, Test-100 and Set5 from the quick demo; option files shrunk to what takes seconds."""
    own, test = root / "datasets/HGGT_demo_quick", root / "datasets/Test"
    (root / "datasets/HGGT").symlink_to(own / "train")
    small = test / "Blind_Degradation_Benchmark_LQ"
    for name, lq in (("Test-100", "Test-100/Blind_LR"), ("Set5", "Set5")):
        (small / lq).parent.mkdir(parents=True, exist_ok=True)
        (small / lq).symlink_to(own / "test/lq")
        (test / "GT").mkdir(exist_ok=True)
        target = own / ("test" if name == "Test-100" else "test/images/original")
        (test / "GT" / name).symlink_to(target)
    used = ("*/hggt_sr/*_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4.yml", "train/hggt_sr/*_RRDB_DF2K*.yml")
    for path in (path for name in used for path in (root / "options").glob(name)):
        options = yaml.safe_load(path.read_text())
        network = options["network_g"]
        network |= {"num_feat": 4, "num_block": 1, "num_grow_ch": 4}
        if "train" in options:
            weights = root / options["path"]["pretrain_network_g"]
            weights.parent.mkdir(parents=True)
            torch.save({"params_ema": build_network(network).state_dict()}, weights)
            if "network_d" in options:
                options["network_d"]["num_feat"] = 4
                options["train"].pop("perceptual_opt")  # half a gigabyte of VGG19
            options["degradation"] |= {"gt_size": 32, "pool_size": 2}
            options["datasets"]["train"] |= {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
            options["datasets"]["train"]["crop_size"] = 64
            options["train"]["total_iter"] = 2
        path.write_text(yaml.safe_dump(options))


def make_test_sets(datasets: Path, pairs: Path) -> None:
    """``NKS`` and VOC's test set, laid out as the option files say."""
    # Not VOC-smooth itself, which a command of the documents makes.
    for path in (datasets.parent / "options/test").glob("*/test_VOC.yml"):
        path.write_text(path.read_text().replace("datasets/VOC-smooth/", "datasets/VOC-test/"))
    for pair in pairs.iterdir():
        image = read_image(pair)
        half = image.shape[1] // 2
        write_image(datasets / "VOC-test/val_small" / pair.name, image)
        write_image(datasets / "VOC-test/gt" / pair.name, image[:, :half])
        write_image(datasets / f"NKS/input/{pair.stem}_1.png", image[:, half:])
        write_image(datasets / f"NKS/gt/{pair.stem}.png", image[:, :half])


@pytest.mark.parametrize("command", our_commands())
def test_a_command_of_the_documents_runs(command, workplace):
    words = [sys.executable, *command.split()[1:]]
    environment = {**plain_environment(), "SMOOTHKIT_QUICK": "1"}
    done = subprocess.run(words, cwd=workplace, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_of_the_documents_runs(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    blocks = [block for page in PAGES for block in fenced(page, "python")]
    assert blocks
    for block in blocks:
        names = {"image": np.zeros((8, 8, 3), np.uint8), "trimap": np.full((8, 8), 128, np.uint8)}
        exec(block, names)
        if "smooth" in names:
            assert names["smooth"].shape == (8, 8, 3)
        if "alpha" in names:
            assert names["alpha"].shape == (8, 8)


@pytest.mark.slow
def test_the_demo_runs_twice(demo):
    root, _ = demo
    environment = {**plain_environment(), "SMOOTHKIT_QUICK": "1"}
    environment["PYTHON"] = sys.executable
    done = subprocess.run(["sh", "demo.sh", "smoothing"], cwd=root, env=environment,
                          capture_output=True, text=True, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((root / "experiments").glob("JESSNet_demo_quick_archived_*"))


def test_the_demo_lists_itself_and_refuses_what_it_does_not_know():
    listed = subprocess.run(["sh", "demo.sh", "--list"], cwd=ROOT, capture_output=True, text=True)
    names = [line.partition(": ")[0] for line in listed.stdout.splitlines()]
    assert names == ["smoothing", "csgis", "enhance", "sr", "metrics", "matting"]
    wrong = subprocess.run(["sh", "demo.sh", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "no demo is called 'nothing'" in wrong.stderr


@pytest.mark.parametrize("script", sorted(ROOT.glob("scripts/**/*.sh")), ids=lambda p: p.name)
def test_shell_scripts_are_posix(script):
    shell = shutil.which("dash") or "sh"
    assert subprocess.run([shell, "-n", str(script)]).returncode == 0


def test_dist_train_wraps_torchrun(tiny, run_python):
    path = tiny(train={"find_unused_parameters": True})
    environment = {**os.environ, "PYTHON": sys.executable}
    for script, extra in (("dist_train.sh", ["--auto_resume"]), ("dist_test.sh", [])):
        done = subprocess.run(["sh", str(ROOT / "scripts" / script), "2", str(path), *extra],
                              env=environment, capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert Path("experiments/tiny/models/net_g_8.pth").exists()
    assert Path("results/tiny/metrics.csv").exists()
