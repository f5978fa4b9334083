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
            assert 0 < node.node_bytes <= LARGEST, node.name()


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


class Twice(us.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: us.Tensor) -> us.Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: us.Tensor) -> us.Tensor:
        return g * 2


def test_every_kind_of_node_says_what_it_takes_and_holds() -> None:
    x = us.ones(8, requires_grad=True)
    written = x * 1
    before = written.grad_fn
    assert before is not None
    written[2:5] *= x[2:5]
    function = Twice.apply(x)
    compiled = us.compile(lambda t: (t * t).exp())
    compiled(x)
    replayed = compiled(x)
    for result, name in ((written, "assign_region"), (function, "Twice"), (replayed, "compiled")):
        node = result.grad_fn
        assert node is not None
        assert name in node.name()
        assert node.node_bytes > 64
        assert node.saved_bytes > 0
    assert function.grad_fn.saved_bytes == 32
    leaf = before.next_functions[0][0]
    assert leaf.node_bytes > 0
    assert leaf.saved_bytes == 0


def test_the_number_of_an_output_survives_on_the_tape() -> None:
    class Many(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: us.Tensor) -> tuple[us.Tensor, ...]:
            return tuple(x * k for k in range(300))

        @staticmethod
        def backward(ctx: Any, *grads: us.Tensor) -> us.Tensor:
            return sum(g * k for k, g in enumerate(grads))

    x = us.ones(1, requires_grad=True)
    results = Many.apply(x)
    (results[299] * 2 + results[7] * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == 299 * 2 + 7 * 3
