#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Swift package that depends on cnnlens by URL and version resolves, builds without unsafe flags, and runs.
set -euo pipefail
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet "$root" "$work/cnnlens"
# The working tree as it is, not only what is committed.
git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && xargs -0 tar cf - 2>/dev/null) | tar xf - -C "$work/cnnlens"
git -C "$work/cnnlens" add --all
git -C "$work/cnnlens" -c user.name=test -c user.email=test@example.org commit --quiet --allow-empty -m "as it is"
git -C "$work/cnnlens" tag 99.0.0

mkdir -p "$work/app/Sources/app"
cat > "$work/app/Package.swift" <<SWIFT
// swift-tools-version: 6.1
import PackageDescription
let package = Package(
  name: "app",
  dependencies: [.package(url: "file://$work/cnnlens", exact: "99.0.0")],
  targets: [.executableTarget(name: "app", dependencies: [.product(name: "CNNLens", package: "cnnlens")])])
SWIFT
cat > "$work/app/Sources/app/main.swift" <<'SWIFT'
import CNNLens

let network = try Network.load(path: CommandLine.arguments[1])
let session = Session(network)
let image = Tensor([1, 3, 64, 64], repeating: 0.5)
let map = try saliency(session, image)
print("\(network.name): class \(map.targets[0]), map \(map.map.shape), largest \(map.map.values.max() ?? 0)")
precondition(map.map.values.contains { $0 > 0 })
SWIFT
cd "$work/app"
env -u CNNLENS_CPU_VARIANTS swift build --quiet
.build/debug/app "$root/python/src/cnnlens/data/efficientnet-lite0.onnx"
