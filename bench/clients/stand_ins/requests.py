"""Stands in for requests: the answer is always an archive with a random graph in the form of Cora.

2,708 papers with 1,433 words and 7 subjects, and 5,429 citations.
"""

from __future__ import annotations

import functools
import io
import tarfile
from typing import Any

import numpy as np


def _archive() -> bytes:
    generator = np.random.default_rng(0)
    papers, words, citations = 2708, 1433, 5429
    names = generator.permutation(papers) + 1000
    has_word = (generator.random((papers, words)) < 18 / words).astype(int)
    subjects = generator.integers(0, 7, papers)
    rows = (
        "\t".join((str(name), *map(str, row), f"subject_{subject}"))
        for name, row, subject in zip(names, has_word, subjects, strict=True)
    )
    cites = ("\t".join(map(str, pair)) for pair in generator.choice(names, (citations, 2)))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, lines in (("cora.content", rows), ("cora.cites", cites)):
            text = ("\n".join(lines) + "\n").encode()
            member = tarfile.TarInfo(f"cora/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


class Response:
    """What came back; made when it is first looked at."""

    text = ""

    @functools.cached_property
    def content(self) -> bytes:
        """The archive."""
        return _archive()

    @functools.cached_property
    def raw(self) -> io.BytesIO:
        """The archive as a file."""
        return io.BytesIO(self.content)

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def get(url: str, stream: bool = False, **_settings: Any) -> Response:
    """Answer."""
    del url, stream
    return Response()
