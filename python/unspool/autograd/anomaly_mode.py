"""Anomaly mode: the forward call behind a failing or NaN gradient is named."""

from __future__ import annotations

from types import TracebackType

from unspool import _core

_PACKAGE = __file__.rpartition("autograd")[0]


def _where() -> str:
    """Show the stack of the running program, without the library's own frames."""
    import traceback

    frames = traceback.extract_stack()
    own = [frame for frame in frames if not frame.filename.startswith(_PACKAGE)]
    return "".join(traceback.format_list(own or frames))


class set_detect_anomaly:
    """Turn anomaly mode on or off, at once; as a context manager, until the end of the block.

    Args:
        mode: whether recorded operations remember where they were called. Costs a stack trace each.
        check_nan: whether the unwinding stops at the first gradient that is NaN.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (_core.is_anomaly_enabled(), _core.is_anomaly_check_nan_enabled())
        _core._set_anomaly_mode(mode, check_nan, _where)

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _core._set_anomaly_mode(*self._before, _where)


class detect_anomaly:
    """Anomaly mode for the length of a ``with`` block.

    An error in the unwinding, or the first NaN among the gradients (unless ``check_nan`` is off), is
    raised with the operation, its module, and the lines that called it in the forward pass::

        with unspool.autograd.detect_anomaly():
            loss = model(x)
            loss.backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._mode = set_detect_anomaly(True, self._check_nan)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mode.__exit__(kind, error, trace)
