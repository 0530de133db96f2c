"""A network on images of every kind and size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from smoothkit.archs import build_network
from smoothkit.core.errors import DataError
from smoothkit.core.image_io import ImageIO
from smoothkit.models import restorer as module
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.memory import bytes_per_pixel
from smoothkit.models.predictor import Predictor
from smoothkit.models.restorer import Restorer, RestorerSettings
from support.networks import BASICSR


def jess(**options) -> nn.Module:
    """A small JESS-Net whose BatchNorm statistics are not the trivial ones."""
    torch.manual_seed(0)
    net = build_network({"type": "JESSNet", "dim": 4, "num_block": 1, **options})
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return net.eval()


class Doubling(nn.Module):
    """Nearest neighbour at twice the size, plus a third."""

    io = ImageIO(scale=2, radius=1, multiple_of=4)

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(1 / 3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert image.shape[-1] % 4 == image.shape[-2] % 4 == 0
        return image.repeat_interleave(2, -1).repeat_interleave(2, -2) + self.shift


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else (values * 255).astype(dtype)


def test_tiles_give_the_whole_images_result() -> None:
    image = noise(150, 210, 3, dtype=np.float32)
    whole = Restorer(jess())(image)
    tiled = Restorer(jess(), settings=RestorerSettings(tile_size=37))(image)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    cut = Restorer(jess(), settings=RestorerSettings(tile_size=37, tile_pad=0))(image)
    assert np.abs(cut - whole).max() > 1e-3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_result_that_is_not_finite_is_refused(bad: float) -> None:
    net = Doubling()
    net.shift.data.fill_(bad)
    for dtype in (np.uint8, np.uint16, np.float32):
        with pytest.raises(DataError, match=r"Doubling: its result must be finite, got NaN or inf"):
            Restorer(net)(noise(8, 8, 3, dtype=dtype))
    with pytest.raises(DataError, match="in 768 of 768 values"):
        Predictor("round")(net.eval(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(DataError, match="must be finite"):
        Predictor("round", tile_size=4, tile_pad=0)(net.eval(), torch.zeros(1, 3, 8, 8))


def test_the_result_is_the_networks() -> None:
    net, image = jess(), noise(30, 41, 3, dtype=np.float32)
    with torch.no_grad():
        raw = net.named(net(torch.from_numpy(image).permute(2, 0, 1)[None]))["pred"]
    np.testing.assert_allclose(Restorer(net)(image), raw[0].permute(1, 2, 0), atol=1e-5)


def test_folding_keeps_the_result_and_leaves_the_network_alone() -> None:
    net, image = jess(), torch.rand(1, 3, 20, 24)
    folded = fold_batch_norm(net)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    for ours, theirs in zip(folded(image), net(image), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_convolution_that_is_used_twice_is_not_folded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.norm(self.conv(x)))

    assert isinstance(fold_batch_norm(Twice()).norm, nn.BatchNorm2d)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4), (1, 1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_image_keeps_its_kind(shape: tuple[int, ...], dtype: type) -> None:
    image = noise(*shape, dtype=dtype)
    result = Restorer(jess())(image)
    assert (result.shape, result.dtype) == (shape, dtype)
    if shape[-1] in (2, 4):
        np.testing.assert_array_equal(result[..., -1], image[..., -1])


def test_a_larger_result_is_padded_and_cut_at_its_scale() -> None:
    image = noise(13, 10, 4)
    result = Restorer(Doubling(), settings=RestorerSettings(tile_size=8))(image)
    assert result.shape == (26, 20, 4)
    expected = np.clip(image[..., :3].astype(int) + 85, 0, 255).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(result[..., :3], expected)


@pytest.mark.parametrize(("rounding", "value"), [("round", 86), ("truncate", 85)])
def test_8_bits_are_rounded_as_asked_and_16_always(rounding, value: int) -> None:
    net = Doubling()
    nn.init.constant_(net.shift, 85.7 / 255)
    restorer = Restorer(net, settings=RestorerSettings(rounding=rounding))
    assert restorer(np.zeros((4, 4, 3), np.uint8))[0, 0, 0] == value
    assert restorer(np.zeros((4, 4, 3), np.uint16))[0, 0, 0] == round(85.7 * 257)


def test_the_order_of_colours_is_that_of_the_network() -> None:
    image = noise(8, 8, 3)
    rgb = Restorer(jess(), settings=RestorerSettings(color="rgb"))(image)
    bgr = Restorer(jess(), settings=RestorerSettings(color="bgr"))(image[..., ::-1])
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    turned = Restorer(jess(), settings=RestorerSettings(color="bgr")).restore(image, "bgr")
    np.testing.assert_array_equal(turned, rgb)


def test_a_tile_without_memory_is_retried_at_half_the_size_and_said(monkeypatch, caplog) -> None:
    image = noise(300, 40, 3, dtype=np.float32)
    expected = Restorer(jess())(image)
    restorer = Restorer(jess(), settings=RestorerSettings(tile_size=64, tile_pad=69))
    forward, sizes = restorer._forward, []

    def starved(window: torch.Tensor) -> torch.Tensor:
        sizes.append(max(window.shape[-2:]))
        if max(window.shape[-2:]) > 185:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(window)

    monkeypatch.setattr(restorer, "_forward", starved)
    np.testing.assert_allclose(restorer(image), expected, atol=1e-5)
    assert [size for size in sizes if size > 185] == [60 + 60 + 69]
    assert "out of memory with tiles of 60 pixels; going on with 30" in caplog.text


def test_what_memory_did_not_hold_once_is_not_tried_again(monkeypatch, caplog) -> None:
    restorer = Restorer(jess(), settings=RestorerSettings(tile_size=64, tile_pad=0))
    forward, failures = restorer._forward, []

    def starved(window: torch.Tensor) -> torch.Tensor:
        if max(window.shape[-2:]) > 40:
            failures.append(1)
            raise RuntimeError("could not create a primitive")  # oneDNN's words for it
        return forward(window)

    monkeypatch.setattr(restorer, "_forward", starved)
    restorer(noise(256, 256, 3))
    restorer(noise(128, 128, 3))
    assert len(failures) == 1


def test_tiles_end_where_the_network_takes_no_smaller_ones(monkeypatch) -> None:
    restorer = Restorer(jess(), settings=RestorerSettings(tile_size=64, tile_pad=0))
    restorer.io = ImageIO(radius=0, multiple_of=32)

    def starved(window: torch.Tensor) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(restorer, "_forward", starved)
    with pytest.raises(DataError, match=r"out of memory for a window of .* cannot be made smaller"):
        restorer(noise(100, 100, 3))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tile_size": 0}, "tile_size: must be 'auto' or 1 and more, got 0"),
        ({"tile_size": "big"}, "tile_size: must be 'auto'"),
        ({"tile_pad": -5}, "tile_pad: must be 0 or more, got -5"),
        ({"color": "BGR"}, "color: must be one of rgb, bgr, got 'BGR'"),
        ({"rounding": "floor"}, "rounding: must be one of"),
        ({"grey": "gray"}, "grey: must be one of keep, color, got 'gray'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RestorerSettings(**options)


@pytest.mark.parametrize("name", [*BASICSR, "RRDBNet of scale 2"])
@torch.no_grad()
def test_networks_of_basicsr_take_images_of_any_size(name: str) -> None:
    options = BASICSR[name.partition(" ")[0]] | ({"scale": 2} if "scale" in name else {})
    net = build_network({"type": name.partition(" ")[0], **options}).eval()
    restorer = Restorer(net)
    image = noise(24, 16, 3, dtype=np.float32)
    expected = net(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(restorer(image), expected, atol=1e-5)
    odd = restorer(noise(17, 23, 3))
    assert odd.shape == (17 * restorer.io.scale, 23 * restorer.io.scale, 3)


def test_another_error_of_the_network_is_not_taken_for_lack_of_memory(monkeypatch) -> None:
    restorer = Restorer(jess())

    def broken(window: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr(restorer, "_forward", broken)
    restorer.settings = RestorerSettings(tile_size=64)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        restorer(noise(9, 9, 3))


def test_a_network_that_sees_everything_is_not_cut() -> None:
    net = Doubling()
    net.io = ImageIO(scale=2, radius=None, multiple_of=4)
    assert Restorer(net)(noise(40, 40, 3)).shape == (80, 80, 3)
    restorer = Restorer(net, settings=RestorerSettings(tile_size=16))
    with pytest.raises(DataError, match="how far this network sees is not known"):
        restorer(noise(40, 40, 3))
    loose = Restorer(net, settings=RestorerSettings(tile_size=16, tile_pad=4))
    assert loose(noise(40, 40, 3)).shape == (80, 80, 3)


def test_automatic_tiles_fit_the_memory(monkeypatch) -> None:
    image = noise(200, 300, 3, dtype=np.float32)
    whole = Restorer(jess())(image)
    restorer = Restorer(jess())
    sizes = []
    forward = restorer._forward
    monkeypatch.setattr(module, "budget", lambda device: 170**2 * 4 * 4 * 8 * 1.1)
    restorer._affordable_side(1000, 1000, 0)  # the probes are no tiles
    monkeypatch.setattr(restorer, "_forward", lambda x: sizes.append(x[0, 0].numel()) or forward(x))
    np.testing.assert_allclose(restorer(image), whole, atol=1e-5)
    assert len(sizes) > 1
    assert max(sizes) <= 1.1 * 170**2


def test_memory_is_that_of_the_largest_set_of_living_tensors() -> None:
    def run(image: torch.Tensor) -> torch.Tensor:
        first = image.repeat(1, 4, 1, 1)  # 4 planes
        second = first.repeat(1, 2, 1, 1)  # 8 more beside them
        del first
        return second.sum(1)  # 1 more, beside 8

    counted = bytes_per_pixel(run, lambda side: torch.ones(1, 1, side, side))
    assert counted == pytest.approx(1.1 * 12 * 4)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((4, 4, 5), np.uint8), "must have 1 to 4 channels, got 5"),
        (np.zeros((4, 4, 3), np.int32), "got \\(4, 4, 3\\) int32"),
        (np.zeros((0, 4, 3), np.uint8), "got \\(0, 4, 3\\) uint8"),
    ],
)
def test_what_is_no_image_is_refused(image: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Restorer(jess())(image)


def test_grey_is_the_rounded_mean_of_the_three_channels() -> None:
    class Tint(nn.Module):
        io = ImageIO(radius=0)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + torch.tensor([0, 0, 2 / 255])[:, None, None]

    result = Restorer(Tint())(np.full((5, 6), 10, np.uint8))
    assert (result == 11).all()  # of 10, 10 and 12


def test_a_grey_image_gets_the_colours_of_the_network_where_asked_for() -> None:
    class Tint(nn.Module):
        io = ImageIO(radius=0)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + torch.tensor([0, 1 / 255, 2 / 255])[:, None, None]

    restorer = Restorer(Tint(), settings=RestorerSettings(grey="color"))
    assert restorer(np.full((5, 6), 10, np.uint8))[0, 0].tolist() == [10, 11, 12]
    in_bgr = restorer.restore(np.full((5, 6), 10, np.uint8), "bgr")
    assert in_bgr.shape == (5, 6, 3)
    assert in_bgr[0, 0].tolist() == [12, 11, 10]
    clear = np.dstack([np.full((5, 6), 10, np.uint8), np.full((5, 6), 99, np.uint8)])
    assert restorer(clear)[0, 0].tolist() == [10, 11, 12, 99]


def test_a_colour_image_for_a_grey_network_is_refused() -> None:
    restorer = Restorer(jess(in_c=1, out_c=1))
    assert restorer(noise(8, 8)).shape == (8, 8)
    with pytest.raises(DataError, match="takes 1 channels, the image has 3"):
        restorer(noise(8, 8, 3))
