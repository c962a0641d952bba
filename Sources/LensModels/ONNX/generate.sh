#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes onnx.pb.swift from onnx.proto. Needed only when one of the two projects below moves on;
# the result is committed, so that building cnnlens needs no protoc.
#
#   onnx.proto         onnx/onnx.proto of the `onnx` package 1.23.2, unchanged (Apache-2.0)
#   protoc             any from 3.21, e.g. Debian's protobuf-compiler
#   protoc-gen-swift   swift-protobuf 1.39.0: swift build -c release --product protoc-gen-swift
#
# The proto2 file is used rather than proto3: it tells an attribute that is absent from one that
# is zero, and both decode every model, since ONNX keeps to what the two encodings share.
#
# Usage: generate.sh [path of protoc-gen-swift]
set -eu
cd "$(dirname "$0")"
plugin=${1:-$(command -v protoc-gen-swift)}
protoc --plugin=protoc-gen-swift="$plugin" --swift_opt=Visibility=Internal --swift_out=. onnx.proto
