"""HGGT's published option files in our form, and what its checkpoints look like.

The only module that knows the published names. Their fourteen model classes differ in what is
degraded, in which losses are on, and in which image each loss compares with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.translation import Translation
from smoothkit.core.weights import count_parts
from smoothkit.models.published_degradation import DegradationTranslator

# What of a model type is not in its option file.
_TWO_STAGES = ("RealESRNet_Model", "RealESRGAN_Model", "RealESRGAN_PosGT_Model")
_POSITIVE = (
    "Ours_PosGT_Model",
    "LDL_PosGT_Model",
    "RealESRGAN_PosGT_Model",
    "AdaTarget_PosGT_Model",
)
_QUEUE = {"Ours": 144, "LDL_PosGT": 144, "RealESRGAN_PosGT": 144, "AdaTarget": 144}
_MODELS = (
    "Ours_Model",
    "Ours_PosNegGT_Model",
    "LDL_Model",
    "LDL_noGAN_Model",
    "AdaTarget_Model",
    *_TWO_STAGES,
    *_POSITIVE,
)
# The published model sharpens what it degrades, always or where this option says so.
_SHARPENS = {
    "LDL_Model": True,
    "RealESRGAN_Model": True,
    "AdaTarget_Model": "Use_sharpen",
}
# The published model learns to make the sharpened image where 'gt_usm' says so.
_SHARPENS_GT = ("LDL_noGAN_Model", "RealESRNet_Model")
# Which of these options a model reads; all of them stand in many files.
_SHARP_TARGETS = {
    "l1_gt_usm": ("pixel_opt", "adatarget_opt"),
    "percep_gt_usm": ("perceptual_opt",),
    "gan_gt_usm": ("gan_opt",),
}
_READS_SHARP_TARGETS = ("LDL_Model", "RealESRGAN_Model", "Ours_Model", "AdaTarget_Model")
_READS_USE_SHARPEN = ("Ours_Model", "AdaTarget_Model")
_DATASETS = {
    "PosNegGTOriDataset": "original",
    "PosNegGTPosDataset": "positive",
    "TwoStageDegradation_PosNegGTPos_Dataset": "positive",
    "PosNegGTPosNeg_Dataset": "positive_negative",
}
_GROUND_TRUTHS = ("OneStageDegradation_DF2K_Dataset", "TwoStageDegradation_DF2K_Dataset")


def translate(options: Mapping[str, Any]) -> Translation | None:
    """A published option file in our form; None for any other file.

    Args:
        options: a plain copy; it is changed.
    """
    model = str(options.get("model_type"))
    if model not in _MODELS:
        return None
    return _Translator(dict(options), model).run()


class _Translator(DegradationTranslator):
    """One file on its way; what has been taken from it is read."""

    def __init__(self, options: dict[str, Any], model: str) -> None:
        super().__init__(options)
        self._model = model

    def run(self) -> Translation:
        options, out = self._options, self._out
        data = (options.get("datasets") or {}).get("train")
        out |= {"name": options.pop("name", None), "model_type": "RestorationModel"}
        options.pop("model_type")
        self._take("scale", "num_gpu", "manual_seed", "dist_params", "logger", "val")
        self._take_predictor()
        if isinstance(data, dict):
            out["degradation"] = self._degradation(data)
        self._take_networks()
        self._take_paths()
        self._take_datasets()
        if isinstance(options.get("train"), dict):
            out["train"] = self._train(options.pop("train"))
        self._result.unread += sorted(options)
        return self._result

    def _take_predictor(self) -> None:
        """Tiles while testing; padding before them was never done."""
        options = self._options
        is_tiled = options.pop("tile_process", False)
        size, pad = options.pop("tile_size", None), options.pop("tile_pad", None)
        if options.pop("pre_pad", 0):
            self._result.unread.append("pre_pad")
        if is_tiled and size:
            self._out["predictor"] = {"tile_size": size, "tile_pad": pad or 0}
            self._came("predictor.tile_size", "tile_size")
            self._came("predictor.tile_pad", "tile_pad")

    def _degradation(self, data: dict[str, Any]) -> dict[str, Any]:
        options = self._options
        suffixes = ("", "2") if self._model in _TWO_STAGES else ("",)
        section: dict[str, Any] = {}
        if "gt_size" in options:
            section["gt_size"] = options.pop("gt_size")
            self._unread(data, "datasets.train", "gt_size")
        elif "gt_size" in data:
            section["gt_size"] = data.pop("gt_size")
        section["stages"] = [self._stage(suffix, data) for suffix in suffixes]
        if "final_sinc_prob" in data and len(suffixes) == 2:
            section["final_sinc_prob"] = data.pop("final_sinc_prob")
        sharpens = _SHARPENS.get(self._model, False)
        section["sharpen"] = bool(options.get(sharpens)) if isinstance(sharpens, str) else sharpens
        if self._model in _SHARPENS_GT:
            section["sharpen_gt"] = bool(options.pop("gt_usm", False))
        section["pool_size"] = options.pop("queue_size", None) or self._queue()
        self._came("degradation.pool_size", "queue_size")
        self._came("degradation.gt_size", "gt_size")
        return section

    def _stage(self, suffix: str, data: dict[str, Any]) -> dict[str, Any]:
        stage = self._take_stage(data, suffix)
        if suffix and "second_blur_prob" in self._options:
            stage["blur"]["prob"] = self._options.pop("second_blur_prob")
            self._came("degradation.stages.1.blur.prob", "second_blur_prob")
        return stage

    def _queue(self) -> int:
        return next((n for key, n in _QUEUE.items() if self._model.startswith(key)), 180)

    def _take_networks(self) -> None:
        for key in ("network_g", "network_d"):
            if key in self._options:
                section = self._options.pop(key)
                # Theirs always pads; the plain one is BasicSR's.
                if isinstance(section, dict) and section.get("type") == "SwinIR":
                    section = {**section, "type": "HggtSwinIR"}
                self._out[key] = section

    def _take_paths(self) -> None:
        paths = self._options.pop("path", None)
        if not isinstance(paths, dict):
            if paths is not None:
                self._out["path"] = paths  # refused by the check
            return
        own = self._options.pop("path_loc", None)
        if isinstance(own, dict):
            paths |= own
        modes = {letter: self._options.pop(f"load_mode_{letter}", None) for letter in ("g", "loc")}
        for letter, mode in modes.items():
            if mode == "original":  # a bare state dict, in which there are no entries
                self._unread(paths, "path", f"param_key_{letter}")
        self._out["path"] = paths

    def _take_datasets(self) -> None:
        sections = self._options.pop("datasets", None)
        if not isinstance(sections, dict):
            return
        self._out["datasets"] = {
            phase: self._dataset(section, f"datasets.{phase}")
            for phase, section in sections.items()
        }

    def _dataset(self, section: Any, where: str) -> Any:
        if not isinstance(section, dict):
            return section
        kind = section.get("type")
        if kind in _GROUND_TRUTHS:
            section = {**section, "type": "GroundTruthDataset"}
        elif kind in _DATASETS:
            section = {**section, "type": "HggtDataset", "use": _DATASETS[kind]}
        elif kind == "PairedLabeledImageDataset":
            section = {**section, "type": "LabelledPairDataset"}
        else:
            return {**section, **_on_disk(section)}
        for theirs, ours in (
            ("dataroot_all_gt", "dataroot_gt"),
            ("dataroot_all_json", "dataroot_labels"),
            ("dataroot_all_bicubic_LR_folder", "dataroot_lq"),
            ("filter_no_effective_set", "only_positive"),
        ):
            if theirs in section:
                section[ours] = section.pop(theirs)
                self._came(f"{where}.{ours}", f"{where}.{theirs}")
        if section["type"] == "GroundTruthDataset":
            self._unread(section, where, "dataroot_labels")
        # Crops of whole ground truths are the degradation's.
        crops = () if section["type"] == "LabelledPairDataset" else ("gt_size",)
        self._unread(section, where, "io_backend", "meta_info", *crops)
        return section

    def _train(self, train: dict[str, Any]) -> dict[str, Any]:
        if "pixel_opt_o" in train and self._model == "Ours_Model":
            train["pixel_opt"] = train.pop("pixel_opt_o")
            self._came("train.pixel_opt", "train.pixel_opt_o")
        if "neg_opt" in train and self._model == "Ours_PosNegGT_Model":
            train["negative_opt"] = self._like("NegativeGTLoss", train.pop("neg_opt"))
            self._came("train.negative_opt", "train.neg_opt")
        if "ldl_opt" in train and self._model.startswith("LDL"):
            train["ldl_opt"] = self._like("ArtifactLoss", train["ldl_opt"])
        self._unread(train, "train", "pixel_opt_o", "neg_opt")
        if "adatarget_opt" in train and self._model.startswith("AdaTarget"):
            train["adatarget_opt"] = self._adatarget(train["adatarget_opt"])
            train.setdefault("grad_clip", 0.1)
        for name in self._sharp_targets():
            if isinstance(train.get(name), dict):
                train[name] = {**train[name], "target": "sharp"}
        return train

    def _sharp_targets(self) -> list[str]:
        """The losses that compare with the sharpened ground truth."""
        options = self._options
        uses = self._model in _READS_SHARP_TARGETS
        if self._model in _READS_USE_SHARPEN:
            uses = bool(options.pop("Use_sharpen", False))
        if self._model not in _READS_SHARP_TARGETS:
            return []
        asked = {key: bool(options.pop(key, False)) for key in _SHARP_TARGETS}
        return [name for key, names in _SHARP_TARGETS.items() if uses and asked[key]
                for name in names]  # fmt: skip

    def _adatarget(self, section: Any) -> Any:
        sizes = {k: self._options.pop(k) for k in ("k_size", "s_size") if k in self._options}
        if "network_loc" not in self._options:
            message = "is missing: the network that moves patches, which AdaTarget trains along."
            raise OptionError([Fault("network_loc", message)])
        network = self._options.pop("network_loc")
        return {**section, "network": network, **sizes} if isinstance(section, dict) else section

    def _like(self, kind: str, section: Any) -> Any:
        """Their option is a pixel loss of which the weight alone is read."""
        if not isinstance(section, dict):
            return section
        return {"type": kind, "loss_weight": section.get("loss_weight", 1.0)}


def _on_disk(section: Mapping[str, Any]) -> dict[str, str]:
    """Folders that differ in capitals alone: the files say ``Original``, the data ``original``."""
    found: dict[str, str] = {}
    for key, value in section.items():
        path = Path(str(value))
        if key.startswith("dataroot") and path.name.lower() == "original" and not path.exists():
            for other in path.parent.glob("*"):
                if other.name.lower() == "original":
                    found[key] = str(other)
    return found


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of a network with these weights, None if they are of none here.

    Weights of SwinIR fit BasicSR's too, which pads less; this one is HGGT's.
    """
    if "RRDB_trunk.0.RDB1.conv1.weight" in state:
        return _old_rrdb(state)
    if "layers.0.residual_group.blocks.0.attn.relative_position_bias_table" in state:
        return _swinir(state)
    if "body.0.rdb1.conv1.weight" not in state:
        return None
    options = {
        "num_out_ch": state["conv_last.weight"].shape[0],
        "num_feat": state["conv_first.weight"].shape[0],
        "num_block": count_parts(state, "body."),
        "num_grow_ch": state["body.0.rdb1.conv1.weight"].shape[0],
    }
    channels = state["conv_first.weight"].shape[1]
    if "upsample.0.weight" in state:
        scale = _shuffled_scale(state, options["num_feat"])
        return {"type": "RRDBPSNet", "num_in_ch": channels, "scale": scale, **options}
    if "conv_up1.weight" not in state:
        return None
    # The input of the smaller scales is unshuffled: 12 channels of 3, or 48.
    scale = {12: 2, 48: 1}.get(channels, 4)
    channels = {2: channels // 4, 1: channels // 16}.get(scale, channels)
    return {"type": "RRDBNet", "num_in_ch": channels, "scale": scale, **options}


def _old_rrdb(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "type": "BSRGANRRDBNet",
        "in_nc": state["conv_first.weight"].shape[1],
        "out_nc": state["conv_last.weight"].shape[0],
        "nf": state["conv_first.weight"].shape[0],
        "nb": count_parts(state, "RRDB_trunk."),
        "gc": state["RRDB_trunk.0.RDB1.conv1.weight"].shape[0],
        "sf": 4 if "upconv2.weight" in state else 2,
    }


def _swinir(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """With the upsampler of the published files, ``pixelshuffle``; None of the others."""
    if "conv_before_upsample.0.weight" not in state or "upsample.0.weight" not in state:
        return None
    embed_dim, channels = state["conv_first.weight"].shape[:2]
    first = "layers.0.residual_group.blocks.0."
    depth = count_parts(state, "layers.")
    tables = [
        state[f"layers.{i}.residual_group.blocks.0.attn.relative_position_bias_table"]
        for i in range(depth)
    ]
    window = (math.isqrt(len(tables[0])) + 1) // 2
    mask = state.get("layers.0.residual_group.blocks.1.attn_mask")
    return {
        "type": "HggtSwinIR",
        "upscale": _shuffled_scale(state, state["conv_before_upsample.0.weight"].shape[0]),
        "in_chans": channels,
        "img_size": window * math.isqrt(len(mask)) if mask is not None else 64,
        "window_size": window,
        "depths": [count_parts(state, f"layers.{i}.residual_group.blocks.") for i in range(depth)],
        "embed_dim": embed_dim,
        "num_heads": [table.shape[1] for table in tables],
        "mlp_ratio": state[f"{first}mlp.fc1.weight"].shape[0] / embed_dim,
        "upsampler": "pixelshuffle",
        "resi_connection": "1conv" if "layers.0.conv.weight" in state else "3conv",
    }


def _shuffled_scale(state: Mapping[str, Tensor], num_feat: int) -> int:
    """Of the sub-pixel convolutions ``upsample``: one by three, or some by two."""
    if state["upsample.0.weight"].shape[0] == 9 * num_feat:
        return 3
    weights = {key for key in state if key.startswith("upsample.") and key.endswith("weight")}
    return int(2 ** len(weights))
