#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the built library, its header and its pkg-config file under a prefix: install_library.sh DESTDIR PREFIX
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$1$2"
version=$(awk '/define CNNLENS_VERSION_(MAJOR|MINOR|PATCH)/ { printf "%s%s", dot, $3; dot = "." }' CInterface/include/cnnlens.h)

install -D -m 755 .build/lib/libcnnlens.so "$root/lib/libcnnlens.so"
install -D -m 644 CInterface/include/cnnlens.h "$root/include/cnnlens.h"
mkdir -p "$root/lib/pkgconfig"
sed "s|@PREFIX@|$2|; s|@VERSION@|$version|" CInterface/cnnlens.pc.in > "$root/lib/pkgconfig/cnnlens.pc"
echo "libcnnlens.so, cnnlens.h and cnnlens.pc $version are under $root"
