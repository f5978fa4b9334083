"""Networks for images outside of the table of captured steps, small, for both libraries."""

from __future__ import annotations

from typing import Any


def convolved(lib: Any, inputs: int, outputs: int, size: int, **how: Any) -> list[Any]:
    """Convolution, batch norm."""
    return [lib.nn.Conv2d(inputs, outputs, size, bias=False, **how), lib.nn.BatchNorm2d(outputs)]


def headed(lib: Any, width: int, *layers: Any) -> Any:
    """The mean over all places, and a linear layer for ten classes."""
    nn = lib.nn
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def residual(lib: Any, inner: Any, short: Any, after: Any) -> Any:
    class Block(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.short, self.after = inner, short, after

        def forward(self, x: Any) -> Any:
            return self.after(self.inner(x) + self.short(x))

    return Block()


def bottlenecks(lib: Any) -> Any:
    nn = lib.nn

    def block(inputs: int, width: int, outputs: int, stride: int) -> Any:
        inner = [*convolved(lib, inputs, width, 1), nn.ReLU()]
        inner += [*convolved(lib, width, width, 3, stride=stride, padding=1), nn.ReLU()]
        inner += convolved(lib, width, outputs, 1)
        same = inputs == outputs and stride == 1
        short = [] if same else convolved(lib, inputs, outputs, 1, stride=stride)
        return residual(lib, nn.Sequential(*inner), nn.Sequential(*short), nn.ReLU())

    blocks = [block(32, 32, 128, 1), block(128, 32, 128, 1), block(128, 64, 256, 2), block(256, 64, 256, 1)]
    return headed(lib, 256, *convolved(lib, 3, 32, 3, padding=1), nn.ReLU(), *blocks)


def mobile(lib: Any) -> Any:
    nn = lib.nn

    def block(inputs: int, outputs: int, stride: int) -> Any:
        width = 6 * inputs
        inner = [*convolved(lib, inputs, width, 1), nn.ReLU6()]
        inner += [*convolved(lib, width, width, 3, stride=stride, padding=1, groups=width), nn.ReLU6()]
        inner += convolved(lib, width, outputs, 1)
        if stride != 1 or inputs != outputs:
            return nn.Sequential(*inner)
        return residual(lib, nn.Sequential(*inner), nn.Identity(), nn.Identity())

    blocks = [block(16, 24, 2), block(24, 24, 1), block(24, 32, 2), block(32, 32, 1)]
    first = [*convolved(lib, 3, 16, 3, padding=1), nn.ReLU6()]
    return headed(lib, 128, *first, *blocks, nn.Conv2d(32, 128, 1), nn.ReLU6())


def group_normed(lib: Any) -> Any:
    nn = lib.nn

    def block(inputs: int, outputs: int, stride: int) -> Any:
        first = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU()]
        second = [nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.GroupNorm(8, outputs)]
        short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        return residual(lib, nn.Sequential(*first, *second), short, nn.ReLU())

    first = [nn.Conv2d(3, 64, 3, 2, 1), nn.ReLU()]
    return headed(lib, 256, *first, block(64, 64, 1), block(64, 128, 2), block(128, 256, 2))


def vgg(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Linear(2048, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


def convnext(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places, self.norm = nn.Conv2d(64, 64, 7, padding=3, groups=64), nn.LayerNorm(64)
            self.inner = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
            self.scale = nn.Parameter(lib.full((64,), 1e-6))

        def forward(self, x: Any) -> Any:
            y = self.inner(self.norm(self.places(x).permute(0, 2, 3, 1))) * self.scale
            return x + y.permute(0, 3, 1, 2)

    return headed(lib, 64, nn.Conv2d(3, 64, 2, 2), *[Block() for _ in range(3)])


def atari(lib: Any) -> Any:
    nn = lib.nn
    layers = [nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()]
    layers += [nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 6))


def unet(lib: Any) -> Any:
    nn = lib.nn

    def twice(inputs: int, outputs: int) -> Any:
        layers = [*convolved(lib, inputs, outputs, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, *convolved(lib, outputs, outputs, 3, padding=1), nn.ReLU())

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([twice(1, 16), twice(16, 32), twice(32, 64)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)])
            self.join = nn.ModuleList([twice(64, 32), twice(32, 16)])
            self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(16, 1, 1)

        def forward(self, x: Any) -> Any:
            first = self.down[0](x)
            second = self.down[1](self.pool(first))
            y = self.up[0](self.down[2](self.pool(second)))
            y = self.up[1](self.join[0](lib.cat([y, second], 1)))
            return self.head(self.join[1](lib.cat([y, first], 1)))

    return Model()


def generator(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    for inputs, outputs, stride, padding in ((64, 128, 1, 0), (128, 64, 2, 1), (64, 32, 2, 1)):
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(lib: Any) -> Any:
    nn = lib.nn
    layers = [nn.Conv2d(3, 32, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for inputs, outputs in ((32, 64), (64, 128)):
        layers += [*convolved(lib, inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(128, 1, 4), nn.Flatten())


def autoencoder(lib: Any) -> Any:
    nn = lib.nn
    layers = [nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()]
    layers += [nn.Conv2d(32, 64, 7), nn.ReLU(), nn.ConvTranspose2d(64, 32, 7), nn.ReLU()]
    layers += [nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(16, 1, 3, 2, 1, 1), nn.Sigmoid())


def volumes(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    for inputs, outputs in ((1, 16), (16, 32)):
        layers += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 5))
