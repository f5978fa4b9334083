"""nn.blocks: residual blocks and bottlenecks."""

from __future__ import annotations

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn.blocks import Bottleneck, Bottleneck2d, Residual


def test_a_residual_block_adds_its_branch_to_x_or_to_the_shortcut() -> None:
    us.manual_seed(0)
    branch, shortcut, x = nn.Linear(3, 3), nn.Linear(3, 3), us.randn(4, 3)
    assert Residual(branch)(x).tolist() == (x + branch(x)).tolist()
    assert Residual(branch, shortcut)(x).tolist() == (shortcut(x) + branch(x)).tolist()
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(4, 3\).*shortcut"):
        Residual(nn.Linear(3, 5))(x)


def test_a_new_bottleneck_is_the_identity_and_learns() -> None:
    us.manual_seed(0)
    block, x = Bottleneck(6, 2, nn.Tanh()), us.randn(5, 6)
    assert block(x).tolist() == x.tolist()
    assert sum(p.numel() for p in block.parameters()) == 2 * 6 * 2 + 6 + 2
    optimizer = us.optim.Adam(block.parameters(), lr=0.05)
    first = None
    for _ in range(60):
        loss = (block(x) - x.flip(1)).square().mean()
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first is not None
    assert loss.item() < 0.6 * first


@pytest.mark.parametrize(("out", "stride", "size"), [(None, 1, 7), (12, 1, 7), (8, 2, 4)])
def test_the_bottleneck_of_images_has_a_shortcut_where_the_shape_changes(
    out: int | None, stride: int, size: int
) -> None:
    us.manual_seed(0)
    block = Bottleneck2d(8, 4, out, stride)
    x = us.randn(2, 8, 7, 7)
    y = block(x)
    assert tuple(y.shape) == (2, out or 8, size, size)
    straight = block.residual.shortcut
    assert (straight is None) == (out is None)
    expected = (x if straight is None else straight(x)) + block.residual.branch(x)
    np.testing.assert_allclose(y.detach().numpy(), expected.relu().detach().numpy(), atol=1e-6)


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        Bottleneck(4, 0)
    with pytest.raises(ValueError, match="stride"):
        Bottleneck2d(4, 2, stride=0)
