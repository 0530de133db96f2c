"""Networks of BasicSR in the predictor."""

import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.core.basicsr_compat import is_installed
from smoothkit.models.predictor import Predictor

SIZE = {"depths": [1], "num_heads": [1], "embed_dim": 4, "window_size": 4, "img_size": 12}


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.skipif(not is_installed(), reason="BasicSR is not installed here")
@pytest.mark.parametrize(("options", "scale"), [({"upscale": 2, "upsampler": "pixelshuffle"}, 2),
                                                ({}, 1)])  # fmt: skip
def test_the_swinir_of_basicsr_is_padded_to_its_window(options, scale):
    net = build_network({"type": "SwinIR", **SIZE, **options}).eval()
    assert (net.io.multiple_of, net.io.scale) == (4, scale)
    with torch.no_grad():
        result = Predictor()(net, torch.rand(1, 3, 13, 10))
    assert result.shape == (1, 3, 13 * scale, 10 * scale)
