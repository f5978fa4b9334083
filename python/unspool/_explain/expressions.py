"""Mathematical expressions with shapes: what formulas become, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

Shape: TypeAlias = "tuple[int, ...] | None"
"""None where it is not known."""


@dataclass(frozen=True)
class Symbol:
    """A value with a name."""

    name: str
    shape: Shape = None


@dataclass(frozen=True)
class Slope:
    """dL/d(value): a cotangent."""

    of: str
    shape: Shape = None


@dataclass(frozen=True)
class Number:
    """A number that was written in the place of a tensor, or an attribute."""

    value: float
    shape: Shape = ()


@dataclass(frozen=True)
class Absent:
    """An optional argument that was not given."""

    shape: Shape = None


@dataclass(frozen=True)
class Infix:
    """left operator right; ``·`` is the product of matrices, ``*`` that of elements."""

    operator: str
    left: Expression
    right: Expression
    shape: Shape = None


@dataclass(frozen=True)
class Prefix:
    """``-x``."""

    operator: str
    operand: Expression
    shape: Shape = None


@dataclass(frozen=True)
class Transposed:
    """xᵀ, or another mark behind: ⁻¹, ⁺."""

    operand: Expression
    mark: str = "ᵀ"
    shape: Shape = None


@dataclass(frozen=True)
class Sum:
    """Σ x over some dimensions, all if none are named; Π and others likewise."""

    operand: Expression
    over: str = ""
    sign: str = "Σ"
    shape: Shape = None


@dataclass(frozen=True)
class Apply:
    """name(arguments); |x| has the name ``abs``."""

    name: str
    arguments: tuple[Expression, ...]
    shape: Shape = None


@dataclass(frozen=True)
class Choice:
    """yes where the condition holds, else no."""

    condition: Expression
    yes: Expression
    no: Expression
    shape: Shape = None


Expression: TypeAlias = Symbol | Slope | Number | Absent | Infix | Prefix | Transposed | Sum | Apply | Choice

COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


def with_shape(expression: Expression, shape: Shape) -> Expression:
    """Give the expression the shape that its value is known to have."""
    return replace(expression, shape=shape)


# Shapes ---------------------------------------------------------------------------------------------------


def broadcast(*shapes: Shape) -> Shape:
    """Give the shape of an element-wise result."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    sizes: list[int] = []
    for d in range(max((len(shape) for shape in known), default=0)):
        here = {shape[len(shape) - 1 - d] for shape in known if d < len(shape)}
        sizes.append(max(here) if 0 not in here else 0)
    return tuple(reversed(sizes))


def shape_of(expression: Expression) -> Shape:
    """Give the shape of an expression, from its parts where it is not known of itself."""
    if expression.shape is not None or isinstance(expression, Symbol | Slope | Number | Absent | Sum):
        return expression.shape
    if isinstance(expression, Infix):
        left, right = shape_of(expression.left), shape_of(expression.right)
        if expression.operator != "·":
            return broadcast(left, right)
        if left is None or right is None or len(left) < 2 or len(right) < 2:
            return None
        batch = broadcast(left[:-2], right[:-2]) or ()
        return (*batch, left[-2], right[-1])
    if isinstance(expression, Prefix):
        return shape_of(expression.operand)
    if isinstance(expression, Transposed):
        shape = shape_of(expression.operand)
        return shape if shape is None or len(shape) < 2 else (*shape[:-2], shape[-1], shape[-2])
    parts = expression.arguments if isinstance(expression, Apply) else (expression.yes, expression.no)
    return broadcast(*(shape_of(part) for part in parts))


# Simplification -------------------------------------------------------------------------------------------


