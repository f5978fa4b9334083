"""Pictures of graphs, by Graphviz."""

from __future__ import annotations

import shutil
import subprocess


def can_draw() -> bool:
    """Tell whether Graphviz is installed."""
    return shutil.which("dot") is not None


def svg_of(source: str, who: str) -> str:
    """Lay out a graph in the DOT language.

    Raises:
        RuntimeError: Graphviz is not installed, or does not understand the source.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise RuntimeError(
            f"{who}: Graphviz' program dot is not installed (Debian: apt-get install graphviz; conda "
            "install graphviz). The package that PyPI calls graphviz does not contain it. The graph is text "
            "in the DOT language, which other programs and web pages draw as well"
        )
    done = subprocess.run([dot, "-Tsvg"], input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{who}: Graphviz' program dot failed: {done.stderr.strip()}")
    return done.stdout


def quoted(text: str) -> str:
    """Write text in the DOT language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
