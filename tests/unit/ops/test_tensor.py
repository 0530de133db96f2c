"""Between BGR arrays and tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.ops.tensor import to_image, to_tensor

BGR = np.array([[[1, 2, 3], [4, 5, 6]]], np.float32)


def test_channels_are_turned_to_rgb_unless_told_otherwise() -> None:
    assert to_tensor(BGR).tolist() == [[[3, 6]], [[2, 5]], [[1, 4]]]
    assert to_tensor(BGR, "bgr").tolist() == [[[1, 4]], [[2, 5]], [[3, 6]]]


def test_a_map_gets_one_channel_and_keeps_its_dtype() -> None:
    labels = np.eye(3, dtype=np.uint8)
    tensor = to_tensor(labels)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 3), torch.uint8)
    tensor[0, 0, 0] = 7
    assert labels[0, 0] == 1  # storage of its own


@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize("depth", [8, 16])
def test_images_come_back(color, depth) -> None:
    top = 255 if depth == 8 else 65535
    image = np.random.default_rng(0).integers(0, top + 1, (5, 7, 3))
    tensor = to_tensor((image / top).astype(np.float32), color)
    np.testing.assert_array_equal(to_image(tensor, color, depth=depth), image)
    np.testing.assert_array_equal(to_image(tensor[None], color, depth=depth), image)


def test_one_channel_gives_a_grey_image_and_values_are_clipped() -> None:
    image = to_image(torch.tensor([[[-1.0, 0.999, 2.0]]]), rounding="truncate")
    assert image.tolist() == [[0, 254, 255]]


def test_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(1 or 3, H, W\), got \(2, 3, 4, 4\)"):
        to_image(torch.zeros(2, 3, 4, 4))