def simplified(operator: str, left: Expression, right: Expression) -> Expression:
    """Join two expressions, without terms and factors that change nothing."""
    if isinstance(right, Absent) and operator in "+-":
        return left
    if isinstance(left, Absent) and operator == "+":
        return right
    if isinstance(left, Number) and isinstance(right, Number) and operator in "+-*":
        a, b = left.value, right.value
        value = a + b if operator == "+" else a - b if operator == "-" else a * b
        return Number(value, broadcast(left.shape, right.shape))
    if operator == "*" and isinstance(right, Number):
        left, right = right, left
    if isinstance(left, Number) and left.shape == ():
        if left.value == 1 and operator == "*":
            return right
        if left.value == -1 and operator == "*":
            return Prefix("-", right)
        if left.value == 0 and operator == "+":
            return right
    if isinstance(right, Number) and right.shape == ():
        if right.value == 0 and operator in "+-":
            return left
        if right.value == 1 and operator in "/^":
            return left
    if operator == "+" and isinstance(right, Prefix):
        return Infix("-", left, right.operand)
    return Infix(operator, left, right)


# Writing --------------------------------------------------------------------------------------------------

# How tightly operators bind.
_CHOICE, _COMPARISON, _SUM, _PRODUCT, _PREFIX, _POWER, _ATOM = range(7)
_BINDING = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "·": _PRODUCT, "/": _PRODUCT, "^": _POWER}

_NUMBERED = re.compile(r"^(.*?[A-Za-z'])_?(\d+)$")
_GREEK = ("alpha", "beta", "gamma", "delta", "mu", "sigma", "lambda", "theta", "pi")


