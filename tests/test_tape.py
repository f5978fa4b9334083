"""What a node of the tape takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_gradients import DIFFERENTIABLE, tensors_of

import unspool as us
from harness import draws, main_function, outputs
from reference import ROWS

# Bytes of a node, without the values that it saved.
LARGEST = 200
# Those whose rules read five values and more, or lead to as many operands.
LARGER = {"attention": 252, "channel_norm": 240, "row_norm": 240, "scatter_amax": 208, "scatter_amin": 208}


def nodes_of(result: Any) -> Iterator[Any]:
    """Every node that leads to the results, once."""
    waiting = [tensor.grad_fn for tensor in outputs(result) if isinstance(tensor, us.Tensor)]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node.sequence == 0 or node.sequence in seen:
            continue
        seen.add(node.sequence)
        yield node
        waiting += [following for following, _ in node.next_functions]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_node_is_small(name: str) -> None:
    row = ROWS[name]
    for sample in draws(row, "float64"):
        given, _ = tensors_of(row, sample)
        for node in nodes_of(main_function(row)(*given.args, **given.kwargs)):
            assert node.node_bytes <= LARGER.get(node.name(), LARGEST), node.name()


def test_nodes_of_one_kind_share_their_attributes() -> None:
    image = us.ones(1, 1, 4, 4)
    kernel = us.ones(1, 1, 3, 3, requires_grad=True)
    grads = []
    for padding in (1, 0, 1):
        result = us.nn.functional.conv2d(image, kernel, padding=padding)
        grads.append(us.autograd.grad(result.sum(), kernel)[0])
    assert grads[0].tolist() == grads[2].tolist() != grads[1].tolist()


def test_empty_results_are_not_kept_and_have_derivatives_of_second_order() -> None:
    x = us.ones(0, 3, requires_grad=True)
    y = x.exp()
    assert y.grad_fn is not None
    assert y.grad_fn.saved_bytes == 0
    (first,) = us.autograd.grad(y, x, us.ones(0, 3), create_graph=True)
    (second,) = us.autograd.grad(first, x, us.ones(0, 3))
    assert second.shape == (0, 3)
