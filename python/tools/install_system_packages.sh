#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building needs. Does nothing, and asks for no password, when they are there.
set -euo pipefail

packages=(python3-dev python3-numpy python3-venv libopenblas-dev)
# The Python extension and the C tests need a compiler; any will do.
command -v gcc > /dev/null && command -v g++ > /dev/null || packages+=(gcc g++)

if ! command -v dpkg-query > /dev/null; then
  echo "this is not Debian: please see to it that there are Python 3.11 with headers and venv, and OpenBLAS" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status="$(dpkg-query --show --showformat='${Status}' "$package" 2> /dev/null || true)"
  [[ "$status" == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ "$(id -u)" -eq 0 ]]; then
  as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo > /dev/null; then
  as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
else
  as_root=()
fi

echo "installing ${missing[*]}"
if [[ ${#as_root[@]} -gt 0 ]]; then
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  install() { "${as_root[@]}" apt-get install --yes --no-install-recommends "${missing[@]}" > "$log" 2>&1; }
  # The package lists may be missing or old: fetch them when the first try fails.
  install || { "${as_root[@]}" apt-get update > "$log" 2>&1 && install; } || tail -n 5 "$log" >&2
fi

still=()
for package in "${missing[@]}"; do
  status="$(dpkg-query --show --showformat='${Status}' "$package" 2> /dev/null || true)"
  [[ "$status" == "install ok installed" ]] || still+=("$package")
done
if [[ ${#still[@]} -gt 0 ]]; then
  echo "missing: ${still[*]}" >&2
  echo "please install them as root:  apt-get install ${still[*]}" >&2
  exit 1
fi
