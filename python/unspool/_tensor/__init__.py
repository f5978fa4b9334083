"""What Tensor has besides operations: methods in Python, printing, protocols, shape changes, old names."""
