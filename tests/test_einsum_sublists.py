"""einsum with lists of numbers in place of an equation."""

from __future__ import annotations

from typing import Any

import pytest

import unspool as us

A = us.arange(6.0).reshape(2, 3)
B = us.arange(12.0).reshape(3, 4)
einsum: Any = us.einsum

CALLS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "product": ((A, [0, 1], B, [1, 2], [0, 2]), ("ij,jk->ik", A, B)),
    "no output": ((A, [0, 1], B, [1, 2]), ("ij,jk", A, B)),
    "sorted output": ((A, [1, 0]), ("ba", A)),
    "numbers of both halves": ((A, [26, 0]), ("aA", A)),
    "the largest number": ((A, [51, 1], B, [1, 2], [2, 51]), ("ij,jk->ki", A, B)),
    "dots": ((A, [..., 1], B, [1, 2], [..., 2]), ("...j,jk->...k", A, B)),
    "only dots": ((A, [...]), ("...", A)),
    "tuples": ((A, (0, 1), (1, 0)), ("ij->ji", A)),
    "trace": ((us.eye(3), [0, 0]), ("ii", us.eye(3))),
    "diagonal": ((us.eye(3), [0, 0], [0]), ("ii->i", us.eye(3))),
    "a number": ((A, [0, 1], []), ("ij->", A)),
    "three operands": ((A, [0, 1], B, [1, 2], us.ones(4), [2], [0]), ("ij,jk,k->i", A, B, us.ones(4))),
}


@pytest.mark.parametrize("name", CALLS)
def test_lists_of_numbers_stand_for_letters(name: str) -> None:
    numbers, letters = CALLS[name]
    assert us.equal(einsum(*numbers), einsum(*letters))


def test_gradients_flow_to_all_operands() -> None:
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    einsum(a, [0, 1], b, [1, 2], [0]).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert us.equal(a.grad, B.sum(1).expand(2, 3))
    assert us.equal(b.grad, A.sum(0).unsqueeze(1).expand(3, 4))


def test_wrong_lists_are_named() -> None:
    for number in (-1, 52):
        with pytest.raises(ValueError, match=rf"index {number} of a sublist is not within \[0, 52\)"):
            einsum(A, [0, number])
    with pytest.raises(TypeError, match="indices of a sublist must be ints or Ellipsis, not str"):
        einsum(A, ["i", "j"])
    with pytest.raises(RuntimeError, match="names 1 indices, but its operand has 2 dimensions"):
        einsum(A, [0])
    for wrong in ((A, None), (A,)):
        with pytest.raises(TypeError, match="argument 'equation' must be str, not Tensor"):
            einsum(*wrong)
    with pytest.raises(TypeError, match=r"the signature is einsum\(equation, operands\)"):
        einsum(A, [0, 1], B)
