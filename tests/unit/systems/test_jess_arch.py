from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.systems.jess.arch import HDCEdgeNet, HDCNet, JESSNet, SmoothingBaseline
from support.fill import fill

NETWORKS = [SmoothingBaseline, HDCNet, HDCEdgeNet, JESSNet]
each_network = pytest.mark.parametrize("network", NETWORKS)


def filled(network: type[nn.Module]) -> nn.Module:
    net = network(dim=4, num_block=2).eval()
    net.load_state_dict(fill(net.state_dict()))
    return net


def image(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@each_network
@pytest.mark.parametrize("size", [(1, 1), (7, 13), (1, 20)])
@torch.no_grad()
def test_any_size_keeps_its_size(network: type[nn.Module], size: tuple[int, int]) -> None:
    net = network(in_c=1, out_c=2, dim=4, num_block=1).eval()
    outputs = net.named(net(image(2, 1, *size)))
    channels = {"pred": 2, "coarse": 2, "edge_logits": 1}
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        name: (2, channels[name], *size) for name in outputs
    }


@each_network
@torch.no_grad()
def test_a_batch_of_one_gives_its_row_of_a_batch(network: type[nn.Module]) -> None:
    net, batch = filled(network), image(2, 3, 9, 8)
    rows = [net.named(net(row[None]))["pred"] for row in batch]
    torch.testing.assert_close(torch.cat(rows), net.named(net(batch))["pred"])


@each_network
@torch.no_grad()
def test_a_state_dict_round_trip_gives_the_same_result(network: type[nn.Module]) -> None:
    source, target = filled(network), network(dim=4, num_block=2).eval()
    target.load_state_dict(source.state_dict())
    x = image(1, 3, 6, 6)
    assert torch.equal(target.named(target(x))["pred"], source.named(source(x))["pred"])


@each_network
def test_every_parameter_gets_a_gradient(network: type[nn.Module]) -> None:
    net = filled(network).train()
    net.named(net(image(2, 3, 8, 8)))["pred"].square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@torch.no_grad()
def test_the_result_of_jessnet_is_the_coarse_image_plus_the_residual() -> None:
    net = filled(JESSNet)
    raw = net(image(1, 3, 6, 5))
    named = net.named(raw)
    assert torch.equal(named["pred"], raw[1] + raw[2])
    assert torch.equal(named["coarse"], raw[1])
    assert torch.equal(named["edge_logits"], raw[0])


@pytest.mark.parametrize(
    ("network", "per_block", "constant"),
    [(SmoothingBaseline, 3, 13), (HDCNet, 6, 4), (HDCEdgeNet, 6, 25), (JESSNet, 6, 63)],
)
@pytest.mark.parametrize("num_block", [1, 2])
def test_a_pixel_sees_exactly_as_far_as_its_network_says(
    network: type[nn.Module], per_block: int, constant: int, num_block: int
) -> None:
    net = network(in_c=1, out_c=1, dim=2, num_block=num_block).double().eval()
    radius = net.io.radius
    assert radius == per_block * num_block + constant
    # Positive weights keep every ReLU open and nothing cancels, so what can be seen is seen.
    for parameter in net.parameters():
        parameter.data.abs_()

    side = 2 * radius + 3
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    net.named(net(x))["pred"][0, 0, radius + 1, radius + 1].backward()

    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert seen[1:-1, 1:-1].all()
    assert seen.sum() == (side - 2) ** 2


@pytest.mark.parametrize(
    ("network", "num_block", "aliases"),
    [
        (SmoothingBaseline, 12, ["Baseline"]),
        (HDCNet, 20, ["HDC", "HDR"]),
        (HDCEdgeNet, 20, ["HDC_edge", "HDR_edge"]),
        (JESSNet, 20, ["HDC_edge_refine", "HDR_edge_refine"]),
    ],
)
def test_published_names_build_the_published_size(
    network: type[nn.Module], num_block: int, aliases: list[str]
) -> None:
    assert ARCH_REGISTRY.aliases(network.__name__) == aliases
    with torch.device("meta"):
        net = ARCH_REGISTRY.build({"type": aliases[-1]}, where="network_g")
    assert type(net) is network
    assert len(net.descriptor.res16) == num_block


@pytest.mark.parametrize(
    ("network", "num_block", "parameters"),
    [
        (SmoothingBaseline, 12, 1_745_155),
        (HDCNet, 20, 2_300_995),
        (HDCEdgeNet, 20, 2_709_764),
        (JESSNet, 20, 3_417_863),
        (JESSNet, 12, 2_528_519),
    ],
)
def test_number_of_parameters(network: type[nn.Module], num_block: int, parameters: int) -> None:
    with torch.device("meta"):
        net = network(num_block=num_block)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters
