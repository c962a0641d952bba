// SPDX-License-Identifier: Apache-2.0
@_exported import LensEngine
@_exported import enum LensKernels.Kernels
@_exported import enum LensKernels.Precision
@_exported import enum LensKernels.Threads
@_exported import LensModels
@_exported import LensRoutines
@_exported import LensTensors
