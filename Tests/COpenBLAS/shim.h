/* SPDX-License-Identifier: Apache-2.0
 * What the tests call of OpenBLAS, an implementation of the matrix product that shares nothing with ours. */
#ifndef COPENBLAS_SHIM_H
#define COPENBLAS_SHIM_H

enum { COPENBLAS_ROW_MAJOR = 101, COPENBLAS_PLAIN = 111, COPENBLAS_TRANSPOSED = 112 };

void cblas_sgemm(int order, int transposeA, int transposeB, int m, int n, int k, float alpha, const float *a,
                 int strideA, const float *b, int strideB, float beta, float *c, int strideC);

#endif
