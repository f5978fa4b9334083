"""The older place of ``hub.load_state_dict_from_url``, which raises: nothing is downloaded."""

from __future__ import annotations

from unspool.hub import load_state_dict_from_url

__all__ = ["load_url"]

load_url = load_state_dict_from_url
