// SPDX-License-Identifier: Apache-2.0
public import LensEngine
import LensTensors

extension Network {
  /// Reads a network from a file. Its name is the file's, without folder and extension, unless another is given.
  ///
  /// - Throws: `.io`, `.malformedModel`, `.unsupportedOperator` (all of them at once, with their nodes).
  public static func load(path: String, name: String? = nil) throws -> Network {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    let stem = file.split(separator: ".").dropLast().joined(separator: ".")
    return Network(try ONNXModel.read(path: path), name: name ?? (stem.isEmpty ? file : stem))
  }

  /// Reads a network from the bytes of a file.
  public static func load(bytes: UnsafeRawBufferPointer, name: String = "model") throws -> Network {
    Network(try ONNXModel.read(bytes: bytes, name: name), name: name)
  }
}
