// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// Kernels for one CPU generation need compiler flags that SwiftPM refuses in a dependency taken
// by URL and version, so they are built only when asked for. The Makefile and the wheel ask;
// without the switch the same files are compiled once, portably, and everything still works.
let buildsCPUVariants = Context.environment["CNNLENS_CPU_VARIANTS"] == "1"

// What imports CNNLens sees the modules behind it, and must be compiled again when one of them changes.
let umbrella: [Target.Dependency] = ["CNNLens", "LensTensors", "LensEngine", "LensModels", "LensRoutines"]
// Likewise what imports LensKernels sees the table of kernels.
let kernels: [Target.Dependency] = ["LensKernels", "LensKernelTable", "LensTensors"]

let language: [SwiftSetting] = [.swiftLanguageMode(.v6)]

// The kernels are optimised in debug builds, too: unoptimised they are a thousand times slower.
// (Without -num-threads a debug build of a whole module fails in its index.)
let optimized: [SwiftSetting] = buildsCPUVariants ? [.unsafeFlags(["-O", "-wmo", "-num-threads", "1"])] : []
#if arch(x86_64)
  let kernelVariants = buildsCPUVariants ? [("AVX2", "haswell"), ("AVX512", "skylake-avx512"), ("AMX", "sapphirerapids")] : []
#else
  let kernelVariants: [(String, String)] = []
#endif
let variantDependencies = kernelVariants.map { Target.Dependency(stringLiteral: "LensKernels\($0.0)") }
let variantDefines: [SwiftSetting] = kernelVariants.isEmpty ? [] : [.define("CNNLENS_CPU_VARIANTS")]

var package = Package(
  name: "cnnlens",
  products: [
    .library(name: "CNNLens", targets: ["CNNLens"]),
    .library(name: "cnnlens", type: .dynamic, targets: ["CInterface"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0")
  ],
  targets: [
    // MARK: Library
    .target(name: "LensTensors", exclude: ["README.md"], swiftSettings: language),
    .target(name: "CLensCPU"),
    .target(name: "LensKernelTable", swiftSettings: language),
    .target(name: "LensKernelsPortable", dependencies: ["LensKernelTable", "CLensCPU"], swiftSettings: language + optimized),
    .target(
      name: "LensKernels",
      dependencies: ["LensTensors", "LensKernelTable", "LensKernelsPortable", "CLensCPU"] + variantDependencies,
      exclude: ["README.md"], swiftSettings: language + variantDefines),
    .target(name: "LensEngine", dependencies: kernels, exclude: ["README.md"], swiftSettings: language),
    .target(
      name: "LensModels",
      dependencies: ["LensEngine", "LensTensors", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["README.md", "ONNX/generate.sh", "ONNX/onnx.proto"], swiftSettings: language),
    .target(
      name: "LensRoutines", dependencies: kernels + ["LensEngine"], exclude: ["README.md"],
      swiftSettings: language),
    .target(name: "CNNLens", dependencies: kernels + ["LensEngine", "LensModels", "LensRoutines"], swiftSettings: language),

    // MARK: C interface
    .target(
      name: "CCNNLens", path: "CInterface",
      exclude: ["README.md", "Exports", "examples", "cnnlens.map", "cnnlens.pc.in", "install_library.sh", "build_library.sh"],
      publicHeadersPath: "include"),
    .target(name: "CInterface", dependencies: umbrella + kernels + ["CCNNLens"], path: "CInterface/Exports", swiftSettings: language),

    // MARK: Tests and tools
    .executableTarget(name: "cnnlens-explain", dependencies: umbrella, swiftSettings: language),
    .executableTarget(name: "cnnlens-bench", dependencies: umbrella + kernels, swiftSettings: language),
    .target(
      name: "LensTestSupport", dependencies: kernels + ["LensEngine"], path: "Tests/LensTestSupport",
      swiftSettings: language),
    .testTarget(name: "LensTensorsTests", dependencies: ["LensTensors", "LensTestSupport"], swiftSettings: language),
    .systemLibrary(name: "COpenBLAS", path: "Tests/COpenBLAS"),
    // Optimised for the sake of the definitions that kernels are compared with.
    .testTarget(
      name: "LensKernelsTests", dependencies: kernels + ["LensTestSupport", "COpenBLAS"], swiftSettings: language + optimized),
    .testTarget(name: "LensEngineTests", dependencies: kernels + ["LensEngine", "LensTestSupport"], swiftSettings: language),
    .testTarget(
      name: "LensModelsTests",
      dependencies: [
        "LensModels", "LensEngine", "LensTensors", "LensTestSupport", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      swiftSettings: language),
    .testTarget(name: "LensRoutinesTests", dependencies: umbrella + ["LensTestSupport"], swiftSettings: language),
  ]
)

// The same kernels once more for each newer CPU; the sources are links to those of LensKernelsPortable, but for AMX, which
// has tiles of its own beside AVX-512's loops.
package.targets += kernelVariants.map { name, cpu in
  .target(
    name: "LensKernels\(name)", dependencies: ["LensKernelTable", "CLensCPU"],
    swiftSettings: language + optimized + [
      .define("CNNLENS_FMA"), .define("CNNLENS_\(name)"), .unsafeFlags(["-Xcc", "-march=\(cpu)"]),
    ])
}
