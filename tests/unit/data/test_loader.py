"""The order and the randomness of training samples."""

from __future__ import annotations

import os
import random
import signal
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from smoothkit.core.errors import DataError
from smoothkit.core.settings import LoaderSettings
from smoothkit.data import build_dataloader, build_dataset, without_worker_traces
from smoothkit.data.loader import Sampled, SampleStream, collate, eval_loader, train_loader


def batches(stream, count):
    return list(islice(stream, count))


def test_every_item_is_visited_once_an_epoch_across_batches():
    keys = [key for batch in batches(SampleStream(5, 2, seed=3), 5) for key in batch]
    assert sorted(index for index, _ in keys[:5]) == list(range(5))
    assert sorted(index for index, _ in keys[5:]) == list(range(5))
    assert [index for index, _ in keys[:5]] != [index for index, _ in keys[5:]]
    assert [number for _, number in keys] == list(range(10))


def test_ranks_share_the_batches_of_one_process():
    whole = batches(SampleStream(7, 4, seed=1), 6)
    parts = [batches(SampleStream(7, 2, seed=1, rank=r, world_size=2), 6) for r in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole


def test_a_stream_goes_on_from_any_sample():
    assert batches(SampleStream(5, 2, start=6), 4) == batches(SampleStream(5, 2), 7)[3:]


def test_enlarging_repeats_the_items_within_an_epoch():
    stream = SampleStream(3, 3, enlarge=4, seed=2)
    epoch = [index for batch in batches(stream, 4) for index, _ in batch]
    assert sorted(epoch) == sorted([0, 1, 2] * 4)


def test_without_shuffling_the_order_is_that_of_the_data_set():
    assert [i for i, _ in batches(SampleStream(3, 4, is_shuffled=False), 1)[0]] == [0, 1, 2, 0]


class Global(Dataset):
    """Draws from the global generators, as BasicSR's data sets do."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"x": torch.tensor([random.random(), np.random.rand(), float(torch.rand(1))])}


def test_global_generators_are_seeded_per_sample_and_put_back():
    sampled = Sampled(Global(), seed=1)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = sampled[0, 7], sampled[0, 7], sampled[0, 8]
    assert torch.equal(first["x"], again["x"])
    assert not torch.equal(first["x"], other["x"])
    assert torch.equal(torch.rand(1), expected)


def test_no_more_workers_than_cpus_are_started(monkeypatch, caplog):
    monkeypatch.setattr("smoothkit.data.loader.usable_cpus", lambda: 1)
    dataset = Sampled(build_dataset({"type": "NoiseDataset", "length": 5}))
    with caplog.at_level("INFO"):
        loader = train_loader(dataset, SampleStream(5, 1), LoaderSettings(num_worker_per_gpu=3))
    assert loader.num_workers == 1
    assert "num_worker_per_gpu: 3 asked for, 1 started" in caplog.text


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_results_do_not_depend_on_workers(start_method):
    dataset = Sampled(build_dataset({"type": "NoiseDataset", "length": 5}), seed=4)

    def first(workers):
        settings = LoaderSettings(num_worker_per_gpu=workers, start_method=start_method)
        loader = train_loader(dataset, SampleStream(5, 3, seed=4), settings)
        return [batch["lq"] for batch in islice(loader, 4)]

    for alone, shared in zip(first(0), first(2), strict=True):
        assert torch.equal(alone, shared)


def test_skipping_takes_the_next_item_and_tells_why():
    dataset = build_dataset({"type": "NoiseDataset", "length": 4, "broken_at": 2})
    sampled = Sampled(dataset, bad={3: "item_3.png: too small."}, on_error="skip")
    batch = collate([sampled[1, 0], sampled[2, 1]])
    assert batch["lq_path"] == ["item_1.png", "item_0.png"]
    assert batch["skipped"] == ["item_2.png: cannot be decoded.", "item_3.png: too small."]


def test_a_set_without_a_usable_item_is_an_error():
    dataset = build_dataset({"type": "NoiseDataset", "length": 1, "broken_at": 0})
    with pytest.raises(DataError, match="no item is usable"):
        Sampled(dataset, on_error="skip")[0, 0]


def test_a_foreign_error_names_the_item():
    class Broken(Global):
        paths = ("a.png", "b.png")

        def __getitem__(self, index):
            raise AttributeError("'NoneType' object has no attribute 'astype'")

    with pytest.raises(DataError, match=r"Broken: item 1 \(b\.png\): 'NoneType'"):
        Sampled(Broken())[1, 0]


def test_the_public_builder_gives_one_pass_for_validation():
    section = {"type": "NoiseDataset", "length": 3, "phase": "val"}
    loader = build_dataloader(build_dataset(section), section, num_gpu=0)
    assert [batch["lq_path"] for batch in loader] == [
        ["item_0.png"],
        ["item_1.png"],
        ["item_2.png"],
    ]


def test_the_public_builder_visits_what_a_sampler_names():
    section = {"type": "NoiseDataset", "length": 5, "phase": "train", "batch_size_per_gpu": 2}
    loader = build_dataloader(build_dataset(section), section, num_gpu=0, sampler=[4, 1, 0])
    assert [batch["lq_path"] for batch in loader] == [["item_4.png", "item_1.png"], ["item_0.png"]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_loader_that_is_still_held_does_not_keep_the_program_from_ending(run_python, method):
    code = (
        "from smoothkit.data import build_dataloader, build_dataset\n"
        "if __name__ == '__main__':\n"
        "    section = {'type': 'NoiseDataset', 'length': 4, 'phase': 'train',\n"
        f"               'num_worker_per_gpu': 1, 'start_method': '{method}'}}\n"
        "    import builtins\n"
        "    builtins.held = iter(build_dataloader(build_dataset(section), section, num_gpu=0))\n"
        "    print(next(builtins.held)['lq'].shape[0])"
    )
    done = run_python("-c", code, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "1")


def test_spawned_workers_import_neither_networks_nor_basicsr(run_python):
    code = (
        "import sys\n"
        "import smoothkit.data.loader, smoothkit.data.pairs\n"
        "heavy = ('basicsr', 'smoothkit.archs', 'smoothkit.systems.jess.arch',"
        " 'smoothkit.models', 'torchvision.models')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"


class Deadly(Dataset):
    """Ends the process that reads its second item."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"x": torch.zeros(1)}


def test_a_killed_worker_is_told_where_its_batch_is_asked_for():
    section = {"phase": "val", "num_worker_per_gpu": 1}
    told = without_worker_traces(build_dataloader(Deadly(), section, num_gpu=0))
    with pytest.raises(DataError, match="num_worker_per_gpu: a data worker was killed"):
        list(told)
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unable to allocate shared memory(shm): No space left on device (28)", "--shm-size=8g"),
        ("received 0 items of ancdata", "ulimit -n"),
    ],
)
def test_what_torch_says_of_workers_tells_what_to_do(text, message):
    def failing():
        yield {}
        raise RuntimeError(f"Caught RuntimeError in DataLoader worker process 0.\n{text}")

    with pytest.raises(DataError, match=message):
        list(without_worker_traces(failing()))


def test_workers_hand_batches_over_below_a_long_tmpdir(tmp_path, run_python):
    folder = tmp_path / ("long_name_" * 9)
    folder.mkdir()
    code = (
        "from smoothkit.data import build_dataloader, build_dataset; "
        "s = {'type': 'NoiseDataset', 'phase': 'val', 'num_worker_per_gpu': 1}; "
        "print(len(list(build_dataloader(build_dataset(s), s, num_gpu=0))))"
    )
    done = run_python("-c", code, timeout=60, env={**os.environ, "TMPDIR": str(folder)})
    assert done.stdout == "10\n", done.stderr


@pytest.mark.parametrize(
    ("asked", "is_cuda", "is_pinned"),
    [
        (None, False, False),
        (True, False, False),
        (None, True, True),
        (True, True, True),
        (False, True, False),
    ],
)
def test_pinned_memory_is_asked_for_on_cuda_alone(asked, is_cuda, is_pinned):
    loader = eval_loader(Sampled([0]), LoaderSettings(pin_memory=asked), is_cuda=is_cuda)
    assert loader.pin_memory is is_pinned
