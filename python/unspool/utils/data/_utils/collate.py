"""How samples become a batch; scripts that extend it take it from here."""

from __future__ import annotations

import re

from unspool.utils.data._collate import default_collate, default_convert

__all__ = ["default_collate", "default_convert", "np_str_obj_array_pattern"]

# Kinds of arrays that make no tensors, by the text of their dtype: strings and objects.
np_str_obj_array_pattern = re.compile(r"[SaUO]")
default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
