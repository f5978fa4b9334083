"""The records' formulas, read: text in argument names becomes an expression of what the call was given.

Most formulas are arithmetic in the usual notation. Those in words ("input with sizes `size`") are not read;
the operation is then written as a function of its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from unspool._explain.expressions import (
    COMPARISONS,
    Apply,
    Choice,
    Expression,
    Infix,
    Number,
    Prefix,
    Sum,
    Symbol,
    Transposed,
    simplified,
)

_TOKEN = re.compile(r"\s*(\d+\.?\d*|[A-Za-z_][A-Za-z_0-9]*'?|==|!=|<=|>=|⁻¹|[-+*/^·ᵀ⁺ΣΠ?:(),|<>])")
_MARKS = ("ᵀ", "⁻¹", "⁺")


class NotArithmetic(Exception):
    """The formula is in words."""


def read(formula: str, values: Mapping[str, Expression], over: str = "") -> Expression:
    """Read a formula with its names replaced.

    Args:
        formula: as in the record.
        values: what the argument names stand for.
        over: the dimensions that a Σ in it runs over, in words.

    Raises:
        NotArithmetic: the formula cannot be read.
    """
    return _Reader(formula, values, over).whole()


class _Reader:
    """Reads by precedence: each method takes one level and what binds tighter."""

    def __init__(self, formula: str, values: Mapping[str, Expression], over: str) -> None:
        self._values = values
        self._over = over
        self._tokens: list[str] = []
        self._next = 0
        place = 0
        while place < len(formula.rstrip()):
            match = _TOKEN.match(formula, place)
            if match is None:
                raise NotArithmetic(formula)
            self._tokens.append(match[1])
            place = match.end()

    def whole(self) -> Expression:
        result = self._choice()
        if self._next < len(self._tokens):
            raise NotArithmetic(self._peek())
        return result

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if not token or (wanted and token not in wanted):
            return ""
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise NotArithmetic(f"expected {token}, found {self._peek()}")

    def _choice(self) -> Expression:
        condition = self._both()
        if not self._take("?"):
            return condition
        yes = self._choice()
        self._expect(":")
        return Choice(condition, yes, self._choice())

    def _both(self) -> Expression:
        left = self._comparison()
        while sign := self._take("and", "or"):
            right = self._comparison()
            if any(isinstance(side, Symbol) and side.shape == () for side in (left, right)):
                raise NotArithmetic("words")
            left = Infix({"and": "∧", "or": "∨"}[sign], left, right)
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        sign = self._take(*COMPARISONS)
        return Infix(sign, left, self._sum()) if sign else left

    def _sum(self) -> Expression:
        return self._joined(self._product, "+", "-")

    def _product(self) -> Expression:
        return self._joined(self._prefix, "*", "·", "/")

    def _joined(self, operand: Callable[[], Expression], *signs: str) -> Expression:
        left = operand()
        while sign := self._take(*signs):
            left = simplified(sign, left, operand())
        return left

    def _prefix(self) -> Expression:
        if self._take("-"):
            operand = self._prefix()
            return Number(-operand.value) if isinstance(operand, Number) else Prefix("-", operand)
        if sign := self._take("Σ", "Π"):
            return Sum(self._product(), self._over, sign)
        return self._power()

    def _power(self) -> Expression:
        base = self._marked()
        if self._take("^"):
            return simplified("^", base, self._prefix())
        return base

    def _marked(self) -> Expression:
        operand = self._atom()
        while mark := self._take(*_MARKS):
            operand = Transposed(operand, mark)
        return operand

    def _atom(self) -> Expression:
        token = self._take()
        if token == "(":
            inner = self._choice()
            self._expect(")")
            return inner
        if token == "|":
            inner = self._choice()
            self._expect("|")
            return Apply("abs", (inner,))
        if token and token[0].isdigit():
            number = Number(float(token))
            follows = self._peek()
            return simplified("*", number, self._power()) if follows and follows[0].isalpha() else number
        if not token or not (token[0].isalpha() or token[0] == "_") or token in ("Σ", "Π"):
            raise NotArithmetic(token)
        if self._peek() == "(" and token not in self._values:
            return self._call(token)
        return self._values.get(token, Symbol(token, ()))

    def _call(self, name: str) -> Expression:
        self._expect("(")
        arguments = [self._choice()]
        while self._take(","):
            arguments.append(self._choice())
        self._expect(")")
        return Apply(name, tuple(arguments))
