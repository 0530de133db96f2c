"""Training and testing of matting networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import MODEL_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.restoration import RestorationModel
from smoothkit.systems.lsa.arch import LsaNet, load_encoder
from smoothkit.systems.lsa.predict import MattingPredictor


@MODEL_REGISTRY.register
class MattingModel(RestorationModel):
    """Trains and runs one network that maps an image and its trimap to alpha.

    It trains on batches with ``gt`` (alpha), ``trimap`` and either ``image`` or ``fg`` and ``bg``,
    which are composed on the training device.

    Args:
        opt: the whole option file.
        runtime: where this process runs; by default found from ``opt``.
        predictor: options of ``smoothkit.systems.lsa.predict.MattingPredictor``.
        encoder_weights: ImageNet's weights of the encoder, as mmclassification publishes them, for
            the start of a training. They are not read in testing, in going on from a checkpoint,
            or where ``path.pretrain_network_g`` gives all weights.
    """

    parts: ClassVar[dict[str, type]] = {"predictor": MattingPredictor}
    net: LsaNet
    predictor: MattingPredictor

    def __init__(
        self,
        opt: Mapping[str, Any],
        runtime: Runtime | None = None,
        *,
        predictor: dict[str, Any] | None = None,
        encoder_weights: str | None = None,
    ) -> None:
        self._encoder_weights = encoder_weights
        super().__init__(opt, runtime, predictor=predictor)
        self._folded: nn.Module | None = None

    def _load_start(self) -> None:
        if not hasattr(self.net, "inputs"):
            message = f"must be a matting network, such as LsaNet, got {type(self.net).__name__}."
            raise OptionError([Fault("network_g.type", message)])
        is_start = self.runtime.is_train and not self.runtime.is_resumed
        given = (self.opt.get("path") or {}).get("pretrain_network_g")
        if self._encoder_weights and is_start and not given:
            load_encoder(self.net, self._encoder_weights)
        super()._load_start()

    def _training_pairs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with the composed ``image`` and ``lq``, the input of the network."""
        if "trimap" not in batch or not ({"fg", "bg"} <= set(batch) or "image" in batch):
            message = (
                "gives no 'trimap', or neither 'image' nor 'fg' and 'bg'. Train on a data set such "
                "as MattingCompositionDataset."
            )
            raise OptionError([Fault("datasets.train.type", message)])
        image = batch.get("image")
        if image is None:
            image = composed(batch["fg"], batch["bg"], batch["gt"])
        return {**batch, "image": image, "lq": self.net.inputs(image, batch["trimap"])}

    def test(self) -> None:
        """Alpha of the batch fed last, by the running average of the network where there is one."""
        net = self.ema.net if self.ema is not None else self.net
        self._batches = self._batches[-1:]
        batch = self._batches[0]
        if "lq" not in batch or "trimap" not in batch:
            raise DataError(
                "this data set gives no 'lq' with a 'trimap'. Validate and test on one such as "
                "MattingTestDataset."
            )
        was_training = net.training
        try:
            alpha = self.predictor(self._evaluated(net), batch["lq"], batch["trimap"])
        finally:
            net.train(was_training)
        self._written = self.predictor.written(alpha)
        self.output = self._written if self.predictor.measures_rounded else alpha

    def get_current_visuals(self) -> OrderedDict[str, Tensor]:
        """``lq``, ``trimap``, ``result``, ``saved`` (as files have it) and, if any, ``gt``."""
        trimap = self._batches[0]["trimap"].detach().cpu()
        visuals = super().get_current_visuals()
        return OrderedDict(visuals, trimap=trimap, saved=self._written.detach().cpu())

    def _evaluated(self, net: nn.Module) -> Any:
        """``net`` as it is in training; else one that gives the same in less time."""
        if self.runtime.is_train:
            return net.eval()
        if self._folded is None:
            folded = fold_batch_norm(net).requires_grad_(False)
            self._folded = folded.to(memory_format=torch.channels_last)
        return self._folded


def composed(fg: Tensor, bg: Tensor, alpha: Tensor) -> Tensor:
    """The image of a foreground over a background: fg * alpha + bg * (1 - alpha).

    Args:
        fg, bg: (N, 3, H, W).
        alpha: (N, 1, H, W) in [0, 1].
    """
    return bg + alpha * (fg - bg)
