# SPDX-License-Identifier: Apache-2.0
"""Installs the package into the environment that runs this, unless that was done already.

CNNLENS_LIBRARY says where libcnnlens.so is, so that pip does not build it again.
"""

import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python"


def fingerprint(library: pathlib.Path) -> str:
    """Changes when anything that ends up in the installed package does."""
    sources = [library, PACKAGE / "pyproject.toml", PACKAGE / "setup.py", ROOT / "CInterface/include/cnnlens.h"]
    for folder in ("native", "src"):
        sources += [path for path in sorted((PACKAGE / folder).rglob("*")) if path.suffix not in {".pyc", ".so"}]
    digest = hashlib.sha256()
    for path in sources:
        if path.is_file() and "egg-info" not in str(path):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    library = os.environ["CNNLENS_LIBRARY"]
    now = fingerprint(pathlib.Path(library))
    stamp = pathlib.Path(sys.prefix) / ".cnnlens-installed"
    if stamp.exists() and stamp.read_text() == now:
        return
    print("installing cnnlens", flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--force-reinstall"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(PACKAGE)], check=True)
    stamp.write_text(now)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
