"""Code in the documentation runs: every Python block of every page, and every example in a docstring.

A page's blocks run one after the other in one namespace, as a reader would type them. What a fragment takes
for granted (a model, batches, a file) is set up by the page's function in PAGES.
"""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import augment, nn, optim
from unspool.train import EarlyStopping, Features, Prefetcher, freeze, load_matching, parameter_groups
from unspool.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).resolve().parent.parent
Names = dict[str, Any]

in_a_checkout = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="runs in a checkout of the sources only"
)


def classifier() -> Names:
    """Everything that a training step in the text mentions, for four inputs and two kinds."""
    us.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    batches = [(us.randn(5, 4), us.randint(2, (5,))) for _ in range(3)]
    optimizer = optim.AdamW(model.parameters())

    def step(x: us.Tensor, y: us.Tensor) -> us.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return {
        "unspool": us, "us": us, "nn": nn, "optim": optim, "F": F, "model": model, "optimizer": optimizer,
        "x": batches[0][0], "y": batches[0][1], "batches": batches, "loader": batches, "step": step,
        "criterion": nn.CrossEntropyLoss(),
    }  # fmt: skip


def nothing() -> Names:
    return {}


def affine_maps() -> Names:
    us.manual_seed(0)
    names: Names = {"us": us, "X": us.randn(3, 5), "Y": us.randn(4, 5)}
    for name, shape in {"W1": (4, 3), "b1": (4, 1), "W2": (4, 4), "b2": (4, 1)}.items():
        names[name] = us.randn(*shape, requires_grad=True)
    return classifier() | names


def tour() -> Names:
    return {"us": us, "x": us.randn(3, 784)}


def scaled_block() -> Names:
    names = classifier()
    model = names["model"]
    return names | {"block": lambda x, scale: model(x) * scale}


def images() -> Names:
    us.manual_seed(0)
    batch = us.rand(4, 1, 16, 16)
    masks, keypoints = us.randint(2, (4, 16, 16)), us.rand(4, 3, 2) * 15
    loader = [(batch, us.arange(4))]
    return {
        "images": batch,
        "masks": masks,
        "keypoints": keypoints,
        "loader": loader,
        "Prefetcher": Prefetcher,
    }


def training() -> Names:
    us.manual_seed(0)
    names = classifier()
    features = nn.Sequential(*(nn.Linear(4, 4) for _ in range(5)))
    model = nn.ModuleDict({"features": features, "head": nn.Linear(4, 2)})
    wrapped = {f"module.backbone.{name}": value for name, value in features.state_dict().items()}
    us.save(wrapped, "trained.pt")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.head = model["features"], model["head"]

        def forward(self, x: us.Tensor) -> us.Tensor:
            return self.head(self.features(x))  # type: ignore[no-any-return]

    losses = iter([3.0, 2.0, *[2.0] * 20])
    return names | {
        "EarlyStopping": EarlyStopping, "Features": Features, "Prefetcher": Prefetcher, "freeze": freeze,
        "load_matching": load_matching, "parameter_groups": parameter_groups, "model": Network(),
        "images": us.randn(5, 4), "prepare": lambda batch: batch, "train_one_epoch": lambda *_: None,
        "validation_loss": lambda *_: next(losses),
    }  # fmt: skip


def examples() -> Names:
    """What the docstrings mention: a network of images in four stages, a data set, transforms."""
    names = training() | images() | {each: getattr(augment, each) for each in augment.__all__}

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv1, self.layer4 = (nn.Conv2d(1, 1, 3) for _ in range(3))
            self.head = nn.Linear(1, 2)

        def forward(self, x: us.Tensor) -> us.Tensor:
            return self.head(self.layer4(self.conv1(self.stem(x))).mean((2, 3)))  # type: ignore[no-any-return]

    data = TensorDataset(names["images"], us.tensor([0, 1, 0, 1]))
    own = {"model": Network(), "x": names["images"], "y": data.tensors[1], "dataset": data}
    return names | own | {"DataLoader": DataLoader, "augment": augment.Compose([augment.Shift(2)])}


def by_hand() -> Names:
    rng = np.random.default_rng(0)
    arrays = {"W2": rng.normal(size=(2, 3)), "dZ2": rng.normal(size=2), "A1": rng.normal(size=3)}
    slope = {"slope": lambda z: 1 - np.tanh(z) ** 2, "outer": np.outer, "rate": 0.1, "Z1": rng.normal(size=3)}
    return classifier() | arrays | slope


PAGES: dict[str, Callable[[], Names]] = {
    "README.md": nothing,
    "docs/augmentation.md": images,
    "docs/captured-programs.md": classifier,
    "docs/explain-and-verify.md": affine_maps,
    "docs/how-it-works.md": tour,
    "docs/recompute.md": scaled_block,
    "docs/recursion-vs-loop.md": classifier,
    "docs/training.md": training,
    "docs/update-while-unwinding.md": by_hand,
}


def blocks(page: str, language: str) -> list[str]:
    fences = re.findall(r"^```(.*)\n([\s\S]*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [text for written, text in fences if written == language]


def run(code: list[str], names: Names) -> None:
    for block in code:
        exec(compile(block, "<documentation>", "exec"), names)


@in_a_checkout
def test_each_page_that_holds_code_is_run() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
    names = sorted(page.relative_to(ROOT).as_posix() for page in pages)
    assert {name for name in names if blocks(name, "python")} == set(PAGES)


@in_a_checkout
@pytest.mark.parametrize("page", sorted(PAGES))
def test_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(blocks(page, "python"), PAGES[page]())


@in_a_checkout
def test_explain_prints_the_lines_that_its_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = (
        blocks("docs/explain-and-verify.md", "python")[0],
        blocks("docs/explain-and-verify.md", "")[0],
    )
    assert shown.startswith("z2 =")
    run([code], affine_maps())
    assert shown in capsys.readouterr().out


def docstring_examples() -> Iterator[Any]:
    """The indented block behind "Example::" in each docstring of the package."""
    package = ROOT / "python" / "unspool"
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = ".".join(["unspool", *path.relative_to(package).with_suffix("").parts])
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            _, marker, text = (ast.get_docstring(node) or "").partition("Example::\n\n")
            if marker:
                body = "".join(
                    itertools.takewhile(lambda line: line[:4].strip() == "", text.splitlines(True))
                )
                yield pytest.param(textwrap.dedent(body), id=f"{module}.{node.name}")


@in_a_checkout
@pytest.mark.parametrize("code", list(docstring_examples()))
def test_examples_in_docstrings_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run([code], examples())
