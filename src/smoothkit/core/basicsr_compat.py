"""Everything that BasicSR 1.4.2 needs to import and run on today's PyTorch, and nothing else.

BasicSR is imported by the first function here that needs it, never before.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import io
import logging
import os
import sys
import types
import warnings
from collections.abc import Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import torch

from smoothkit.core.checkpoints import Snapshot
from smoothkit.core.errors import CONSTRUCTOR_ERRORS, DataError, Fault, OptionError
from smoothkit.core.image_io import ImageIO
from smoothkit.core.log import warn_once
from smoothkit.core.optimizer_state import load_optimizer, options_of
from smoothkit.core.pretrained import find_pretrained
from smoothkit.core.runtime import Runtime
from smoothkit.core.weights import cpu_state, load_file, load_into, network_state

log = logging.getLogger(__name__)

# Of the formats that OpenCV reads, with which BasicSR decodes.
_READABLE = frozenset(
    f".{suffix}"
    for suffix in [
        "png",
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "webp",
        "tif",
        "tiff",
        "bmp",
        "dib",
        "jp2",
        "gif",
        "avif",
        "exr",
        "hdr",
        "pic",
        "ppm",
        "pgm",
        "pbm",
        "pnm",
        "pxm",
        "pam",
        "pfm",
        "ras",
        "sr",
    ]
)

MISSING_HINT = (
    " BasicSR's own classes are not available: it is not installed here. "
    "Run scripts/install_basicsr.sh (Python 3.13) or pip install basicsr==1.4.2."
)


def is_installed() -> bool:
    """True where BasicSR can be imported, found without importing it."""
    return importlib.util.find_spec("basicsr") is not None


def basicsr_missing_hint() -> str:
    """What to add to a failed look-up where BasicSR is not installed."""
    return "" if is_installed() else MISSING_HINT


@cache
def import_basicsr() -> Any:
    """The ``basicsr`` package, repaired.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to install it.
    """
    if not is_installed():
        raise ModuleNotFoundError(MISSING_HINT.strip())
    _supply_functional_tensor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside BasicSR that a user cannot mend
        basicsr = importlib.import_module("basicsr")
    _share_registries()
    _share_lmdb()
    _sort_listings(basicsr)
    _pair_by_stem()
    _mend_lists()
    _refuse_other_scale()
    _keep_vgg_offline()
    _mend_squared_perceptual_loss()
    _tell_windows_of_swinir()
    # Ours are the handlers of its logger; it would add a second one to the console.
    importlib.import_module("basicsr.utils.logger").initialized_logger["basicsr"] = True
    return basicsr


def basicsr_registry(name: str) -> Any:
    """BasicSR's registry called ``name``, filled, or None where BasicSR is not installed."""
    if not is_installed():
        return None
    import_basicsr()
    return getattr(importlib.import_module("basicsr.utils.registry"), name)


def _supply_functional_tensor() -> None:
    """The module that torchvision 0.17 removed, of which BasicSR imports one function."""
    name = "torchvision.transforms.functional_tensor"
    if importlib.util.find_spec("torchvision.transforms") and name not in sys.modules:
        from torchvision.transforms.functional import rgb_to_grayscale

        module = types.ModuleType(name)
        module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
        sys.modules[name] = module


def _share_registries() -> None:
    """Let BasicSR's own builders find our classes, so that its models can take our parts."""
    from smoothkit.core import registry as ours

    theirs = importlib.import_module("basicsr.utils.registry")
    base = theirs.Registry

    class SharedRegistry(base):
        """BasicSR's registry, which asks ours before it gives up."""

        def get(self, name: str, suffix: str = "basicsr") -> Any:
            if name in self._obj_map or f"{name}_{suffix}" in self._obj_map:
                return super().get(name, suffix)
            found = self.own._own(name)
            return super().get(name, suffix) if found is None else found

    for attribute in ("ARCH", "MODEL", "LOSS", "DATASET", "METRIC"):
        shared = getattr(theirs, f"{attribute}_REGISTRY")
        shared.__class__ = SharedRegistry
        shared.own = getattr(ours, f"{attribute}_REGISTRY")


