"""File formats: safetensors, PyTorch's archives, and how their contents are rebuilt without running code."""
