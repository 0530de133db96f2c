"""Tiles of networks whose results depend on them, in validation and inference alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.image_io import ImageIO
from smoothkit.models.predictor import Predictor
from smoothkit.models.restorer import Restorer, RestorerSettings


class Means(nn.Module):
    """Each image in the mean colour of all that the network sees; notes which sizes those are."""

    def __init__(self, largest: int = 1000, **facts) -> None:
        super().__init__()
        self.io = ImageIO(**{"refuses_below": 3, "default_tile": (8, 2), **facts})
        self.gain = nn.Parameter(torch.ones(()))
        self.largest = largest
        self.sizes: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        self.sizes.append((height, width))
        if max(height, width) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return x.mean((2, 3), keepdim=True).expand_as(x) * self.gain


def ramp(height: int, width: int) -> Tensor:
    return torch.linspace(0, 1, height * width).reshape(1, 1, height, width).repeat(1, 3, 1, 1)


def array(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).numpy()


def test_inference_takes_the_networks_own_tiles_unless_told_otherwise() -> None:
    image = ramp(18, 12)
    for settings, sizes in (
        ({}, [(10, 10), (10, 6), (12, 10), (12, 6), (4, 10), (4, 6)]),
        ({"tile_size": 20}, [(18, 12)]),
        ({"tile_pad": 4}, [(12, 12), (12, 8), (14, 12), (14, 8), (6, 12), (6, 8)]),
    ):
        restorer = Restorer(Means(), settings=RestorerSettings(**settings))
        restorer(array(image))
        assert restorer.net.sizes == sizes


def test_validation_and_inference_cut_the_same_tiles() -> None:
    image = ramp(19, 23)
    inference = Restorer(Means(), settings=RestorerSettings(tile_size=6, tile_pad=3))
    found = Predictor("none", tile_size=6, tile_pad=3)(Means().eval(), image)
    np.testing.assert_array_equal(inference(array(image)), array(found))


def test_a_tile_without_memory_is_halved_and_the_log_says_what_that_changes(caplog) -> None:
    image, net = ramp(32, 32), Means(largest=34).eval()
    predictor = Predictor("none", tile_size=32, tile_pad=2)
    net.largest = 20
    found = predictor(net, image)
    assert (
        "out of memory with tiles of 32 pixels; going on with 16. Results differ: " in caplog.text
    )
    assert net.sizes == [(32, 32), (18, 18), (18, 18), (18, 18), (18, 18)]
    torch.testing.assert_close(found, Predictor("none", 16, 2)(Means().eval(), image))
    predictor(net, image)
    assert len(net.sizes) == 9  # what was too large once is not tried again


def test_nothing_is_said_of_results_where_smaller_tiles_do_not_change_them(caplog) -> None:
    net = Means(largest=20, radius=2).eval()
    Predictor("none", tile_size=32, tile_pad=2)(net, ramp(32, 32))
    assert "going on with 16." in caplog.text
    assert "differ" not in caplog.text


def test_a_tile_that_fails_is_an_error_and_no_repeated_tile() -> None:
    class Failing(Means):
        def forward(self, x: Tensor) -> Tensor:
            if len(self.sizes) == 2:
                raise RuntimeError("broken")
            return super().forward(x)

    with pytest.raises(RuntimeError, match="broken"):
        Predictor("none", tile_size=8, tile_pad=2)(Failing().eval(), ramp(32, 8))
    with pytest.raises(RuntimeError, match="broken"):
        Restorer(Failing())(array(ramp(32, 8)))


@pytest.mark.parametrize("size", [(2, 30), (30, 2)])
def test_an_image_that_is_too_small_is_refused_with_its_size(size: tuple[int, int]) -> None:
    told = f"Means: sides must be 3 or more, got {size[0]}x{size[1]}."
    with pytest.raises(DataError, match=told):
        Predictor("none")(Means().eval(), ramp(*size))
    with pytest.raises(DataError, match=told):
        Restorer(Means())(array(ramp(*size)))


def test_a_rest_of_a_tile_that_is_too_small_asks_for_more_overlap() -> None:
    told = "tile_pad: too small for this network: sides must be 3 or more, got 8x2. Use 2 or more."
    with pytest.raises(DataError, match=told):
        Predictor("none", tile_size=8, tile_pad=1)(Means().eval(), ramp(8, 9))
    settings = RestorerSettings(tile_size=8, tile_pad=1)
    with pytest.raises(DataError, match=told):
        Restorer(Means(), settings=settings)(array(ramp(8, 9)))
    Predictor("none", tile_size=8, tile_pad=2)(Means().eval(), ramp(8, 9))


@pytest.mark.parametrize("tile_size", [None, 5])
def test_pre_padding_mirrors_below_and_on_the_right_and_is_cut_again(tile_size) -> None:
    class Seen(Means):
        def forward(self, x: Tensor) -> Tensor:
            self.seen = x
            return x.repeat_interleave(2, -1).repeat_interleave(2, -2)

    net, image = Seen(scale=2).eval(), ramp(9, 7)
    found = Predictor("none", tile_size, tile_pad=2, pre_pad=3)(net, image)
    torch.testing.assert_close(found, image.repeat_interleave(2, -1).repeat_interleave(2, -2))
    if tile_size is None:
        assert net.seen.shape[-2:] == (12, 10)
        torch.testing.assert_close(net.seen[..., 9:, :7], image[..., [7, 6, 5], :])
        torch.testing.assert_close(net.seen[..., :9, 7:], image[..., [5, 4, 3]])


def test_pre_padding_of_a_whole_side_is_refused() -> None:
    told = "predictor.pre_pad: must be less than the sides of an image, got 7 for 9x7"
    with pytest.raises(DataError, match=told):
        Predictor("none", pre_pad=7)(Means().eval(), ramp(9, 7))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tile_size": 0}, "predictor.tile_size: must be 1 or more, got 0."),
        ({"tile_pad": -1}, "predictor.tile_pad: must be 0 or more, got -1."),
        ({"pre_pad": -2}, "predictor.pre_pad: must be 0 or more, got -2."),
    ],
)
def test_sizes_out_of_range_are_named_before_anything_runs(options, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        Predictor(**options)
    (fault,) = Predictor.faults({"predictor": options})
    assert f"{fault.where}: {fault.message}" == told
