from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.infer import infer_network
from smoothkit.models.load import load_network, system_habits
from smoothkit.models.predictor import Predictor
from smoothkit.systems.csgis import reference
from smoothkit.systems.csgis.arch import (
    CBAMSmoothingNet,
    ECASmoothingNet,
    EdgeGuidedSmoothingNet,
    PDPSmoothingNet,
    RDBSmoothingNet,
)
from smoothkit.systems.csgis.attention import CBAM, ECA, eca_kernel
from smoothkit.systems.csgis.edge_guided import (
    EdgeGuidedNonLocal,
    edge_likeness,
    gather,
    gather_rows,
)
from support.fill import fill

NETWORKS = [
    CBAMSmoothingNet,
    ECASmoothingNet,
    PDPSmoothingNet,
    RDBSmoothingNet,
    EdgeGuidedSmoothingNet,
]
each_network = pytest.mark.parametrize("network", NETWORKS)


def filled(network: type[nn.Module], **sizes: int) -> nn.Module:
    net = network(**{"dim": 4, "num_block": 1, **sizes}).eval()
    net.load_state_dict(fill(net.state_dict()))
    return net


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def image(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@each_network
@pytest.mark.parametrize("size", [(1, 1), (9, 14), (1, 20)], ids=str)
def test_a_predictor_keeps_any_size(network: type[nn.Module], size: tuple[int, int]) -> None:
    net = filled(network, in_c=1, out_c=2)
    result = Predictor("none")(net, image(2, 1, *size))
    assert result.shape == (2, 2, *size)
    assert result.isfinite().all()


@each_network
@torch.no_grad()
def test_a_batch_of_one_gives_its_row_of_a_batch(network: type[nn.Module]) -> None:
    net, batch = filled(network), image(2, 3, 17, 16)
    rows = [net.named(net(row[None]))["pred"] for row in batch]
    torch.testing.assert_close(torch.cat(rows), net.named(net(batch))["pred"])


@each_network
@torch.no_grad()
def test_outputs_are_named_and_the_result_is_coarse_plus_residual(
    network: type[nn.Module],
) -> None:
    net = filled(network)
    edge_logits, coarse, residual = net(image(1, 3, 9, 8))
    named = net.named((edge_logits, coarse, residual))
    assert edge_logits.shape == (1, 1, 9, 8)
    assert torch.equal(named["edge_logits"], edge_logits)
    assert torch.equal(named["coarse"], coarse)
    assert torch.equal(named["pred"], coarse + residual)


@each_network
def test_every_parameter_gets_a_finite_gradient(network: type[nn.Module]) -> None:
    net = filled(network, dim=8).train()
    net.named(net(image(2, 3, 16, 16)))["pred"].square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@each_network
@torch.no_grad()
def test_batch_norms_fold_away_for_inference(network: type[nn.Module]) -> None:
    net, x = filled(network), image(1, 3, 16, 16)
    folded = fold_batch_norm(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded.named(folded(x))["pred"], net.named(net(x))["pred"])


@pytest.mark.parametrize(
    ("network", "aliases", "num_block"),
    [
        (CBAMSmoothingNet, ["HDC_cbam"], 12),
        (ECASmoothingNet, [], 12),
        (PDPSmoothingNet, ["PDP_edge_refine"], 20),
        (RDBSmoothingNet, ["RDB_edge_refine"], 12),
        (EdgeGuidedSmoothingNet, ["Edge_guided"], 12),
    ],
)
def test_published_names_build_the_published_size(
    network: type[nn.Module], aliases: list[str], num_block: int
) -> None:
    assert ARCH_REGISTRY.aliases(network.__name__) == aliases
    with torch.device("meta"):
        net = build_network({"type": (aliases or [network.__name__])[0]})
    assert type(net) is network
    blocks = net.descriptor.des if network is RDBSmoothingNet else net.descriptor.res16
    assert len(blocks) == num_block


def test_only_the_network_without_pools_of_the_whole_image_is_local() -> None:
    facts = {network: network(in_c=1, dim=4, num_block=2).io for network in NETWORKS}
    assert {n for n, io in facts.items() if io.radius is not None} == {RDBSmoothingNet}
    assert {n for n, io in facts.items() if io.min_size > 1} == {EdgeGuidedSmoothingNet}
    assert facts[EdgeGuidedSmoothingNet].min_size == 8
    assert all(io.channels == 1 for io in facts.values())


@pytest.mark.parametrize("num_block", [1, 2])
def test_a_pixel_sees_exactly_as_far_as_the_residual_dense_network_says(num_block: int) -> None:
    net = RDBSmoothingNet(in_c=1, out_c=1, dim=2, num_block=num_block).double().eval()
    radius = net.io.radius
    assert radius == 63 + 8 * num_block
    # Positive weights keep every ReLU open and nothing cancels, so what can be seen is seen.
    for parameter in net.parameters():
        parameter.data.abs_()

    side = 2 * radius + 3
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    net.named(net(x))["pred"][0, 0, radius + 1, radius + 1].backward()

    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert not seen[[0, -1]].any()
    assert not seen[:, [0, -1]].any()
    assert all(edge.any() for edge in (seen[1], seen[-2], seen[:, 1], seen[:, -2]))


# Attention


@pytest.mark.parametrize(("channels", "hidden"), [(8, 1), (15, 1), (16, 1), (65, 4), (68, 4)])
def test_the_hidden_layer_of_a_channel_gate_is_never_empty(channels: int, hidden: int) -> None:
    assert CBAM(channels).ChannelGate.mlp[1].weight.shape == (hidden, channels)


@torch.no_grad()
def test_attention_weighs_channels_by_mean_and_maximum_then_pixels() -> None:
    net = CBAM(1).eval()
    for parameter in net.parameters():
        parameter.zero_()
    x = torch.tensor([[[[1.0, 3.0]]]])
    torch.testing.assert_close(net(x), x / 4)  # two sigmoids of 0

    net.ChannelGate.mlp[1].weight.fill_(1)
    net.ChannelGate.mlp[3].weight.fill_(1)
    scale = torch.tensor(2.0 + 3.0).sigmoid()
    torch.testing.assert_close(net(x), x * scale / 2)

    net.SpatialGate.spatial.bn.weight.fill_(1)
    net.SpatialGate.spatial.conv.weight[0, 0, 3, 3] = 1  # the maximum of each pixel's channels
    gated = x * scale
    expected = gated * (gated / (1 + 1e-5) ** 0.5).sigmoid()
    torch.testing.assert_close(net(x), expected)


@torch.no_grad()
def test_channel_attention_starts_by_weighing_channels_by_their_means() -> None:
    x = noise(2, 5, 4, 3)
    torch.testing.assert_close(ECA(5)(x), x * x.mean((2, 3), keepdim=True))


def test_convolutions_of_channel_attention_are_kept_with_the_network() -> None:
    net = filled(ECASmoothingNet)
    assert {"eca1.conv.weight", "eca2.conv.weight"} <= net.state_dict().keys()
    x = image(1, 3, 8, 8)
    assert torch.equal(net(x)[2], net(x)[2])


@pytest.mark.parametrize(
    ("channels", "length"), [(1, 1), (9, 3), (20, 3), (65, 3), (68, 3), (128, 5), (512, 5)]
)
def test_length_of_the_convolution_along_channels(channels: int, length: int) -> None:
    assert eca_kernel(channels) == length


# The edge-guided block

# Zero, what makes a denominator zero, and the ends of float32.
EXTREME = [0.0, -1e-6, -1.0000001e-6, 1e-30, 1e-6, 1.0, -1.0, 1e20, -1e30, 3e38, -3e38]


def pairs_to_gather(num_rows: int = 7, num_columns: int = 5) -> list[Tensor]:
    """Queries, keys, values, edges of rows and of columns, in float64."""
    shapes = [(2, num_rows, 3), (2, 3, num_columns), (2, 3, num_columns)]
    shapes += [(2, num_rows), (2, num_columns)]
    return [noise(*shape, seed=i).double().requires_grad_() for i, shape in enumerate(shapes)]


def test_likeness_of_edges_is_the_smaller_ratio() -> None:
    rows, columns = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[4.0, -2.0]])
    expected = torch.tensor([[[0.5, -1.0], [-4.0, 0.5], [0.0, -2e6]]])
    torch.testing.assert_close(edge_likeness(rows, columns), expected, rtol=1e-5, atol=1e-5)


