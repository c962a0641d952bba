# SPDX-License-Identifier: Apache-2.0
"""Every script of the gallery runs and leaves a picture that shows something."""

import pathlib
import runpy

import numpy as np
import pytest
from PIL import Image

GALLERY = pathlib.Path(__file__).parents[1] / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_leaves_a_picture(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as reason:
        pytest.skip(str(reason))
    pictures = sorted(tmp_path.glob(f"{script.stem}*.png"))
    assert pictures, f"{script.name} leaves no {script.stem}.png"
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("L"), np.float32)
        assert min(pixels.shape) >= 64 and pixels.std() > 5, f"{picture.name} is blank"


def test_has_a_docstring_that_says_what_there_is_to_see():
    assert SCRIPTS
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        assert text.split('"""')[1].strip().count(" ") > 10, script.name
