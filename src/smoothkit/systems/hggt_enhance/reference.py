"""HGGT's published option files of enhancement in our form, and what its checkpoints look like.

The only module that knows the published names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.translation import Translation
from smoothkit.core.weights import count_parts
from smoothkit.models.published_degradation import DegradationTranslator

# The published programs write colour PNGs, whatever they read.
HABITS = {"ext": "png", "grey": "color"}

_MODEL, _DATASET = "EnhancementModel", "EnhancementDataset"
_POOL_SIZE = 200
# Side from which the published kernels allow a lower cutoff.
_SINC_BORDER = 11


def translate(options: Mapping[str, Any]) -> Translation | None:
    """A published option file in our form; None for any other file.

    Args:
        options: a plain copy; it is changed.
    """
    if options.get("model_type") != _MODEL:
        return None
    return _Translator(dict(options)).run()


class _Translator(DegradationTranslator):
    """One file on its way; what has been taken from it is read."""

    def run(self) -> Translation:
        options, out = self._options, self._out
        out |= {"name": options.pop("name", None), "model_type": "RestorationModel"}
        options.pop("model_type")
        self._take("scale", "num_gpu", "manual_seed", "dist_params", "logger", "val")
        self._take("network_g", "network_d", "path", "train")
        if "train" not in out and isinstance(out.get("val"), dict) and not out["val"].get("suffix"):
            out["val"]["suffix"] = ""  # results have the names of their inputs
        self._take_predictor()
        datasets = options.pop("datasets", None)
        if isinstance(datasets, dict):
            data = datasets.get("train")
            if isinstance(data, dict):
                out["degradation"] = self._degradation(data)
                self._take_data(data)
            out["datasets"] = datasets
        self._result.unread += sorted(options)
        return self._result

    def _take_predictor(self) -> None:
        keys = ("tile_size", "tile_pad", "pre_pad")
        self._out["predictor"] = {k: self._options.pop(k) for k in keys if k in self._options}
        for key in keys:
            self._came(f"predictor.{key}", key)

    def _degradation(self, data: dict[str, Any]) -> dict[str, Any]:
        stage = self._take_stage(data, is_largest_left_out=True)
        stage["blur"]["sinc_border"] = _SINC_BORDER
        section = {"pool_size": self._options.pop("queue_size", _POOL_SIZE), "stages": [stage]}
        self._came("degradation.pool_size", "queue_size")
        if "gt_size" in self._options:
            section["gt_size"] = self._options.pop("gt_size")
            self._came("degradation.gt_size", "gt_size")
        return section

    def _take_data(self, data: dict[str, Any]) -> None:
        where, root, backend = "datasets.train", data.get("dataroot_gt"), data.get("io_backend")
        if data.get("type") != _DATASET:
            return
        is_lmdb = str(root).endswith(".lmdb")
        if isinstance(backend, dict) and backend.get("type") == "lmdb" and not is_lmdb:
            message = f"must end in '.lmdb' where io_backend is lmdb, got {root}."
            raise OptionError([Fault(f"{where}.dataroot_gt", message)])
        # A folder and an lmdb are told apart by their names, and an lmdb brings a list.
        self._unread(data, where, "io_backend", "gt_size", *["meta_info"] * is_lmdb)


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of a network with these weights, None if they are of none here.

    Sides of windows, ranges and means leave no trace in the weights: they are the published ones.
    """
    if "body.0.modules_lfe.lfe_0.conv0.shift_conv.weight" in state:
        return _elan(state)
    if "body.0.residual_group.0.rcab.0.weight" in state and "upsample.0.weight" not in state:
        return _rcan(state)
    return None


def _elan(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, colors = state["head.0.weight"].shape[:2]
    pairs = count_parts(state, "body.0.modules_lfe.")
    expanded = state["body.0.modules_lfe.lfe_0.conv0.shift_conv.conv1x1.weight"].shape[0]
    return {
        "type": "ELAN",
        "scale": math.isqrt(state["tail.0.weight"].shape[0] // colors),
        "colors": colors,
        "m_elan": pairs * count_parts(state, "body."),
        "c_elan": width,
        "n_share": pairs - 1,
        "r_expand": expanded // width,
    }


def _rcan(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, channels = state["conv_first.weight"].shape[:2]
    squeezed = state["body.0.residual_group.0.rcab.3.attention.1.weight"].shape[0]
    return {
        "type": "RCANNOUP",
        "num_in_ch": channels,
        "num_out_ch": state["conv_last.weight"].shape[0],
        "num_feat": width,
        "num_group": count_parts(state, "body."),
        "num_block": count_parts(state, "body.0.residual_group."),
        "squeeze_factor": width // squeezed,
    }
