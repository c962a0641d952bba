// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// A small network that gives every place a colour, trained to give the picture that is wanted: a compositional pattern-
/// producing network. Its pictures are smooth, and exist at any size.
///
/// Stanley, "Compositional Pattern Producing Networks", 2007; Mordvintsev, Pezzotti, Schubert & Olah, "Differentiable
/// Image Parameterizations", 2018. doi:10.23915/distill.00012. As there: x and y in +-sqrt(3), layers of units whose
/// arctangent a goes on as a / 0.67 and a^2 / 0.6, then three colours through a sigmoid; the last weights begin at zero.
public struct CPPN: Parameterization {
  public var units: Int
  public var layers: Int

  public init(units: Int = 24, layers: Int = 8) { (self.units, self.layers) = (units, layers) }

  public func decoder(for shape: Shape) throws -> any Decoder { try PatternDecoder(self, shape) }
}

private final class PatternDecoder: Decoder {
  let parameters: Shape
  private let shape: Shape
  private let area: Int
  private let stages: [Stage]
  private let last: Buffer  // the parameters that were decoded
  private let coordinates, gradient, change, scratch: Buffer

  /// One linear layer, and what is kept of it for the way back.
  private struct Stage {
    let inputs, outputs: Int
    /// Of the weights, outputs×inputs, and of the biases in a row of parameters.
    let weights, biases: Int
    let forward, backward, toWeights: MatrixProduct
    /// What goes on: 2 units×P; and the derivative of the arctangent, units×P. Nil for the last.
    let values, slopes: Buffer?
  }

  init(_ options: CPPN, _ shape: Shape) throws {
    guard 1...256 ~= options.units, 1...32 ~= options.layers else {
      throw LensError(.invalidArgument, "the network has \(options.layers) layers of \(options.units) units; 1...32 of 1...256 are allowed")
    }
    (self.shape, area) = (shape, shape.h * shape.w)
    let units = options.units, area = area
    var stages: [Stage] = [], offset = 0
    for layer in 0...options.layers {
      let inputs = layer == 0 ? 2 : 2 * units, outputs = layer == options.layers ? shape.c : units
      stages.append(
        Stage(
          inputs: inputs, outputs: outputs, weights: offset, biases: offset + inputs * outputs,
          forward: MatrixProduct(m: outputs, n: area, k: inputs),
          backward: MatrixProduct(m: inputs, n: area, k: outputs, transposesA: true),
          toWeights: MatrixProduct(m: outputs, n: inputs, k: area, transposesB: true),
          values: layer == options.layers ? nil : try Buffer(2 * units * area),
          slopes: layer == options.layers ? nil : try Buffer(units * area)))
      offset += inputs * outputs + outputs
    }
    self.stages = stages
    parameters = [shape.n, offset]
    last = try Buffer(shape.n * offset)
    coordinates = try Buffer(2 * area)
    (gradient, change) = (try Buffer(2 * units * area), try Buffer(max(units, shape.c) * area))
    scratch = try Buffer(stages.flatMap { [$0.forward, $0.backward, $0.toWeights].map(\.scratchCount) }.max() ?? 0)
    let reach = Float(3).squareRoot()
    func place(_ index: Int, _ count: Int) -> Float { count > 1 ? reach * (2 * Float(index) / Float(count - 1) - 1) : 0 }
    for y in 0..<shape.h {
      for x in 0..<shape.w {
        coordinates.base[y * shape.w + x] = place(x, shape.w)
        coordinates.base[area + y * shape.w + x] = place(y, shape.h)
      }
    }
  }

  func start(seed: UInt64) -> Tensor {
    var result = noise(1, seed: seed)
    result.withMutablePointer { p in
      for n in 0..<parameters[0] {
        let row = p + n * parameters[1]
        for stage in stages {
          let deviation = stage.values == nil ? 0 : 1 / Float(stage.inputs).squareRoot()
          for i in stage.weights..<stage.biases { row[i] *= deviation }
          (row + stage.biases).update(repeating: 0, count: stage.outputs)
        }
      }
    }
    return result
  }

  func decode(_ parameters: UnsafePointer<Float>, to picture: UnsafeMutablePointer<Float>) {
    last.base.update(from: parameters, count: self.parameters.count)
    for n in 0..<shape.n { run(n, to: picture + n * shape.c * area) }
    Elementwise.curve(.sigmoid, picture, to: picture, shape.count)
  }

  /// Picture `n` before the sigmoid.
  private func run(_ n: Int, to picture: UnsafeMutablePointer<Float>) {
    let row = last.base + n * parameters[1], area = area
    var input = UnsafePointer(coordinates.base)
    for stage in stages {
      let output = stage.values?.base ?? picture
      stage.forward.run(row + stage.weights, input, into: output, scratch: scratch.base)
      parallel(stage.outputs) { units in
        for unit in units {
          let bias = row[stage.biases + unit], x = output + unit * area
          guard let slopes = stage.slopes else {
            for i in 0..<area { x[i] += bias }
            continue
          }
          let squares = output + (stage.outputs + unit) * area, slope = slopes.base + unit * area
          for i in 0..<area {
            let z = x[i] + bias, a = atan(z)
            slope[i] = 1 / (1 + z * z)
            x[i] = a / 0.67
            squares[i] = a * a / 0.6
          }
        }
      }
      input = UnsafePointer(output)
    }
  }

  func adjoint(_ gradient: UnsafePointer<Float>, at picture: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>) {
    let (c, area) = (shape.c, area)
    for n in 0..<shape.n {
      // The layers hold the picture that was decoded last; `change` is not in use yet, so it takes what is not wanted.
      if shape.n > 1 { run(n, to: change.base) }
      let row = last.base + n * parameters[1], to = result + n * parameters[1], offset = n * c * area
      for i in 0..<c * area { change.base[i] = gradient[offset + i] * picture[offset + i] * (1 - picture[offset + i]) }
      for (index, stage) in stages.enumerated().reversed() {
        let input = index == 0 ? coordinates.base : stages[index - 1].values?.base ?? coordinates.base
        stage.toWeights.run(change.base, input, into: to + stage.weights, scratch: scratch.base)
        for unit in 0..<stage.outputs {
          var sum = 0.0
          for i in 0..<area { sum += Double(change.base[unit * area + i]) }
          to[stage.biases + unit] = Float(sum)
        }
        guard index > 0, let values = stages[index - 1].values, let slopes = stages[index - 1].slopes else { continue }
        stage.backward.run(row + stage.weights, change.base, into: self.gradient.base, scratch: scratch.base)
        let units = stages[index - 1].outputs
        parallel(units) { range in
          for unit in range {
            let first = self.gradient.base + unit * area, second = self.gradient.base + (units + unit) * area
            let a = values.base + unit * area, slope = slopes.base + unit * area, g = change.base + unit * area
            // a[i] is the arctangent over 0.67.
            for i in 0..<area { g[i] = (first[i] / 0.67 + second[i] * (2 * 0.67 / 0.6) * a[i]) * slope[i] }
          }
        }
      }
    }
  }
}
