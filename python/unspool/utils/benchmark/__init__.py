"""How long statements take: ``Timer`` measures, ``Measurement`` holds times, ``Compare`` shows many."""

from unspool._lazy import lazy as _on_demand
from unspool.utils.benchmark._compare import Compare
from unspool.utils.benchmark._measurement import Measurement, TaskSpec
from unspool.utils.benchmark._timer import Language, Timer, timer

__all__ = ["Compare", "Language", "Measurement", "TaskSpec", "Timer", "timer"]

__getattr__ = _on_demand(__name__)
