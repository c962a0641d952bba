#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds libcnnlens.so, with the Swift runtime inside and nothing but cnnlens_* outside, and prints its path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v swift > /dev/null; then
  echo "swift is not on the PATH: building libcnnlens.so needs a Swift 6.3 toolchain (https://swift.org/install)" >&2
  exit 1
fi

scratch=.build
flags=(-c release --product cnnlens --scratch-path "$scratch" -Xswiftc -static-stdlib
  -Xlinker --version-script="$PWD/CInterface/cnnlens.map" -Xlinker -soname=libcnnlens.so)
export CNNLENS_CPU_VARIANTS=1

swift build "${flags[@]}" >&2
built="$(swift build "${flags[@]}" --show-bin-path)/libcnnlens.so"

mkdir -p "$scratch/lib"
library="$PWD/$scratch/lib/libcnnlens.so"
if [[ ! "$library" -nt "$built" ]]; then
  strip --strip-unneeded -o "$library.new" "$built"
  mv "$library.new" "$library"
fi
echo "$library"
