"""Models in integers of 8 bits: the names that packages import are there, and using one raises."""

from __future__ import annotations

from unspool._refused import refused_class, refused_function

__all__ = [
    "DeQuantStub",
    "QConfig",
    "QuantStub",
    "convert",
    "fuse_modules",
    "fuse_modules_qat",
    "get_default_qat_qconfig",
    "get_default_qconfig",
    "prepare",
    "prepare_qat",
    "quantize_dynamic",
]

_WHY = ", which computes with floating numbers; use the model as it is"

DeQuantStub = refused_class("torch.ao.quantization.DeQuantStub", _WHY)
QConfig = refused_class("torch.ao.quantization.QConfig", _WHY)
QuantStub = refused_class("torch.ao.quantization.QuantStub", _WHY)
convert = refused_function("torch.ao.quantization.convert", _WHY)
fuse_modules = refused_function("torch.ao.quantization.fuse_modules", _WHY)
fuse_modules_qat = refused_function("torch.ao.quantization.fuse_modules_qat", _WHY)
get_default_qat_qconfig = refused_function("torch.ao.quantization.get_default_qat_qconfig", _WHY)
get_default_qconfig = refused_function("torch.ao.quantization.get_default_qconfig", _WHY)
prepare = refused_function("torch.ao.quantization.prepare", _WHY)
prepare_qat = refused_function("torch.ao.quantization.prepare_qat", _WHY)
quantize_dynamic = refused_function("torch.ao.quantization.quantize_dynamic", _WHY)
