"""Figures in logs for TensorBoard, and what its writer refuses by name."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from unspool.utils.tensorboard import SummaryWriter


@pytest.mark.parametrize("several", [False, True])
def test_figures_are_recorded_as_images(tmp_path: Path, several: bool) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    figures = [plt.figure(figsize=(2, 1), dpi=50, facecolor=color) for color in ("red", "lime")]
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_figure("drawn", figures if several else figures[0], 3)
    assert plt.get_fignums() == ([] if several else [figures[1].number])
    plt.close("all")
    events = EventAccumulator(str(tmp_path), {"images": 0})
    events.Reload()
    (image,) = events.Images("drawn")
    pixels = plt.imread(io.BytesIO(image.encoded_image_string))
    assert (image.step, pixels.shape) == (3, (50, 200 if several else 100, 4))
    np.testing.assert_array_equal(pixels[0, 0], [1, 0, 0, 1])
    np.testing.assert_array_equal(pixels[-1, -1], [0, 1, 0, 1] if several else [1, 0, 0, 1])


def test_what_the_writer_has_not_is_refused_by_name(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        with pytest.raises(NotImplementedError, match=r"SummaryWriter\.add_video is not implemented"):
            writer.add_video("moving", None)
        with pytest.raises(AttributeError, match="nonsense"):
            writer.nonsense  # noqa: B018
        assert not hasattr(writer, "add_embedding")
