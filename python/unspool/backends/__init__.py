"""Switches of PyTorch's back ends. They can be set and read; none of these back ends is in unspool."""

from __future__ import annotations

from unspool.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
