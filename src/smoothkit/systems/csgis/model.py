"""Training and testing of smoothing networks that learn from negatives, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.registry import MODEL_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.signature import read_section
from smoothkit.models.predictor import Predictor
from smoothkit.models.restoration import RestorationModel
from smoothkit.models.step import readers, unset_option
from smoothkit.systems.csgis.negatives import NegativeOptions, draw, negatives_of


@MODEL_REGISTRY.register
class SemanticSmoothingModel(RestorationModel):
    """Trains and runs one network that smooths images, with negatives for its losses.

    Where a loss reads ``negative``, it is drawn once for a step, so that all losses see the same.
    Losses, and with them the networks that they compare features by, are built for training only.

    Args:
        opt: the whole option file.
        runtime: where this process runs; by default found from ``opt``.
        predictor: options of ``smoothkit.models.predictor.Predictor``.
        negatives: options of ``smoothkit.systems.csgis.negatives.NegativeOptions``.
    """

    gives: ClassVar[tuple[str, ...]] = (*RestorationModel.gives, "negative")
    parts: ClassVar[dict[str, type]] = {"predictor": Predictor, "negatives": NegativeOptions}

    def __init__(
        self,
        opt: Mapping[str, Any],
        runtime: Runtime | None = None,
        *,
        predictor: dict[str, Any] | None = None,
        negatives: dict[str, Any] | None = None,
    ) -> None:
        self.negatives = read_section(NegativeOptions, negatives or {}, "negatives")
        super().__init__(opt, runtime, predictor=predictor)

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[Fault]:
        """Negatives that are over-smoothed images, where the training set is not given any."""
        negatives = NegativeOptions(**(options.get("negatives") or {}))
        is_read = "negative" in readers(options["train"])
        if is_read and negatives.needs_over and unset_option(options, "over"):
            return [_missing_over(negatives)]
        return []

    def pick_targets(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """As for other models, and where a loss reads it, ``negative``."""
        targets = super().pick_targets(batch)
        if self._reads("negative"):
            self._refuse_missing_over(batch)
            targets["negative"] = negatives_of(batch, draw(self.negatives, len(batch["lq"])))
        return targets

    def _refuse_missing_over(self, batch: Mapping[str, Any]) -> None:
        if self.negatives.needs_over and "over" not in batch:
            raise OptionError([_missing_over(self.negatives)])


def _missing_over(negatives: NegativeOptions) -> Fault:
    message = (
        f"is missing: negatives.source '{negatives.source}' needs over-smoothed images, and the "
        "training set gives no 'over'. Give their folder here, or set negatives.source to 'input'."
    )
    return Fault("datasets.train.dataroot_over", message)
