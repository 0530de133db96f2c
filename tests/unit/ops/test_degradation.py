"""Compression on any device."""

from __future__ import annotations

import torch

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.ops.degradation import _jpeg, compress


def test_the_tables_of_a_device_are_not_those_that_other_compressors_share():
    # Moving a module to a GPU moves its parameters in place; on the CPU a change of type does.
    before = compress(torch.full((1, 3, 16, 16), 0.3), torch.tensor([80.0]))
    theirs = basicsr_part("utils.diffjpeg", "DiffJPEG")(differentiable=False)
    own = {id(value) for value in _jpeg(torch.device("cpu")).parameters()}
    assert own.isdisjoint(id(value) for value in theirs.parameters())
    theirs.double()
    after = compress(torch.full((1, 3, 16, 16), 0.3), torch.tensor([80.0]))
    theirs.float()
    assert after.dtype == torch.float32
    assert torch.equal(after, before)
