"""Capsules: a network that is told how an image moves, and draws it where it went (Hinton et al. 2011).

Each capsule of the transforming autoencoder has recognition units, which look at the image and say whether
its part of a digit is there (a probability) and in which pose; the pose is then changed as we say; generation
units draw the part in its new pose, and what they draw counts as much as the part is there. The poses are
never given: that they mean anything follows from learning to draw digits that have moved. A pose is a place
(x, y), to which a shift is added, or a 3 x 3 matrix, which a full affine map is multiplied with. No gradient
is written by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import unspool as us
from unspool import nn, optim
from unspool.augment import functional as AF
from unspool.demo import at_least_one

SIDE, ROOM = 12, 2  # pixels of the canvas; how far a digit moves from its middle


class TransformingAutoencoder(nn.Module):
    """Capsules side by side: (N, pixels) and motions to (N, pixels).

    Motions are (N, 2) with poses (x, y), and (N, 3, 3) with poses that are matrices.
    """

    def __init__(self, pixels: int, capsules: int, units: int, is_matrix: bool) -> None:
        super().__init__()
        self.pose = (3, 3) if is_matrix else (2,)
        size = 9 if is_matrix else 2
        self.recognize = nn.Linear(pixels, capsules * units)
        self.presence = self.weights(capsules, units, 1)
        self.place = self.weights(capsules, units, size)
        self.generate = self.weights(capsules, size, units)
        self.generate_bias = nn.Parameter(us.randn(capsules, units))
        self.draw = self.weights(capsules, units, pixels, capsules)  # all of them add up

    @staticmethod
    def weights(capsules: int, inputs: int, outputs: int, added: int = 1) -> nn.Parameter:
        """A matrix for each capsule, whose results are of the size of its inputs, ``added`` together."""
        return nn.Parameter(us.randn(capsules, inputs, outputs) / (inputs * added) ** 0.5)

    def poses(self, images: us.Tensor) -> tuple[us.Tensor, us.Tensor]:
        """What the capsules see: presence (N, capsules, 1) and pose (N, capsules, 2 or 3 x 3)."""
        seen = self.recognize(images).relu().reshape(len(images), len(self.place), -1)
        presence = us.einsum("ncu,cuk->nck", seen, self.presence).sigmoid()
        pose = us.einsum("ncu,cuk->nck", seen, self.place)
        return presence, pose.reshape(*pose.shape[:2], *self.pose)

    def forward(self, images: us.Tensor, motion: us.Tensor) -> us.Tensor:
        """Draw the images after the motion."""
        presence, pose = self.poses(images)
        moved = motion[:, None] + pose if len(self.pose) == 1 else motion[:, None] @ pose
        units = us.einsum("nck,cku->ncu", moved.flatten(2), self.generate) + self.generate_bias
        parts = us.einsum("ncu,cup->ncp", units.relu(), self.draw)
        return (presence * parts).sum(1)


def shifts(n: int) -> us.Tensor:
    """Random places (n, 2), in whole pixels."""
    return us.randint(-ROOM, ROOM + 1, (n, 2)).float()


def placed(canvas: us.Tensor, places: us.Tensor) -> us.Tensor:
    """Digits (n, 1, SIDE, SIDE) moved by (x, y), as (n, pixels)."""
    return AF.shift(canvas, places[:, 0], places[:, 1]).flatten(1)


def affine_maps(n: int) -> us.Tensor:
    """Random maps (n, 3, 3) of places about the middle: turned, enlarged, slanted and shifted."""
    maps = us.eye(3).repeat(n, 1, 1)
    angle, factor, lean = 0.5 * us.rand(3, n) - 0.25
    maps[:, 0, 0] = maps[:, 1, 1] = angle.cos() * (1 + factor)
    maps[:, 0, 1], maps[:, 1, 0] = angle.sin() * (1 + factor) + lean, -angle.sin() * (1 + factor)
    maps[:, :2, 2] = shifts(n)
    return maps


def mapped(canvas: us.Tensor, maps: us.Tensor) -> us.Tensor:
    """Digits (n, 1, SIDE, SIDE) after the maps, as (n, pixels)."""
    middle = us.eye(3)
    middle[:2, 2] = (SIDE - 1) / 2
    backwards = middle @ us.linalg.inv(maps) @ us.linalg.inv(middle)
    return AF.warp_image(canvas, backwards[:, :2].contiguous()).flatten(1)


def pairs(canvas: us.Tensor, is_matrix: bool) -> tuple[us.Tensor, us.Tensor, us.Tensor]:
    """Give images, motions and the images after the motions. A digit is anywhere before and after."""
    n = len(canvas)
    if not is_matrix:
        before, after = shifts(n), shifts(n)
        return placed(canvas, before), after - before, placed(canvas, after)
    before, after = affine_maps(n), affine_maps(n)
    return mapped(canvas, before), after @ us.linalg.inv(before), mapped(canvas, after)


def train(model: nn.Module, canvas: us.Tensor, is_matrix: bool, steps: int) -> list[float]:
    """Give the squared error per pixel of each step."""
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    losses = []
    for _ in range(steps):
        batch = us.randint(0, len(canvas), (100,))
        images, motions, targets = pairs(canvas[batch], is_matrix)
        loss = (model(images, motions) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@us.no_grad()
def judge(model: nn.Module, canvas: us.Tensor, is_matrix: bool) -> tuple[float, float]:
    """Give the error over that of a blank page, and how often the digit is where it was told to be.

    It is there when, of all places on the canvas, the same digit fits what was drawn best at that one.
    """
    images, motions, targets = pairs(canvas, is_matrix)
    error = ((model(images, motions) - targets).square().mean() / targets.square().mean()).item()
    before, after = shifts(len(canvas)), shifts(len(canvas))
    motions = after - before
    if is_matrix:
        motions = us.eye(3).repeat(len(canvas), 1, 1)
        motions[:, :2, 2] = after - before
    drawn = model(placed(canvas, before), motions)
    places = [(x, y) for y in range(-ROOM, ROOM + 1) for x in range(-ROOM, ROOM + 1)]
    misfits = us.stack(
        [
            (drawn - placed(canvas, us.tensor([place]).float().expand(len(canvas), 2))).square().sum(1)
            for place in places
        ]
    )
    best = us.tensor(places).float()[misfits.argmin(0)]
    return error, (best == after).all(1).double().mean().item()


def draw(path: Path, models: Mapping[str, nn.Module], canvas: us.Tensor) -> None:
    """Write digits, where they were told to go, and what was drawn, as a picture."""
    figure = Figure(figsize=(9, 3.7 * len(models)), layout="constrained")
    rows: Any = figure.subplots(3 * len(models), 8)
    for index, (name, model) in enumerate(models.items()):
        images, motions, targets = pairs(canvas[:8], name == "matrices")
        with us.no_grad():
            drawn = model(images, motions)
        for row, (title, what) in enumerate((("seen", images), ("told", targets), ("drawn", drawn))):
            for axes, image in zip(rows[3 * index + row], what, strict=True):
                axes.imshow(image.reshape(SIDE, SIDE).numpy(), cmap="gray_r", vmin=0, vmax=1)
                axes.set(xticks=[], yticks=[])
            rows[3 * index + row][0].set_ylabel(f"{name}: {title}")
    figure.savefig(path, dpi=90)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train capsules with both kinds of poses; judge them on digits they have not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--quick", action="store_true", help="few steps")
    parser.add_argument("--capsules", type=at_least_one, default=40)
    parser.add_argument("--steps", type=at_least_one, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    steps = 300 if options.quick else options.steps
    digits = load_digits()
    us.manual_seed(options.seed)
    order = us.randperm(len(digits.target))
    edge = (SIDE - 8) // 2
    canvas = us.nn.functional.pad(us.tensor(digits.images, dtype=us.float32)[order, None] / 16, (edge,) * 4)

    results: dict[str, float] = {}
    models = {}
    for name, is_matrix in (("places", False), ("matrices", True)):
        model = TransformingAutoencoder(SIDE * SIDE, options.capsules, 16, is_matrix)
        train(model, canvas[300:], is_matrix, steps)
        error, found = judge(model, canvas[:300], is_matrix)
        print(f"{name}: error {error:.3f} of a blank page's; {found:.1%} drawn where they were told to be")
        results |= {f"{name}: error": error, f"{name}: found": found}
        models[name] = model
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "capsules.png", models, canvas)
    return results


if __name__ == "__main__":
    main()
