"""The older place of ``hub.load_state_dict_from_url``."""

from __future__ import annotations

from unspool.hub import load_state_dict_from_url, tqdm

__all__ = ["load_url", "tqdm"]

load_url = load_state_dict_from_url
