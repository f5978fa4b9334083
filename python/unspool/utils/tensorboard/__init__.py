"""Records for TensorBoard, written by the package tensorboard, an extra: ``pip install tensorboard``."""

from __future__ import annotations

import datetime as dt
import socket
import struct
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from unspool._core import Tensor
from unspool._lazy import MissingName

__all__ = ["SummaryWriter"]


def _protocol() -> Any:
    """Give tensorboard's modules of records and its writer."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
        from tensorboard.plugins.text import metadata as text
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            "utils.tensorboard.SummaryWriter needs the package tensorboard: pip install tensorboard"
        ) from error
    return event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2, text, EventFileWriter


def _array(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, Tensor):
        value = value.detach()
        return np.asarray((value.float() if value.is_floating_point() else value).numpy())
    return np.asarray(value)


# Methods of PyTorch's writer that are not there.
_REFUSED = (
    "add_audio",
    "add_custom_scalars",
    "add_custom_scalars_marginchart",
    "add_custom_scalars_multilinechart",
    "add_embedding",
    "add_histogram_raw",
    "add_image_with_boxes",
    "add_mesh",
    "add_onnx_graph",
    "add_pr_curve",
    "add_pr_curve_raw",
    "add_tensor",
    "add_video",
)


class SummaryWriter:
    """Writes scalars, texts, histograms and images to a directory that TensorBoard shows.

    Args:
        log_dir: the directory; ``runs/`` with the time and the name of the machine where it is None.
        comment: is added to that name.
        purge_step: steps from this one on, in older files of the directory, are hidden.
        max_queue: events that are kept before they are written.
        flush_secs: seconds after which they are written in any case.
        filename_suffix: of the file.

    Raises:
        ImportError: the package tensorboard is not installed.
    """

    def __init__(
        self,
        log_dir: str | Path | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        writer: Any
        self._event, self._summary, self._tensor, self._shape, self._types, self._text, writer = _protocol()
        if not log_dir:
            now = dt.datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = f"runs/{now}_{socket.gethostname()}{comment}"
        self.log_dir = str(log_dir)
        self._open: Any = lambda folder: writer(str(folder), max_queue, flush_secs, filename_suffix)
        self._file: Any = self._open(self.log_dir)
        self._others: dict[str, Any] = {}
        if purge_step is not None:
            session = self._event.SessionLog(status=self._event.SessionLog.START)
            self._write(self._event.Event(session_log=session), purge_step, None)

    def get_logdir(self) -> str:
        """Give the directory."""
        return self.log_dir

    def _write(self, event: Any, step: Any, walltime: float | None, file: Any = None) -> None:
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        if file is None:
            if self._file is None:
                self._file = self._open(self.log_dir)
            file = self._file
        file.add_event(event)

    def _get_file_writer(self) -> FileWriter:
        """Give what summaries that were made elsewhere are written through."""
        return FileWriter(self)

    def _add(self, value: Any, step: Any, walltime: float | None, file: Any = None) -> None:
        summary = self._summary.Summary(value=[value])
        self._write(self._event.Event(summary=summary), step, walltime, file)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Record a number."""
        del new_style, double_precision
        value = self._summary.Summary.Value(tag=tag, simple_value=float(_array(scalar_value).item()))
        self._add(value, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Record several numbers for one chart, each in a directory of its own."""
        for tag, number in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self._others:
                self._others[folder] = self._open(folder)
            value = self._summary.Summary.Value(tag=main_tag, simple_value=float(_array(number).item()))
            self._add(value, global_step, walltime, self._others[folder])

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Record a text, which is shown as Markdown."""
        size = self._shape.TensorShapeProto.Dim(size=1)
        tensor = self._tensor.TensorProto(
            dtype=self._types.DT_STRING,
            string_val=[text_string.encode()],
            tensor_shape=self._shape.TensorShapeProto(dim=[size]),
        )
        metadata = self._text.create_summary_metadata(tag, "")
        value = self._summary.Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)
        self._add(value, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = 64,
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Record how values are distributed over ``bins`` (a number, limits or a rule of NumPy)."""
        del max_bins
        array = _array(values).astype(np.float64).ravel()
        if array.size == 0:
            raise ValueError("add_histogram: there are no values")
        counts, limits = np.histogram(array, bins="auto" if bins == "tensorflow" else bins)
        histogram = self._summary.HistogramProto(
            min=array.min(),
            max=array.max(),
            num=array.size,
            sum=array.sum(),
            sum_squares=array @ array,
            bucket_limit=limits[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(self._summary.Summary.Value(tag=tag, histo=histogram), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Record an image: floats from 0 to 1 or bytes, in the layout that ``dataformats`` names."""
        array = _array(img_tensor)
        if array.ndim != len(dataformats) or set(dataformats) - set("CHW"):
            raise ValueError(f"add_image: shape {array.shape} does not fit dataformats={dataformats!r}")
        if "C" not in dataformats:
            array, dataformats = array[..., None], dataformats + "C"
        array = array.transpose([dataformats.index(axis) for axis in "HWC"])
        if array.dtype.kind == "f":
            array = np.clip(array * 255, 0, 255)
        image = self._summary.Summary.Image(
            height=array.shape[0],
            width=array.shape[1],
            colorspace=array.shape[2],
            encoded_image_string=_png(np.ascontiguousarray(array, np.uint8)),
        )
        self._add(self._summary.Summary.Value(tag=tag, image=image), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Record several images side by side."""
        array = np.moveaxis(_array(img_tensor), dataformats.index("N"), 0)
        rest = dataformats.replace("N", "")
        self.add_image(tag, np.concatenate(list(array), rest.index("W")), global_step, walltime, rest)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Record a figure of matplotlib as an image, or a list of figures of one size side by side.

        Args:
            tag: name of the image.
            figure: figure, or figures.
            global_step: when.
            close: whether pyplot may forget them.
            walltime: time of the event; now where it is None.
        """
        from matplotlib import pyplot as plt
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figures = list(figure) if isinstance(figure, (list, tuple)) else [figure]
        drawn = []
        for each in figures:
            canvas: Any = FigureCanvasAgg(each)
            canvas.draw()
            drawn.append(np.array(canvas.buffer_rgba()))
            if close:
                plt.close(each)
        self.add_images(tag, np.stack(drawn), global_step, walltime, "NHWC")

    def __getattr__(self, name: str) -> Any:
        if name in _REFUSED:
            raise MissingName(
                f"SummaryWriter.{name} is not implemented in unspool; leave the call out", name=name, obj=self
            )
        raise AttributeError(f"'SummaryWriter' object has no attribute {name!r}", name=name, obj=self)

    def add_hparams(self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any], **_: Any) -> None:
        """Record settings as a text, and what they led to as numbers."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in hparam_dict.items())
        self.add_text("hparams", f"| setting | value |\n|---|---|\n{rows}")
        for name, value in metric_dict.items():
            self.add_scalar(name, value)

    def add_graph(self, model: Any, *_: Any, **__: Any) -> None:
        """Raise NotImplementedError."""
        del model
        raise NotImplementedError("SummaryWriter.add_graph is not implemented in unspool; leave the call out")

    def _files(self) -> list[Any]:
        return [file for file in (self._file, *self._others.values()) if file is not None]

    def flush(self) -> None:
        """Write what is kept; after ``close`` that is nothing."""
        for file in self._files():
            file.flush()

    def close(self) -> None:
        """Write what is kept and close the files. What is recorded later goes to a new file."""
        for file in self._files():
            file.close()
        self._file = None
        self._others.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileWriter:
    """Writes events and summaries that are made already to the file of a ``SummaryWriter``.

    Args:
        writer: it has the file.
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer

    def get_logdir(self) -> str:
        """Give the directory."""
        return self._writer.get_logdir()

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Write an event of tensorboard's protocol."""
        self._writer._write(event, step, walltime)

    def add_summary(
        self, summary: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write a summary of tensorboard's protocol."""
        self.add_event(self._writer._event.Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Write what is kept."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is kept and close the files."""
        self._writer.close()


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode height x width x channels (grey, grey and alpha, RGB, RGBA)."""
    height, width, channels = pixels.shape
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"add_image: 1 to 4 channels, not {channels}")

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, (0, 0, 4, 2, 6)[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
