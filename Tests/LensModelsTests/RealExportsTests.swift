// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensModels
import LensTensors
import Testing

/// Exports of published networks, made by `Tests/Goldens/generate.py networks`; CNNLENS_GOLDENS says where they are.
@Suite struct RealExportsTests {
  static let folder = getenv("CNNLENS_GOLDENS").map { String(cString: $0) } ?? ""

  @Test(.enabled(if: !folder.isEmpty)) func everyExportBecomesAGraph() throws {
    for path in RealExportsTests.files(in: RealExportsTests.folder) where path.hasSuffix(".onnx") {
      let start = clock()
      do {
        let model = try ONNXModel.read(path: path)
        let shapes = model.inputs.map { Shape($0.dimensions.map { $0 ?? 1 }) }
        let graph = try model.graph(for: shapes, reaching: nil)
        print(
          "ok  ", path.dropFirst(RealExportsTests.folder.count + 1), graph.nodes.count, "nodes,",
          graph.outputs.map { graph.nodes[$0].shape }, (clock() - start) / 1000, "ms")
      } catch {
        print("FAIL", path, error)
        Issue.record("\(path): \(error)")
      }
    }
  }

  /// All files below a folder.
  static func files(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var result: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard !name.hasPrefix(".") else { continue }
      let path = folder + "/" + name
      result += entry.pointee.d_type == UInt8(DT_DIR) ? files(in: path) : [path]
    }
    return result.sorted()
  }
}