def test_likeness_of_edges_is_finite_with_finite_gradients_everywhere() -> None:
    rows = torch.tensor([EXTREME], requires_grad=True)
    columns = torch.tensor([EXTREME], requires_grad=True)
    likeness = edge_likeness(rows, columns)
    weights = likeness.softmax(-1)
    (weights * torch.arange(len(EXTREME))).sum().backward()
    for values in (likeness, weights, rows.grad, columns.grad):
        assert values is not None
        assert values.isfinite().all()


def test_gathering_has_the_gradient_of_its_formula() -> None:
    assert torch.autograd.gradcheck(gather_rows, pairs_to_gather(3, 4))


@pytest.mark.parametrize("pairs", [1, 20, 40])
def test_gathering_in_blocks_of_rows_changes_nothing(pairs: int) -> None:
    inputs = pairs_to_gather()
    whole, blocks = gather_rows(*inputs), gather_rows(*inputs, pairs=pairs)
    torch.testing.assert_close(blocks, whole)
    with torch.no_grad():
        torch.testing.assert_close(gather_rows(*inputs, pairs=pairs), whole)
    target = noise(2, 7, 3)
    gradients = [torch.autograd.grad((out * target).sum(), inputs) for out in (whole, blocks)]
    torch.testing.assert_close(*gradients)


