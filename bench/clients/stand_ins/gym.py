"""gymnasium under its older name, with environments that begin from one seed."""

from __future__ import annotations

from typing import Any

import gymnasium


class _Seeded(gymnasium.Wrapper):
    """Seeds the first reset."""

    seed: int | None = 1

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Begin an episode."""
        chosen, self.seed = self.seed if seed is None else seed, None
        return self.env.reset(seed=chosen, options=options)


def make(name: str, **settings: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment by name."""
    settings.pop("autoreset", None)  # gym's default, and no longer an argument
    environment = gymnasium.make(name, **settings)
    environment.action_space.seed(1)
    return _Seeded(environment)


def __getattr__(name: str) -> Any:
    return getattr(gymnasium, name)
