"""Guided upsampling."""

from __future__ import annotations

import torch

from smoothkit.ops.upsample import guided_upsample


def test_a_function_of_the_colours_comes_back_at_the_larger_size():
    small, guide = torch.rand(2, 3, 12, 16), torch.rand(2, 3, 36, 48)
    weights = torch.tensor([0.5, -0.2, 0.1])[:, None, None]
    values = (small * weights).sum(1, keepdim=True) + 0.3
    expected = (guide * weights).sum(1, keepdim=True) + 0.3
    result = guided_upsample(values, small, guide, eps=1e-9)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-3)


def test_a_flat_guide_gives_smooth_values():
    values = torch.rand(1, 1, 12, 16)
    result = guided_upsample(
        values, torch.full((1, 3, 12, 16), 0.5), torch.full((1, 3, 36, 48), 0.5)
    )
    assert result.shape == (1, 1, 36, 48)
    assert values.min() <= result.min()
    assert result.max() <= values.max()
    assert result.std() < values.std()