def basicsr_part(module: str, name: str) -> Any:
    """``name`` of a module of BasicSR, such as ``("archs.rrdbnet_arch", "RRDB")``.

    Raises:
        ModuleNotFoundError: BasicSR is not installed; the message says how to install it.
    """
    import_basicsr()
    return getattr(importlib.import_module(f"basicsr.{module}"), name)


def basicsr_scheduler(name: str) -> Any:
    """BasicSR's learning-rate schedule called ``name``."""
    return basicsr_part("models.lr_scheduler", name)


def build_basicsr_model(cls: type, opt: dict[str, Any], runtime: Runtime) -> Any:
    """A model of BasicSR's, repaired to run on any device and to hand over its checkpoints.

    Args:
        cls: the model's class.
        opt: a plain copy of the whole option file; the model may change it.
        runtime: where this process runs.
    """
    folders = runtime.folders
    opt["path"] = {**(opt.get("path") or {})}
    if folders is not None:
        opt["path"] |= {
            "models": str(folders.models),
            "training_states": str(folders.states),
            "visualization": str(folders.visualization),
        }
    opt |= {
        "is_train": runtime.is_train,
        "dist": runtime.world_size > 1,
        "rank": runtime.rank,
        "world_size": runtime.world_size,
        "num_gpu": int(runtime.device.type != "cpu"),
    }
    given = {"runtime": runtime, "given_options": copy.deepcopy(opt)}
    repaired = type(cls.__name__, (_Repaired, cls), given)
    try:
        return repaired(opt)
    except KeyError as error:
        message = f"{cls.__name__} needs {error}, which is missing."
        raise OptionError([Fault("", message)]) from error
    except CONSTRUCTOR_ERRORS as error:
        raise OptionError([Fault.refused("", cls.__name__, error)]) from error
    except (AssertionError, RuntimeError) as error:
        # Some of BasicSR's models put parts on CUDA whatever the device is.
        if runtime.device.type == "cuda":
            raise
        message = f"{cls.__name__} cannot run on {runtime.device.type}: {error}"
        raise OptionError([Fault("model_type", " ".join(message.split()))]) from error


