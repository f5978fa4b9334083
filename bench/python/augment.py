"""Augmentation of image batches: one composed warp, against affine_grid and grid_sample one by one.

    PYTHONPATH=build/dev/python python bench/python/augment.py        # about 30 s

Each side draws its own random numbers, builds its maps and warps. PyTorch applies rotation, scale, shear and
shift one after another, each by ``affine_grid`` and ``grid_sample`` over the whole batch, bilinear with zeros
beyond the edges. A second row gives it the product of the four matrices ready made, so that it too
interpolates once. Bytes are converted to float32 and back on PyTorch's side, whose grid_sample has no bytes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import harness

SHAPES = ((256, 1, 28, 28), (128, 3, 32, 32), (16, 3, 224, 224))


def torch_matrices(torch: Any, n: int) -> list[Any]:
    """Rotation, scale, shear and shift, (n, 2, 3) each, in the units of a grid."""
    zero, one = torch.zeros(n), torch.ones(n)

    def matrix(*rows: Any) -> Any:
        return torch.stack(rows, 1).reshape(n, 2, 3)

    angle = (torch.rand(n) * 2 - 1) * math.radians(15)
    factor = 0.9 + 0.2 * torch.rand(n)
    lean = torch.tan((torch.rand(n) * 2 - 1) * math.radians(10))
    x, y = torch.rand(n) * 0.2 - 0.1, torch.rand(n) * 0.2 - 0.1
    return [
        matrix(angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero),
        matrix(factor, zero, zero, zero, factor, zero),
        matrix(one, lean, zero, zero, one, zero),
        matrix(one, zero, x, zero, one, y),
    ]


def torch_augment(torch: Any, x: Any, at_once: bool) -> Any:
    F = torch.nn.functional
    is_bytes = x.dtype == torch.uint8
    images = x.float() if is_bytes else x
    matrices = torch_matrices(torch, len(x))
    if at_once:
        square = [torch.cat([m, torch.tensor([[[0.0, 0.0, 1.0]]]).expand(len(x), 1, 3)], 1) for m in matrices]
        matrices = [(square[0] @ square[1] @ square[2] @ square[3])[:, :2]]
    for matrix in matrices:
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        images = F.grid_sample(images, grid, align_corners=False)
    return images.round().clamp(0, 255).to(torch.uint8) if is_bytes else images


def fill(suite: harness.Suite) -> None:
    ours, torch = harness.libraries(suite.options.threads)
    from unspool import augment as A

    for shape in SHAPES:
        size = shape[2]
        transforms = [A.Rotate(15), A.Scale(0.9, 1.1), A.Shear(10), A.Shift(0.05 * size)]
        compose = A.Compose(transforms)
        elastic = A.Compose([*transforms, A.ElasticDistort(1, 8)])
        for dtype in (np.float32, np.uint8):
            array = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
            name = f"{'x'.join(map(str, shape))} {np.dtype(dtype).name}"
            x, peer = ours.from_numpy(array), torch.from_numpy(array)
            spaces = [
                {"run": lambda x=x, c=compose: c(x)},
                {"run": lambda x=peer: torch_augment(torch, x, at_once=False)},
                {"run": lambda x=peer: torch_augment(torch, x, at_once=True)},
            ]
            suite.duel(f"four transforms, {name}", "run()", spaces[0], spaces[1])
            suite.duel(f"the same, PyTorch at once, {name}", "run()", spaces[0], spaces[2])
            suite.duel(
                f"with elastic distortion (PyTorch without), {name}",
                "run()",
                {"run": lambda x=x, c=elastic: c(x)},
                spaces[1],
            )


if __name__ == "__main__":
    harness.main("augment", fill)
