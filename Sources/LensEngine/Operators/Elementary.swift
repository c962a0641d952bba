// SPDX-License-Identifier: Apache-2.0
import Glibc

/// log(1 + e^x) without overflow or cancellation.
@inline(__always)
func softplus(_ x: Float) -> Float { max(x, 0) + log1p(exp(-abs(x))) }

/// -1, 0 or 1; 0 for NaN.
@inline(__always)
func sign(_ x: Float) -> Float { x > 0 ? 1 : (x < 0 ? -1 : 0) }