@torch.no_grad()
def test_gathering_is_in_float32_under_autocast() -> None:
    maps = [noise(1, 4, 8, 8, seed=i).bfloat16() for i in range(3)]
    edges = noise(1, 1, 32, 32).bfloat16()
    expected = gather(*(x.float() for x in (*maps, edges)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gather(*maps, edges), expected.bfloat16())


@torch.no_grad()
def test_the_edge_guided_network_is_close_to_itself_in_bfloat16() -> None:
    net, x = filled(EdgeGuidedSmoothingNet, dim=16), image(1, 3, 32, 40)
    expected = net.named(net(x))["pred"]
    with torch.autocast("cpu", torch.bfloat16):
        result = net.named(net(x))["pred"].float()
    assert (result - expected).square().mean() < 2e-4 * expected.square().mean()


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 1e4])
def test_a_step_of_training_stays_finite_whatever_the_edge_logits(scale: float) -> None:
    net = filled(EdgeGuidedSmoothingNet, dim=8).train()
    for parameter in net.interpreter1[6].parameters():
        parameter.data *= scale
    optimizer = torch.optim.Adam(net.parameters())
    net.named(net(image(2, 3, 32, 32)))["pred"].square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e20, 1e38])
def test_the_edge_guided_block_has_finite_gradients_for_extreme_logits(scale: float) -> None:
    block = EdgeGuidedNonLocal(4)
    x = noise(2, 4, 32, 32).requires_grad_()
    edge_logits = (scale * noise(2, 1, 32, 32, seed=1).clamp(-3, 3)).requires_grad_()
    block(x, edge_logits).square().mean().backward()
    assert x.grad is not None
    assert edge_logits.grad is not None
    assert x.grad.isfinite().all()
    assert edge_logits.grad.isfinite().all()


def test_what_is_gathered_is_first_a_mean_of_16_pixels() -> None:
    block = EdgeGuidedNonLocal(2)
    x = noise(1, 2, 4, 4)
    torch.testing.assert_close(block.down(x)[0, :, 0, 0], x[0].mean((1, 2)))


def test_images_too_small_for_the_edge_guided_network_are_refused() -> None:
    net = filled(EdgeGuidedSmoothingNet)
    with pytest.raises(ValueError, match=r"must have sides of 8 and more .* got 7 x 9"):
        net(image(1, 3, 7, 9))


# Checkpoints


@each_network
@pytest.mark.parametrize("num_block", [1, 11])
def test_a_published_file_tells_its_network(
    network: type[nn.Module], num_block: int, tmp_path: Path
) -> None:
    sizes = {"in_c": 1, "out_c": 2, "dim": 3, "num_block": num_block}
    source, path = filled(network, **sizes), tmp_path / "epoch 2_ssim 0.900000_psnr 30.000000 "
    torch.save({"net": source.state_dict(), "now_epoch": 3, "opt": {}}, path)
    assert reference.infer_network(source.state_dict()) == {"type": network.__name__, **sizes}
    net, _ = load_network(path)
    assert type(net) is network
    for key, value in net.state_dict().items():
        assert torch.equal(value, source.state_dict()[key])


@pytest.mark.parametrize("num_block", [12, 20])
def test_the_published_network_is_jess_net(num_block: int, tmp_path: Path) -> None:
    spec = {"type": "JESSNet", "in_c": 3, "out_c": 3, "dim": 4, "num_block": num_block}
    state = build_network(spec).state_dict()
    assert reference.infer_network(state) is None
    assert infer_network(state) == spec
    torch.save({"net": state, "now_epoch": 3, "opt": {}}, tmp_path / "net")
    assert type(load_network(tmp_path / "net")[0]).__name__ == "JESSNet"


@pytest.mark.parametrize("missing", ["refine.9", "descriptor.conv_in", "egnl.theta", "tail"])
def test_incomplete_weights_are_not_taken_for_ours(missing: str) -> None:
    state = filled(EdgeGuidedSmoothingNet).state_dict()
    left = {name: value for name, value in state.items() if not name.startswith(missing)}
    assert infer_network(left) is None


@each_network
def test_networks_run_as_the_published_program_does(network: type[nn.Module]) -> None:
    assert system_habits(network) == {"color": "bgr", "rounding": "truncate"}
