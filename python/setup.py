# SPDX-License-Identifier: Apache-2.0
"""Builds the extension, and before it libcnnlens.so with the Swift package around this folder.

``CNNLENS_LIBRARY=/path/to/libcnnlens.so`` skips the Swift build.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
HEADER = ROOT / "CInterface" / "include" / "cnnlens.h"


def library() -> pathlib.Path:
    """Where libcnnlens.so is, built if it has to be."""
    given = os.environ.get("CNNLENS_LIBRARY")
    if given:
        return pathlib.Path(given).resolve()
    script = ROOT / "CInterface" / "build_library.sh"
    if shutil.which("swift") is None:
        sys.exit(
            "cnnlens: building from source needs a Swift 6.3 toolchain, and there is no 'swift' on the PATH.\n"
            "Install one (https://swift.org/install), or install a wheel, or point CNNLENS_LIBRARY at a libcnnlens.so."
        )
    built = subprocess.run([script], stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit("cnnlens: the Swift library did not build; the compiler's messages are above")
    return pathlib.Path(built.stdout.strip().splitlines()[-1])


class BuildExtension(build_ext):
    def run(self) -> None:
        shared = library()
        package = pathlib.Path(self.build_lib) / "cnnlens"
        if self.inplace:
            package = HERE / "src" / "cnnlens"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy2(shared, package / "libcnnlens.so")
        for extension in self.extensions:
            extension.library_dirs.append(str(package))
        super().run()


class BuildWheel(bdist_wheel):
    """One wheel for every CPython from 3.11 on, on this kind of machine."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp311"


if not HEADER.exists():
    sys.exit(
        "cnnlens: the Swift sources are not beside this folder, so nothing can be built from it.\n"
        "Install from a clone of the repository (pip install ./python), or install a wheel."
    )

text = HEADER.read_text(encoding="utf-8")
version = ".".join(re.search(rf"CNNLENS_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))

setup(
    version=version,
    ext_modules=[
        Extension(
            "cnnlens._native",
            sources=[
                f"native/{name}.c"
                for name in (
                    "_native",
                    "attack",
                    "attribution",
                    "buffers",
                    "model",
                    "objective",
                    "options",
                    "session",
                    "synthesis",
                )
            ],
            depends=["native/native.h", str(HEADER)],
            include_dirs=[str(HEADER.parent)],
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_POSIX_C_SOURCE", "200809L")],
            extra_compile_args=[
                "-std=c11",
                "-O2",
                "-g0",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Wno-missing-field-initializers",
            ],
            extra_link_args=["-Wl,-rpath,$ORIGIN"],
            libraries=["cnnlens"],
            library_dirs=[],
            py_limited_api=True,
        )
    ],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": BuildWheel},
)
