"""Grids of devices: the names are there, and using one raises."""

from __future__ import annotations

from unspool.distributed._refused import refused_class, refused_function

__all__ = ["DeviceMesh", "init_device_mesh"]

DeviceMesh = refused_class("torch.distributed.device_mesh.DeviceMesh")
init_device_mesh = refused_function("torch.distributed.device_mesh.init_device_mesh")
