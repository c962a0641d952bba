# SPDX-License-Identifier: Apache-2.0
"""Runs the gallery's scripts, keeps their pictures as small JPEGs and writes the page that shows them.

gallery.py SCRIPTS_FOLDER PICTURES_FOLDER [NAME ...]: all scripts, or those named (the page always shows all).
"""

import os
import pathlib
import runpy
import sys
import tempfile

from PIL import Image

LARGEST = 1100


def pictures_of(script: pathlib.Path, folder: pathlib.Path) -> None:
    """Runs one script in a folder of its own and keeps what it drew."""
    with tempfile.TemporaryDirectory() as scratch:
        back = pathlib.Path.cwd()
        os.chdir(scratch)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as reason:  # something that is not there on every machine
            print(f"  {reason}", flush=True)
        finally:
            os.chdir(back)
        for made in sorted(pathlib.Path(scratch).glob(f"{script.stem}*.png")):
            picture = Image.open(made).convert("RGB")
            picture.thumbnail((LARGEST, 4 * LARGEST), Image.Resampling.LANCZOS)
            picture.save(folder / f"{made.stem.removeprefix('plot_')}.jpg", quality=80, optimize=True)


def page(scripts: list[pathlib.Path], pictures: pathlib.Path, folder: pathlib.Path) -> str:
    """A heading, a picture and the docstring for each script."""
    parts = ["# Gallery\n\nWhat each script here draws; `make gallery` draws it again.\n"]
    for script in scripts:
        text = script.read_text(encoding="utf-8").split('"""')[1].strip()
        title, _, rest = text.partition("\n\n")
        parts.append(f"## {title.rstrip('.')}\n\n{rest.strip()}\n\n[{script.name}]({script.name})\n")
        name = script.stem.removeprefix("plot_")
        for made in sorted(pictures.glob(f"{name}.jpg")) + sorted(pictures.glob(f"{name}_[0-9]*.jpg")):
            parts.append(f"![{title.rstrip('.')}]({os.path.relpath(made, folder)})\n")
    return "\n".join(parts)


def main(folder: pathlib.Path, pictures: pathlib.Path, names: list[str]) -> None:
    folder, pictures = folder.resolve(), pictures.resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    scripts = sorted(folder.glob("plot_*.py"))
    for script in scripts:
        if not names or script.stem.removeprefix("plot_") in names:
            print(script.name, flush=True)
            pictures_of(script, pictures)
    (folder / "README.md").write_text(page(scripts, pictures, folder), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:])
