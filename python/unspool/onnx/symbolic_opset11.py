"""Imported by packages that could write their own operations to ONNX files, which are not written."""
