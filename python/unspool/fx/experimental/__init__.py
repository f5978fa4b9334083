"""Parts of PyTorch's symbolic tracer that packages ask whether it runs."""