class Text:
    """Plain text, with the signs of mathematics."""

    dot, times, transposed = " · ", " ⊙ ", "{}{}"

    def name(self, name: str) -> str:
        """Write a name."""
        return name

    def slope(self, of: str) -> str:
        """Write a cotangent."""
        name = self.name(of)
        return f"dL/d{name}" if re.fullmatch(r"\w+(<sub>\w+</sub>)?'*", name) else f"dL/d({name})"

    def number(self, value: float) -> str:
        """Write a number."""
        return f"{value:.6g}"

    def marked(self, operand: str, mark: str) -> str:
        """Write a mark behind."""
        return operand + mark

    def power(self, base: str, exponent: str) -> str:
        """Write a power."""
        superscript = {"2": "²", "3": "³"}.get(exponent)
        return base + (superscript or f"^{exponent}")

    def fraction(self, above: Callable[[int], str], below: Callable[[int], str]) -> tuple[str, int]:
        """Write a quotient; the parts are written at the binding that is asked for."""
        return f"{above(_PRODUCT)} / {below(_PREFIX)}", _PRODUCT

    def comparison(self, sign: str) -> str:
        """Write a sign of comparison."""
        return {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥"}.get(sign, sign)

    def sum(self, sign: str, over: str) -> str:
        """Write what stands before the summed."""
        return (f"{sign}_{over} " if over.isalpha() else f"{sign}_({over}) ") if over else f"{sign} "

    def apply(self, name: str, arguments: list[str]) -> str:
        """Write a function with its arguments."""
        if name == "abs":
            return f"|{arguments[0]}|"
        return f"{name}({', '.join(arguments)})"

    def bracket(self, condition: str) -> str:
        """Write 1 where the condition holds, else 0."""
        return f"[{condition}]"

    def choice(self, condition: str, yes: str, no: str) -> str:
        """Write a choice."""
        return f"({yes} where {condition}, else {no})"

    def parenthesized(self, inner: str) -> str:
        """Write parentheses."""
        return f"({inner})"

    def shape(self, shape: Shape) -> str:
        """Write a shape."""
        if shape is None:
            return "(?)"
        return "(" + "×".join(str(size) for size in shape) + ")" if shape else "number"


class Html(Text):
    """Text with subscripts, escaped."""

    def name(self, name: str) -> str:
        """Write a name."""
        from html import escape

        numbered = _NUMBERED.match(name)
        return f"{escape(numbered[1])}<sub>{numbered[2]}</sub>" if numbered else escape(name)

    def marked(self, operand: str, mark: str) -> str:
        """Write a mark behind."""
        return operand + {"ᵀ": "<sup>T</sup>", "⁻¹": "<sup>-1</sup>"}.get(mark, mark)

    def power(self, base: str, exponent: str) -> str:
        """Write a power."""
        return f"{base}<sup>{exponent}</sup>"

    def comparison(self, sign: str) -> str:
        """Write a sign of comparison."""
        return {"<": "&lt;", ">": "&gt;"}.get(sign, super().comparison(sign))

    def sum(self, sign: str, over: str) -> str:
        """Write what stands before the summed."""
        return f"{sign}<sub>{over}</sub> " if over else f"{sign} "


class Latex(Text):
    """LaTeX, for between dollar signs."""

    dot, times = r" \cdot ", r" \odot "

    def name(self, name: str) -> str:
        """Write a name."""
        numbered = _NUMBERED.match(name)
        if numbered and numbered[1].isalpha():
            base = numbered[1] if len(numbered[1]) == 1 else rf"\mathrm{{{numbered[1]}}}"
            return f"{base}_{{{numbered[2]}}}"
        if name in _GREEK:
            return "\\" + name
        escaped = name.replace("_", r"\_").replace("#", r"\#").replace("&", r"\&").replace("%", r"\%")
        return name if len(name) == 1 else rf"\mathrm{{{escaped}}}"

    def slope(self, of: str) -> str:
        """Write a cotangent."""
        return rf"\frac{{\partial L}}{{\partial {self.name(of)}}}"

    def number(self, value: float) -> str:
        """Write a number."""
        mantissa, _, exponent = f"{value:.6g}".partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa

    def marked(self, operand: str, mark: str) -> str:
        """Write a mark behind."""
        written = {"ᵀ": r"\top", "⁻¹": "-1", "⁺": "+"}.get(mark, mark)
        return f"{{{operand}}}^{{{written}}}"

    def power(self, base: str, exponent: str) -> str:
        """Write a power."""
        return f"{{{base}}}^{{{exponent}}}"

    def fraction(self, above: Callable[[int], str], below: Callable[[int], str]) -> tuple[str, int]:
        """Write a quotient."""
        return rf"\frac{{{above(_CHOICE)}}}{{{below(_CHOICE)}}}", _ATOM

    def comparison(self, sign: str) -> str:
        """Write a sign of comparison."""
        signs = {"==": "=", "!=": r"\ne", "<=": r"\le", ">=": r"\ge", "∧": r"\wedge", "∨": r"\vee"}
        return signs.get(sign, sign)

    def sum(self, sign: str, over: str) -> str:
        """Write what stands before the summed."""
        command = {"Σ": r"\sum", "Π": r"\prod"}.get(sign, sign)
        return rf"{command}_{{\text{{{over}}}}} " if over else command + " "

    def apply(self, name: str, arguments: list[str]) -> str:
        """Write a function with its arguments."""
        if name == "abs":
            return rf"\left|{arguments[0]}\right|"
        known = {"exp": r"\exp", "ln": r"\ln", "tanh": r"\tanh", "sin": r"\sin", "cos": r"\cos",
                 "max": r"\max", "min": r"\min"}  # fmt: skip
        written = known.get(name) or r"\operatorname{" + name.replace("_", r"\_") + "}"
        return rf"{written}\left({', '.join(arguments)}\right)"

    def choice(self, condition: str, yes: str, no: str) -> str:
        """Write a choice."""
        return rf"\begin{{cases}} {yes} & {condition} \\ {no} & \text{{else}} \end{{cases}}"

    def parenthesized(self, inner: str) -> str:
        """Write parentheses."""
        return rf"\left({inner}\right)"

    def shape(self, shape: Shape) -> str:
        """Write a shape."""
        if shape is None:
            return "(?)"
        return "(" + r" \times ".join(str(size) for size in shape) + ")" if shape else r"\text{number}"


def write(expression: Expression, style: Text) -> str:
    """Write an expression."""
    return _written(expression, style)[0]


def _at(expression: Expression, style: Text, binding: int) -> str:
    """Write an operand of an operator that binds this tightly."""
    text, own = _written(expression, style)
    return text if own >= binding else style.parenthesized(text)


def _written(expression: Expression, style: Text) -> tuple[str, int]:
    """Write an expression; also give how tightly it binds."""
    if isinstance(expression, Infix):
        return _infix(expression, style)
    if isinstance(expression, Symbol):
        is_simple = re.fullmatch(r"[\w.'\[\]]+", expression.name)
        return style.name(expression.name), _ATOM if is_simple else _SUM
    if isinstance(expression, Slope):
        return style.slope(expression.of), _ATOM
    if isinstance(expression, Number):
        return style.number(expression.value), _ATOM if expression.value >= 0 else _PREFIX
    if isinstance(expression, Prefix):
        return "-" + _at(expression.operand, style, _PRODUCT), _SUM
    if isinstance(expression, Transposed):
        return style.marked(_at(expression.operand, style, _ATOM), expression.mark), _ATOM
    if isinstance(expression, Sum):
        return style.sum(expression.sign, expression.over) + _at(
            expression.operand, style, _PRODUCT
        ), _PRODUCT
    if isinstance(expression, Apply):
        return style.apply(expression.name, [write(each, style) for each in expression.arguments]), _ATOM
    if isinstance(expression, Choice):
        condition, yes, no = expression.condition, expression.yes, expression.no
        if isinstance(no, Number) and no.value == 0:
            return (
                f"{_at(yes, style, _PRODUCT)}{style.times}{style.bracket(write(condition, style))}",
                _PRODUCT,
            )
        return style.choice(write(condition, style), write(yes, style), write(no, style)), _ATOM
    return "none", _ATOM


def _infix(expression: Infix, style: Text) -> tuple[str, int]:
    operator, left, right = expression.operator, expression.left, expression.right
    if operator == "/":
        return style.fraction(lambda b: _at(left, style, b), lambda b: _at(right, style, b))
    if operator == "^":
        exponent = write(right, style)
        is_plain = isinstance(right, Number | Symbol) or isinstance(style, Html | Latex)
        return style.power(_at(left, style, _ATOM), exponent if is_plain else f"({exponent})"), _POWER
    if operator in (*COMPARISONS, "∧", "∨"):
        sides = _at(left, style, _SUM), _at(right, style, _SUM)
        return f"{sides[0]} {style.comparison(operator)} {sides[1]}", _COMPARISON
    binding = _BINDING.get(operator, _COMPARISON)
    sign = {"*": style.times, "·": style.dot}.get(operator, f" {operator} ")
    if operator == "*" and (shape_of(left) == () or shape_of(right) == ()):
        sign = " " if isinstance(left, Number) and not isinstance(right, Number) else style.times
    is_same = operator == "*" and isinstance(right, Infix) and right.operator == "*"
    tighter = binding + (operator in "-·*" and not is_same)
    return f"{_at(left, style, binding)}{sign}{_at(right, style, tighter)}", binding


def write_shapes(expression: Expression, style: Text) -> str:
    """Write the same with shapes in place of values: products and sums as they are, the rest whole."""
    return _shapes(expression, style)[0]


def _shapes(expression: Expression, style: Text) -> tuple[str, int]:
    if isinstance(expression, Infix) and expression.operator in ("·", "+", "-", "*"):
        operator, left, right = expression.operator, expression.left, expression.right
        if shape_of(left) == () and operator != "·":
            return _shapes(right, style)
        if shape_of(right) == () and operator != "·":
            return _shapes(left, style)
        binding = _BINDING[operator]
        sign = {"*": style.times, "·": style.dot}.get(operator, f" {operator} ")
        parts = []
        for part in (left, right):
            text, own = _shapes(part, style)
            parts.append(text if own >= binding else style.shape(shape_of(part)))
        return f"{parts[0]}{sign}{parts[1]}", binding
    if isinstance(expression, Sum):
        inner = style.shape(shape_of(expression.operand))
        return style.sum(expression.sign, expression.over) + inner, _PRODUCT
    if isinstance(expression, Prefix):
        return _shapes(expression.operand, style)
    if isinstance(expression, Choice) and isinstance(expression.no, Number):
        return _shapes(expression.yes, style)
    return style.shape(shape_of(expression)), _ATOM
