"""python -m unspool.demo keeps its promises: it learns to read, draws, saves, and names what is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unspool as us
from unspool.demo import __main__ as command_line
from unspool.demo import load, names, summary

DIGITS_NEEDS = ("sklearn", "matplotlib", "tqdm")


def accuracies(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"accuracy(?: is|:) ([\d.]+)%", text)]


def test_the_digits_are_learnt_saved_and_loaded_from_the_command_line(tmp_path: Path) -> None:
    for module in DIGITS_NEEDS:
        pytest.importorskip(module)
    out = tmp_path / "new" / "folder"
    command = [sys.executable, "-W", "error", "-m", "unspool.demo", "--out", str(out)]
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path)}
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path, env=environment
    )
    assert result.returncode == 0, result.stderr[-2000:]
    trained, loaded = accuracies(result.stdout)
    assert trained >= 97
    assert loaded == trained
    assert "40/40" in result.stderr  # the progress bar
    picture = out / "digits.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert picture.stat().st_size > 20_000
    weights = us.load(out / "digits.safetensors")
    assert sorted(weights)[:2] == ["0.bias", "0.weight"]
    assert sorted(path.name for path in out.iterdir()) == ["digits.png", "digits.safetensors"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Arguments of a short run that writes to a temporary folder."""
    for module in DIGITS_NEEDS:
        pytest.importorskip(module)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    return ["digits", "--epochs", "2", "--out", str(tmp_path)]


def test_the_seed_decides_the_result(
    quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = []
    for seed in ("1", "1", "2"):
        assert command_line.main([*quick, "--seed", seed]) == 0
        loaded = us.load(tmp_path / "digits.safetensors")
        weights.append({name: tensor.tolist() for name, tensor in loaded.items()})
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    captured = capsys.readouterr()
    assert "2/2" in captured.err
    assert len(accuracies(captured.out)) == 6


@pytest.mark.parametrize("missing", DIGITS_NEEDS)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(sys.modules):
        if name.startswith("unspool._examples."):
            monkeypatch.delitem(sys.modules, name)
        if name == missing or name.startswith(f"{missing}."):
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, missing, None)
    for module in DIGITS_NEEDS:
        if module != missing:
            pytest.importorskip(module)
    assert command_line.main(["--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert 'pip install "unspool[demo]"' in message
    assert missing in message
    assert not (tmp_path / "out").exists()


def test_the_examples_are_listed_with_what_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"{name}: {summary(name)}" for name in names()]
    assert all(len(summary(name)) > 20 for name in names())
    assert "digits" in names()


@pytest.mark.parametrize("name", names())
def test_every_example_has_its_test_and_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A test of an example is where its numbers are checked; digits has the ones above."""
    assert name == "digits" or Path(__file__).with_name(f"test_example_{name}.py").exists()
    for module in DIGITS_NEEDS:
        pytest.importorskip(module)
    with pytest.raises(SystemExit) as stop:
        command_line.main([name, "--help"])
    assert stop.value.code == 0
    assert f"usage: python -m unspool.demo {name}" in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no example is called 'nonsense'; there are .*digits"):
        load("nonsense")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--epochs", "0"], ["--epochs", "many"], ["--seed", "x"], ["--unknown"]]
)
def test_bad_arguments_stop_with_a_usage_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command_line.main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m unspool.demo" in capsys.readouterr().err


def test_importing_the_package_imports_no_extra() -> None:
    source = f"import sys, unspool, unspool.demo; print([m for m in {DIGITS_NEEDS} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["three_layers", "--sizes", "3"], "at least two layers"),
        (["three_layers", "--sizes", "3", "0", "2"], "at least 1, not 0"),
        (["minimal_modules", "--batch", "0"], "at least 1, not 0"),
        (["three_layers", "--steps", "many"], "at least 1, not many"),
    ],
)
def test_counts_that_make_no_sense_are_refused_before_anything_runs(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command_line.main(words)
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert command_line.main(["three_layers", "--quick", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
