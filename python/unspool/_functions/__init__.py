"""Functions of tensors that are written in Python: most are short compositions of operations."""
