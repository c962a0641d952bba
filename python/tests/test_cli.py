# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest
from conftest import small_network
from PIL import Image

from cnnlens import cli


@pytest.fixture()
def files(tmp_path, photo):
    model, picture = tmp_path / "small.onnx", tmp_path / "photo.png"
    model.write_bytes(small_network(size=32))
    Image.fromarray(photo).save(picture)
    return str(model), str(picture), tmp_path


def test_predict(files, capsys):
    model, picture, _ = files
    assert cli.main(["predict", picture, picture, "--net", model, "--top", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_explain_writes_its_pictures(files, capsys):
    model, picture, folder = files
    out = folder / "out.png"
    arguments = [
        "explain",
        picture,
        "--net",
        model,
        "--target",
        "tabby",
        "--out",
        str(out),
        "--maps",
        str(folder / "m"),
    ]
    assert cli.main(arguments) == 0
    assert (
        out.exists() and (folder / "m" / "grad_cam_overlay.png").exists() and (folder / "m" / "saliency.npy").exists()
    )
    assert "tabby" in capsys.readouterr().out


def test_summary(files, capsys):
    assert cli.main(["summary", "--net", files[0]]) == 0
    assert "conv1" in capsys.readouterr().out


def test_errors_are_one_line(files, capsys):
    model, picture, _ = files
    for arguments in (
        ["predict", "no.png", "--net", model],
        ["predict", picture, "--net", "no.onnx"],
        ["explain", picture, "--net", model, "--target", "dog"],
        ["explain", picture, "--net", model, "--methods", "magic"],
        ["explain", picture, "--net", model, "--out", "/proc/nowhere/x.png"],
    ):
        assert cli.main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("cnnlens: ") and error.count("\n") == 1


def test_module_runs():
    done = subprocess.run([sys.executable, "-m", "cnnlens", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip()[0].isdigit()
