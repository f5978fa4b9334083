"""The adaptive softmax: a loss over many classes that spends little on rare ones."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.container import ModuleList, Sequential
from unspool.nn.modules.linear import Linear
from unspool.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log softmax by clusters of classes, and its loss (Grave et al. 2017).

    Args:
        in_features: size of each input, H.
        n_classes: number of classes, ordered from frequent to rare.
        cutoffs: where each cluster ends, ascending and below ``n_classes``; the first is the head.
        div_value: every cluster's projection is smaller than the one before by this factor.
        head_bias: a bias in the head.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (N, H) or (H,), target (N,) or (). ``forward`` gives ``output``, the log probability of each
    target, (N,) or (), and ``loss``, minus their mean.

    Raises:
        ValueError: cutoffs that are not unique ascending integers in (0, n_classes).
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[Any],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        if not ends:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        is_ascending = all(a < b for a, b in zip([0, *ends], [*ends, n_classes], strict=True))
        if not is_ascending or any(int(c) != c for c in ends):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                f"where each value is between 1 and n_classes-1; got {ends} and {n_classes} classes"
            )
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*ends, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            projection = Linear(in_features, hidden, bias=False, **place)
            self.tail.append(Sequential(projection, Linear(hidden, size, bias=False, **place)))

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        self.head.reset_parameters()
        for projection, scores in self.tail:
            projection.reset_parameters()
            scores.reset_parameters()

    def _check(self, input: Tensor, target: Tensor) -> None:
        fits = target.dim() == input.dim() - 1 and input.dim() in (1, 2)
        if not fits or tuple(input.shape[:-1]) != tuple(target.shape):
            raise RuntimeError(
                "AdaptiveLogSoftmaxWithLoss: expected input (N, H) with target (N,), or (H,) with (); got "
                f"{tuple(input.shape)} and {tuple(target.shape)}"
            )
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found."
            )

    def forward(self, input: Tensor, target: Tensor) -> _ASMoutput:
        self._check(input, target)
        rows = input if input.dim() == 2 else input.unsqueeze(0)
        labels: Tensor = target.reshape(-1).long()
        # What each sample asks of the head: its own class, or its cluster's.
        head_label = labels
        found: list[tuple[Tensor, Tensor]] = []
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            inside = (labels >= low) & (labels < high)
            head_label = unspool.where(inside, self.shortlist_size + i, head_label)
            rows_inside = [row for row, is_inside in enumerate(inside.tolist()) if is_inside]
            if not rows_inside:
                continue
            chosen = unspool.tensor(rows_inside)
            scores = F.log_softmax(self.tail[i](rows.index_select(0, chosen)), dim=1)
            own = scores.gather(1, (labels.index_select(0, chosen) - low).unsqueeze(1)).squeeze(1)
            found.append((chosen, own))
        output = F.log_softmax(self.head(rows), dim=1).gather(1, head_label.unsqueeze(1)).squeeze(1)
        for chosen, own in found:
            output = output + _core.hidden.scatter_onto(chosen, own, output.shape, 0)
        loss = (-output).mean()
        return _ASMoutput(output if input.dim() == 2 else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log probabilities of all classes: input (N, H) gives (N, n_classes)."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            scores = F.log_softmax(cluster(input), dim=1)
            parts.append(scores + head[:, self.shortlist_size + i].unsqueeze(1))
        return unspool.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample: input (N, H) gives (N,)."""
        return self.log_prob(input).argmax(1)
