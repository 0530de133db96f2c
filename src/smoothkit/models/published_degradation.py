"""Real-ESRGAN's options of a degradation, flat and in two places, as ours.

HGGT's programs share them: those of a stage stand at the top of a file, those of its kernels in the
section of the training set.
"""

from __future__ import annotations

from typing import Any

from smoothkit.core.translation import Translator

_STAGE_KEYS = (
    "resize_prob",
    "resize_range",
    "gaussian_noise_prob",
    "noise_range",
    "poisson_scale_range",
    "gray_noise_prob",
    "jpeg_range",
)
_BLUR_KEYS = {
    "kernel_list": "kernel_list",
    "kernel_prob": "kernel_prob",
    "sinc_prob": "sinc_prob",
    "blur_sigma": "sigma",
    "betag_range": "betag_range",
    "betap_range": "betap_range",
}


class DegradationTranslator(Translator):
    """A published file with a degradation on its way into our form."""

    def _take_stage(
        self, data: dict[str, Any], suffix: str = "", *, is_largest_left_out: bool = False
    ) -> dict[str, Any]:
        """The section of a stage.

        Args:
            data: ``datasets.train``; what is taken is removed.
            suffix: of the published keys: 2 for those of the second stage.
            is_largest_left_out: kernels are smaller than ``blur_kernel_size_max`` says.
        """
        where = f"degradation.stages.{int(bool(suffix))}"
        stage: dict[str, Any] = {}
        for key in _STAGE_KEYS:
            if key + suffix in self._options:
                stage[key] = self._options.pop(key + suffix)
                self._came(f"{where}.{key}", key + suffix)
        blur: dict[str, Any] = {}
        for theirs, ours in _BLUR_KEYS.items():
            if theirs + suffix in data:
                blur[ours] = data.pop(theirs + suffix)
                self._came(f"{where}.blur.{ours}", f"datasets.train.{theirs}{suffix}")
        ends = [data.pop(f"blur_kernel_size_{end}{suffix}", None) for end in ("min", "max")]
        if None not in ends:
            blur["half_size"] = [ends[0], ends[1] - 1] if is_largest_left_out else ends
            self._came(f"{where}.blur.half_size", f"datasets.train.blur_kernel_size_max{suffix}")
        return {**stage, "blur": blur}
