#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The C interface as its users meet it: the header alone, the library's symbols, the contract, the examples.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=.build/c-tests
mkdir -p "$out"
warnings=(-Wall -Wextra -Wpedantic -Werror -ICInterface/include)
link=(-L.build/lib -lcnnlens -Wl,-rpath,"$PWD/.build/lib" -pthread -lm)
here=Tests/CInterfaceTests
library=.build/lib/libcnnlens.so

step() { echo "test-c: $*"; }

step "the header is C99 and C++11"
for compiler in gcc clang; do
  command -v $compiler > /dev/null || continue
  $compiler -std=c99 "${warnings[@]}" -o "$out/headertest_c" $here/headertest.c && "$out/headertest_c"
done
g++ -std=c++11 "${warnings[@]}" -o "$out/headertest_cpp" $here/headertest.cpp && "$out/headertest_cpp"

step "the library's symbols are those of the list, and those of the header"
readelf --dyn-syms --wide $library | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" && $8 ~ /@@/ && $4 != "OBJECT" {
  sub(/@.*/, "", $8); print $8 }' | sort > "$out/exported.txt"
diff $here/exported_symbols.txt "$out/exported.txt"
grep -o 'cnnlens_[a-z_]*(' CInterface/include/cnnlens.h | tr -d '(' | sort -u |
  comm -12 - "$out/exported.txt" | diff $here/exported_symbols.txt -

step "the library needs nothing that is not on every Linux"
readelf --dynamic $library | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort > "$out/needed.txt"
if grep -vE '^(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl|ld-linux.*)\.so' "$out/needed.txt"; then
  echo "libcnnlens.so needs the libraries above" >&2
  exit 1
fi

step "no code for a newer CPU stands under a name that the linker may share"
for variant in AVX2 AVX512 AMX; do
  shopt -s nullglob
  objects=(.build/release/LensKernels$variant.build/*.o)
  shopt -u nullglob
  [[ $(uname -m) != x86_64 ]] || [[ ${#objects[@]} -gt 0 ]] || { echo "no objects of LensKernels$variant" >&2; exit 1; }
  [[ ${#objects[@]} -eq 0 ]] && continue
  # Weak symbols; those of the module itself are nobody else's, and the rest of what is let through is data.
  nm "${objects[@]}" | awk '$2 ~ /^[WV]$/ { print $3 }' > "$out/weak.txt"
  [[ -s "$out/weak.txt" ]] || { echo "nm shows no weak symbols at all: this check looks at the wrong files" >&2; exit 1; }
  if grep -vE "LensKernels$variant|^__swift_reflection_version$|^symbolic$" "$out/weak.txt"; then
    echo "LensKernels$variant has the weak symbols above" >&2
    exit 1
  fi
done

step "the contract"
gcc -std=c11 -O1 -g -D_POSIX_C_SOURCE=200809L "${warnings[@]}" -o "$out/abi_test" $here/abi_test.c "${link[@]}"
"$out/abi_test" "$here/../Goldens/networks/plain/torchscript.onnx"

step "walks keep their buffers"
gcc -std=c11 -O1 -g -D_POSIX_C_SOURCE=200809L "${warnings[@]}" -o "$out/steady_state_test" $here/steady_state_test.c "${link[@]}"
"$out/steady_state_test" "$here/../Goldens/networks/plain/torchscript.onnx"

step "the examples"
model=python/src/cnnlens/data/efficientnet-lite0.onnx
gcc -std=c99 "${warnings[@]}" -o "$out/saliency" CInterface/examples/saliency.c "${link[@]}"
g++ -std=c++11 "${warnings[@]}" -o "$out/explain" CInterface/examples/explain.cpp "${link[@]}"
"$out/saliency" $model
"$out/explain" $model $here/cat.ppm "$out/grad_cam.pgm" | tee "$out/explain.txt"
grep -q ' cat' "$out/explain.txt"
head -c 15 "$out/grad_cam.pgm" | grep -q 'P5'

step "an installed library, found by pkg-config"
CInterface/install_library.sh "" "$PWD/$out/installed"
if command -v pkg-config > /dev/null; then
  flags=$(PKG_CONFIG_PATH="$out/installed/lib/pkgconfig" pkg-config --cflags --libs cnnlens)
else
  flags="-I$out/installed/include -L$out/installed/lib -lcnnlens"
fi
# shellcheck disable=SC2086 # several words
gcc -std=c99 -Wall -Wextra -Werror -o "$out/installed/saliency" CInterface/examples/saliency.c $flags
LD_LIBRARY_PATH="$out/installed/lib" "$out/installed/saliency" $model
echo "test-c: all passed"
