"""``unspool.compile``: a whole training step is recorded once and replayed without Python."""

from unspool._compile.compiled import CacheInfo, CompiledFunction, CompiledModule, compile

__all__ = ["CacheInfo", "CompiledFunction", "CompiledModule", "compile"]
