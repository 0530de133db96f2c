"""Compression on any device."""

from __future__ import annotations

import torch

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.ops.degradation import _jpeg, compress


def test_compressing_on_one_device_moves_no_table_of_another():
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = compress(images, torch.tensor([80.0]))
    _jpeg(torch.device("meta"))
    _jpeg.cache_clear()  # as after batches on other devices
    assert torch.equal(compress(images, torch.tensor([80.0])), before)
    theirs = basicsr_part("utils.diffjpeg", "DiffJPEG")(differentiable=False)
    assert {value.device.type for value in theirs.parameters()} == {"cpu"}
