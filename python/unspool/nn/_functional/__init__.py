"""The Python side of ``unspool.nn.functional``, by family. Users import ``unspool.nn.functional``."""
