"""The module in which PyTorch has its embeddings; here they are in ``embedding``."""

from __future__ import annotations

from unspool.nn.modules.embedding import Embedding, EmbeddingBag

__all__ = ["Embedding", "EmbeddingBag"]
