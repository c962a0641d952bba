#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make_venv.sh DIRECTORY: a virtual environment with what building, drawing and testing need.
set -euo pipefail
venv="$1"

python=""
for candidate in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
  if command -v "$candidate" > /dev/null &&
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
    python="$candidate"
    break
  fi
done
if [[ -z "$python" ]]; then
  echo "no Python 3.11 or newer with the venv module was found: apt-get install python3-venv" >&2
  exit 1
fi

[[ -x "$venv/bin/pip" ]] || "$python" -m venv --clear "$venv"
if [[ ! -e "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]]; then
  echo "Python.h of $("$venv/bin/python" --version) is missing: apt-get install python3-dev" >&2
  exit 1
fi

# The lists are pyproject.toml's, so that there is one place for them.
"$venv/bin/python" - << 'PY' > "$venv/requirements.txt"
import tomllib
project = tomllib.load(open("python/pyproject.toml", "rb"))
extras = project["project"]["optional-dependencies"]
wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
for extra in ("images", "plot", "segments", "objects", "test", "lint"):
    wanted += extras[extra]
print("\n".join(wanted))
PY
echo "installing Python packages into $venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$venv/requirements.txt"