class _Repaired:
    """What BasicSR's models need changed; goes before their class in the order of look-up."""

    runtime: Runtime
    given_options: dict[str, Any]

    @property
    def device(self) -> torch.device:
        """The run's device; BasicSR knows only CUDA and the CPU, and assigns one of the two."""
        return self.runtime.device

    @device.setter
    def device(self, _: torch.device) -> None:
        pass

    def model_to_device(self, net: Any) -> Any:
        """The network on the device; several processes need no CUDA for that."""
        net = net.to(self.device)
        if not self.opt["dist"]:
            return net
        return torch.nn.parallel.DistributedDataParallel(
            net,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            find_unused_parameters=self.opt.get("find_unused_parameters", False),
        )

    def print_network(self, net: Any) -> None:
        """One log line; BasicSR's prints every layer."""
        bare = self.get_bare_model(net)
        count = sum(p.numel() for p in bare.parameters())
        log.info("%s, %s parameters.", type(bare).__name__, f"{count:,}")

    def get_optimizer(self, optim_type: str, params: Any, lr: float, **options: Any) -> Any:
        """Any optimiser of torch; the release knows only Adam."""
        built = getattr(torch.optim, optim_type)(params, lr=lr, **options)
        self.__dict__.setdefault("_optimizer_options", []).append(options_of(built))
        return built

    def setup_schedulers(self) -> None:
        """Any schedule of torch, beside BasicSR's."""
        section = dict(self.opt["train"].get("scheduler") or {})
        theirs = importlib.import_module("basicsr.models.lr_scheduler")
        name = section.get("type", "")
        if not name or hasattr(theirs, name) or name == "MultiStepLR":
            super().setup_schedulers()
            return
        section.pop("type")
        schedule = getattr(torch.optim.lr_scheduler, name)
        self.schedulers += [schedule(optimizer, **section) for optimizer in self.optimizers]

    def test(self) -> None:
        """Run the bare network; a distributed one would wait for the others at every image."""
        wrapped = self.net_g
        self.net_g = self.get_bare_model(wrapped)
        try:
            super().test()
        finally:
            self.net_g = wrapped

    def snapshot(self) -> Snapshot:
        """What ``save`` would write, handed over instead."""
        self._networks: dict[str, dict[str, Any]] = {}
        self._training: dict[str, Any] = {}
        self.save(0, 0)
        return Snapshot(self._networks, self._training)

    def save_network(
        self, net: Any, net_label: str, current_iter: int, param_key: Any = "params"
    ) -> None:
        nets, keys = (v if isinstance(v, list) else [v] for v in (net, param_key))
        states = {key: cpu_state(self.get_bare_model(n)) for key, n in zip(keys, nets, strict=True)}
        meta = {"meta": {"options": self.given_options}}
        self._networks[net_label] = {**states, **meta}

    def save_training_state(self, epoch: int, current_iter: int) -> None:
        self._training = {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [schedule.state_dict() for schedule in self.schedulers],
            "options": self._optimizer_options,
        }

    def restore(self, networks: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """Go on from the contents of a checkpoint.

        Raises:
            DataError: weights of another network.
            OptionError: the state is of another optimiser, or of another learning rate, which
                BasicSR's schedules cannot take up.
        """
        for label, content in networks.items():
            for key, suffix in (("params", ""), ("params_ema", "_ema")):
                net = getattr(self, f"{label}{suffix}", None)
                if net is not None and key in content:
                    state = network_state(content, label, key)
                    load_into(self.get_bare_model(net), state, f"checkpoint {label}")
        held = training.get("options") or [None] * len(self.optimizers)
        for optimizer, saved, options, old in zip(
            self.optimizers, training["optimizers"], self._optimizer_options, held, strict=True
        ):
            if load_optimizer(optimizer, saved, options, old, "train.optim_*"):
                message = (
                    "was edited, but a model of BasicSR's goes on with the schedule of the state. "
                    "Put the old rate back, or start from the weights with "
                    "path.pretrain_network_g."
                )
                raise OptionError([Fault("train.optim_*.lr", message)])
        merged = [optimizer.state_dict() for optimizer in self.optimizers]
        self.resume_training({**training, "optimizers": merged})

    def load_network(
        self, net: Any, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """Load weights safely, in any of the known layouts.

        Raises:
            DataError: the file cannot be used, or holds weights of another network.
        """
        state = network_state(load_file(load_path), load_path, param_key)
        load_into(self.get_bare_model(net), state, load_path, strict=strict)


def _sort_listings(basicsr: Any) -> None:
    """Folders in order of name; in the order of the disk, a seed would mean nothing elsewhere.

    In folders of images, what is none is left aside.
    """
    unsorted = basicsr.utils.scandir

    def scandir(*args: Any, **options: Any) -> Any:
        return iter(sorted(unsorted(*args, **options)))

    def images(dir_path: str, suffix: Any = None, **options: Any) -> Any:
        files = list(scandir(dir_path, suffix=suffix, **options))
        others = [] if suffix else [file for file in files if _extension(file) not in _READABLE]
        if others:
            first = Path(others[0]).name
            warn_once(log, "%s: left aside %d files, such as %s.", dir_path, len(others), first)
        return iter(sorted(set(files) - set(others)))

    for name, module in list(sys.modules.items()):
        if name.startswith("basicsr.") and getattr(module, "scandir", None) is unsorted:
            module.scandir = images if name.startswith("basicsr.data.") else scandir  # type: ignore[attr-defined]


def _extension(file: str) -> str:
    return Path(file).suffix.lower()


def _pair_by_stem() -> None:
    """Pairs of folders by name without extension; BasicSR wants one extension of both."""
    theirs = importlib.import_module("basicsr.data.data_util").paired_paths_from_folder
    for name, module in list(sys.modules.items()):
        if name.startswith("basicsr.") and hasattr(module, theirs.__name__):
            setattr(module, theirs.__name__, _paired_paths)


def _paired_paths(
    folders: Sequence[str], keys: Sequence[str], filename_tmpl: str
) -> list[dict[str, str]]:
    inputs, truths = (_by_stem(*given) for given in zip(folders, keys, strict=True))
    wanted = {filename_tmpl.format(stem): file for stem, file in truths.items()}
    for lacking, held, number in ((inputs, wanted, 0), (wanted, inputs, 1)):
        _refuse_alone(sorted(held.keys() - lacking.keys()), folders, keys, number)
    return [
        {f"{keys[0]}_path": f"{folders[0]}/{inputs[stem]}",
         f"{keys[1]}_path": f"{folders[1]}/{file}"}
        for stem, file in wanted.items()
    ]  # fmt: skip


def _by_stem(folder: str, key: str) -> dict[str, str]:
    """Files of a folder by name without extension."""
    found: dict[str, str] = {}
    for file in importlib.import_module("basicsr.data.data_util").scandir(folder):
        other = found.setdefault(Path(file).stem, file)
        if other != file:
            raise DataError(f"dataroot_{key}: {folder} has both {other} and {file}. Move one away.")
    return found


def _refuse_alone(
    alone: Sequence[str], folders: Sequence[str], keys: Sequence[str], number: int
) -> None:
    """Refuse names that one of two folders lacks, the one of that number."""
    if alone:
        names = f"'{alone[0]}'" + (f" and {len(alone) - 1} more" if alone[1:] else "")
        raise DataError(
            f"dataroot_{keys[number]}: {folders[number]} has no image for {names}, which "
            f"dataroot_{keys[1 - number]} has."
        )


# Beyond the sides of any image.
_BEYOND = 2**31


def _refuse_other_scale() -> None:
    """Pairs of another scale; BasicSR cuts any ground truth to ``scale`` times its input."""
    dataset = importlib.import_module("basicsr.data.paired_image_dataset").PairedImageDataset
    theirs = dataset.__getitem__

    @wraps(theirs)
    def getitem(self: Any, index: int) -> Any:
        opt = self.opt
        if opt["phase"] == "train":  # refuses such pairs itself
            return theirs(self, index)
        self.opt = {**opt, "scale": _BEYOND}  # so that nothing is cut off yet
        try:
            item = theirs(self, index)
        finally:
            self.opt = opt
        item["gt"] = _fitted_truth(item, opt["scale"])
        return item

    dataset.__getitem__ = getitem


def _fitted_truth(item: Mapping[str, Any], scale: int) -> torch.Tensor:
    """The ground truth without what ``scale`` times the input does not reach, less than a pixel."""
    (height, width), truth = item["lq"].shape[-2:], item["gt"]
    wanted, held = (scale * height, scale * width), tuple(truth.shape[-2:])
    if not all(0 <= has - needs < scale for has, needs in zip(held, wanted, strict=True)):
        raise DataError(
            f"{item['gt_path']}: must be {scale} times its input, {wanted[0]}x{wanted[1]}, "
            f"got {held[0]}x{held[1]}. Set 'scale' to that of the pairs."
        )
    if held != wanted:
        _tell_cut(os.path.dirname(item["gt_path"]), scale)
    fitted: torch.Tensor = truth[..., : wanted[0], : wanted[1]]
    return fitted


@cache
def _tell_cut(folder: str, scale: int) -> None:
    """Once for each folder."""
    log.warning(
        "%s: has ground truths of some pixels more than %d times their inputs, which are cut off.",
        folder,
        scale,
    )


def _keep_vgg_offline() -> None:
    """VGG weights of BasicSR's perceptual loss come from a file; it would download them."""
    arch = importlib.import_module("basicsr.archs.vgg_arch")
    theirs = arch.vgg

    class OfflineVgg:
        """torchvision's VGG networks by name, their features filled from a file."""

        def __getattr__(self, name: str) -> Any:
            return lambda pretrained: _vgg_features(theirs, name)

    arch.vgg = OfflineVgg()
    # Its own look-up takes this one file for every kind of VGG; ours asks for the right one there.
    arch.VGG_PRETRAIN_PATH = ""


def _mend_squared_perceptual_loss() -> None:
    """``criterion: l2`` of the perceptual loss, which asks torch for a class that it has not."""
    loss = importlib.import_module("basicsr.losses.basic_loss").PerceptualLoss
    theirs = loss.__init__

    @wraps(theirs)
    def init(self: Any, *args: Any, **options: Any) -> None:
        is_squared = options.get("criterion") == "l2"
        theirs(self, *args, **(options | {"criterion": "l1"} if is_squared else options))
        if is_squared:
            self.criterion_type, self.criterion = "l2", torch.nn.MSELoss()

    loss.__init__ = init


def _tell_windows_of_swinir() -> None:
    """Let padding know that sides have to be multiples of the window, which nothing checks."""
    arch = importlib.import_module("basicsr.archs.swinir_arch").SwinIR

    def io(net: Any) -> ImageIO:
        window = net.layers[0].residual_group.blocks[0].window_size
        return ImageIO(
            channels=net.conv_first.in_channels,
            multiple_of=window,
            min_size=window,
            scale=net.upscale if net.upsampler else 1,
        )

    arch.io = property(io)


def _vgg_features(torchvision_vgg: Any, name: str) -> torch.nn.Module:
    """Only ``features`` are read; the classifier left aside is six times as large."""
    published = getattr(torchvision_vgg, f"{name.upper()}_Weights").DEFAULT.url
    path = find_pretrained(Path(published).name)
    with torch.device("meta"):
        net: torch.nn.Module = getattr(torchvision_vgg, name)()
    del net.classifier
    state = network_state(load_file(path), path)
    load_into(
        net.to_empty(device="cpu"),
        {k: v for k, v in state.items() if k.startswith("features.")},
        path,
    )
    return net


def _share_lmdb() -> None:
    """One environment for each path and process, ours included; lmdb refuses a second one."""
    client = importlib.import_module("basicsr.utils.file_client")

    class SharedLmdb(client.LmdbBackend):
        """BasicSR's reader over shared environments; says which key is missing."""

        def __init__(self, db_paths: Any, client_keys: Any = "default", **options: Any) -> None:
            from smoothkit.core.lmdbs import Database

            paths = db_paths if isinstance(db_paths, list) else [str(db_paths)]
            keys = client_keys if isinstance(client_keys, list) else [client_keys]
            opened = (Database(str(path)) for path in paths)
            self._client = dict(zip(keys, opened, strict=True))

        def get(self, filepath: Any, client_key: str) -> Any:
            database = self._client[client_key]
            return database.read(os.fsencode(str(filepath)), f"{database.root}/{filepath}")

    client.FileClient._backends["lmdb"] = SharedLmdb


def _mend_lists() -> None:
    """Keys of lmdbs with dots in them, and lists with blank lines, of all data sets."""
    for name, module in list(sys.modules.items()):
        if name.startswith("basicsr.data."):
            for mended in (paths_from_lmdb, paired_paths_from_lmdb):
                if hasattr(module, mended.__name__):
                    setattr(module, mended.__name__, mended)
            # Each data set reads its list of names by itself, in ways that fail at blank lines.
            module.open = _open_list  # type: ignore[attr-defined]
    cls = importlib.import_module("basicsr.data.realesrgan_dataset").RealESRGANDataset
    theirs = cls.__init__

    @wraps(theirs)
    def init(self: Any, opt: Any) -> None:
        theirs(self, opt)
        if opt["io_backend"]["type"] == "lmdb":
            self.paths = paths_from_lmdb(self.gt_folder)

    cls.__init__ = init


def paths_from_lmdb(folder: str) -> list[str]:
    """The keys of an lmdb; BasicSR ends them at their first dot.

    Raises:
        DataError: the folder is no lmdb.
    """
    from smoothkit.core.lmdbs import key_of, meta_names

    if not folder.endswith(".lmdb"):
        raise DataError(f"{folder}: must be an lmdb, whose name ends in '.lmdb'.")
    return [os.fsdecode(key_of(name)) for name in meta_names(folder)]


def paired_paths_from_lmdb(folders: Sequence[str], keys: Sequence[str]) -> list[dict[str, str]]:
    """The keys that two lmdbs have in common, which has to be all.

    Raises:
        DataError: one has a key that the other lacks.
    """
    first, second = (paths_from_lmdb(folder) for folder in folders)
    for lacking, held, number in ((first, second, 0), (second, first, 1)):
        _refuse_alone(sorted(set(held) - set(lacking)), folders, keys, number)
    return [{f"{key}_path": path for key in keys} for path in first]


def _open_list(path: Any, mode: str = "r") -> Any:
    """A list of names without its blank lines."""
    with open(path, mode, encoding="utf-8-sig", errors="surrogateescape") as file:
        return io.StringIO("".join(line for line in file if line.strip()))
