"""What a test must know of how the library under test was built."""

from __future__ import annotations

import os

import pytest

# The interpreter knows nothing of sanitizers, so their runtime is loaded before it.
IS_SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")

unsanitized = pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer widens frames and keeps no blocks for reuse")
