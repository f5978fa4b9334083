"""What PyTorch keeps whole in the programs that it compiles, as far as scripts call it directly."""
