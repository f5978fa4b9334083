"""What this build of unspool is and how it runs."""

from __future__ import annotations

from unspool import _core


def show_config() -> str:
    """Describe version, compiler, instruction-set level, threads and CUDA, one per line."""
    config = _core._configuration()
    lines = [
        f"unspool {config['version']}",
        f"compiler: {config['compiler']}",
        f"processor: {config['cpu']} (level {config['cpu_level']})",
        f"kernels: {config['isa_level']}",
        f"threads: {config['threads']}",
        f"CUDA: {'yes' if config['cuda'] else 'no'}",
    ]
    return "\n".join(lines)
