"""Second names of operations."""

from __future__ import annotations

from unspool._core.ops import abs as absolute
from unspool._core.ops import acos as arccos
from unspool._core.ops import acos_ as arccos_
from unspool._core.ops import acosh as arccosh
from unspool._core.ops import acosh_ as arccosh_
from unspool._core.ops import asin as arcsin
from unspool._core.ops import asin_ as arcsin_
from unspool._core.ops import asinh as arcsinh
from unspool._core.ops import asinh_ as arcsinh_
from unspool._core.ops import atan as arctan
from unspool._core.ops import atan2 as arctan2
from unspool._core.ops import atan_ as arctan_
from unspool._core.ops import atanh as arctanh
from unspool._core.ops import atanh_ as arctanh_
from unspool._core.ops import div as divide
from unspool._core.ops import ge as greater_equal
from unspool._core.ops import gt as greater
from unspool._core.ops import le as less_equal
from unspool._core.ops import lt as less
from unspool._core.ops import movedim as moveaxis
from unspool._core.ops import mul as multiply
from unspool._core.ops import ne as not_equal
from unspool._core.ops import neg as negative
from unspool._core.ops import outer as ger
from unspool._core.ops import sign as sgn
from unspool._core.ops import sub as subtract
from unspool._core.ops import transpose as swapdims
from unspool._core.ops import trunc as fix
from unspool._core.ops import trunc_ as fix_
from unspool._functions.rearranging import vstack as row_stack

__all__ = [
    "absolute",
    "arccos",
    "arccos_",
    "arccosh",
    "arccosh_",
    "arcsin",
    "arcsin_",
    "arcsinh",
    "arcsinh_",
    "arctan",
    "arctan2",
    "arctan_",
    "arctanh",
    "arctanh_",
    "divide",
    "fix",
    "fix_",
    "ger",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "moveaxis",
    "multiply",
    "negative",
    "not_equal",
    "row_stack",
    "sgn",
    "subtract",
    "swapdims",
]

# Methods, which have their operation's in-place forms too.
METHODS: dict[str, str] = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "divide": "div",
    "fix": "trunc",
    "ger": "outer",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "moveaxis": "movedim",
    "multiply": "mul",
    "negative": "neg",
    "not_equal": "ne",
    "sgn": "sign",
    "subtract": "sub",
    "swapdims": "transpose",
}
