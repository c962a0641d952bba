# SPDX-License-Identifier: Apache-2.0
"""Runs the gallery's scripts and keeps their pictures as small JPEGs: gallery.py SCRIPTS_FOLDER PICTURES_FOLDER."""

import os
import pathlib
import runpy
import sys
import tempfile

from PIL import Image

WIDTH = 1200


def main(scripts: pathlib.Path, pictures: pathlib.Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    for script in sorted(scripts.resolve().glob("plot_*.py")):
        print(script.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            back = pathlib.Path.cwd()
            os.chdir(folder)
            try:
                runpy.run_path(str(script), run_name="__main__")
            finally:
                os.chdir(back)
            for made in sorted(pathlib.Path(folder).glob("plot_*.png")):
                picture = Image.open(made).convert("RGB")
                picture.thumbnail((WIDTH, WIDTH * 4))
                picture.save(pictures / f"{made.stem.removeprefix('plot_')}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
