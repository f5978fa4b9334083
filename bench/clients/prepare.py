"""Prepares the folder that ``run.py`` takes its scripts from: repositories, packages and small data sets.

    python bench/clients/prepare.py --scripts FOLDER [--without-packages]

A repository that is there already is left alone, and so is each file. Repositories come by ``git clone`` from
the addresses of ``clients.json``, each at its commit; packages by ``pip install --target``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

PACKAGES = {
    "extra": [
        ["tyro", "autograd"],
        ["--no-deps", "scikit-optimize", "pyyaml", "einops", "einx", "loguru", "frozendict"],
        ["--no-deps", "torch-einops-utils", "imageio", "six", "seaborn", "fire", "termcolor"],
        ["--no-deps", "argcomplete", "igraph", "texttable", "trampoline", "boltons", "nir", "nirtorch"],
        ["--no-deps", "pytorch_ranger", "opencv-python-headless", "pyro-api", "opt-einsum"],
    ],
    "gym29": [["--no-deps", "gymnasium==0.29.1"]],
    "attrs18": [["--no-deps", "attrs==18.2.0"]],
    "numpy1": [["--no-deps", "numpy==1.26.4", "pandas==2.2.3", "pytz"]],
}
SERIES = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")


def checkout(folder: Path) -> None:
    """Clone what is missing, each repository at the commit that clients.json names."""
    clients = json.loads((HERE / "clients.json").read_text())
    wanted = {client["folder"]: (client["repository"], client["commit"]) for client in clients}
    for name, (repository, commit) in wanted.items():
        if not (folder / name).exists():
            subprocess.run(["git", "clone", "--quiet", repository, str(folder / name)], check=True)
            subprocess.run(["git", "-C", str(folder / name), "checkout", "--quiet", commit], check=True)


def install(folder: Path) -> None:
    """Install what some scripts import into folders that only they see."""
    for name, groups in PACKAGES.items():
        if not (folder / name).exists():
            for packages in groups:
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / name)]
                subprocess.run([*pip, *packages], check=True)


def graph() -> Iterator[tuple[str, bytes]]:
    """Give the files of the random graph in the form of Cora, which the stand-in of requests answers with."""
    answer = runpy.run_path(str(HERE / "stand_ins" / "requests.py"))["get"]("")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            yield Path(member.name).name, content.read()


def series() -> bytes:
    """Give seven random series in the form of ETTh1: two years by the hour, days and weeks with noise."""
    generator = np.random.default_rng(0)
    hours = np.arange(17420)
    times = np.datetime64("2016-07-01T00:00:00") + hours.astype("timedelta64[h]")
    columns = [np.char.replace(times.astype(str), "T", " ")]
    for i in range(len(SERIES)):
        day, week = np.sin(2 * np.pi * hours / 24 + i), np.sin(2 * np.pi * hours / 168 + 2 * i)
        values = 10 + 3 * day + 2 * week + generator.standard_normal(len(hours))
        columns.append(np.char.mod("%.3f", values))
    rows = (",".join(row) for row in zip(*columns, strict=True))
    return "\n".join(["date," + ",".join(SERIES), *rows, ""]).encode()


def write(folder: Path) -> None:
    """Write the data that scripts expect."""
    shutil.copytree(HERE / "keras", folder / "keras", dirs_exist_ok=True)
    text = (folder / "ngvl" / "input.txt").read_bytes()  # Shakespeare
    places = ("nanoGPT/data/shakespeare_char", "minGPT/projects/chargpt")
    files = {f"{place}/input.txt": text for place in places}
    files["stand_ins/ETTh1.csv"] = series()
    ends = (0, len(text) * 8 // 10, len(text) * 9 // 10, len(text))
    for name, start, end in zip(("train", "valid", "test"), ends, ends[1:], strict=False):
        files[f"stand_ins/text/{name}.txt"] = text[start:end]
    for name, content in files.items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    cora = folder / "pygcn" / "data" / "cora"
    if not (cora / "cora.content").exists():  # the files belong together
        for name, content in graph():
            (cora / name).write_bytes(content)
    for script, result in (
        ("examples/time_sequence_prediction/generate_sine_wave.py", "traindata.pt"),
        ("nanoGPT/data/shakespeare_char/prepare.py", "train.bin"),
    ):
        made = (folder / script).parent / result
        if not made.exists():
            environment = {**os.environ, "PYTHONPATH": str(HERE / "stand_ins")}
            command = [sys.executable, str(folder / script)]
            subprocess.run(command, cwd=made.parent, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripts", type=Path, required=True, help="folder to fill")
    parser.add_argument("--without-packages", action="store_true", help="leave pip alone")
    options = parser.parse_args()
    folder = options.scripts.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    checkout(folder)
    if not options.without_packages:
        install(folder)
    write(folder)


if __name__ == "__main__":
    main()
