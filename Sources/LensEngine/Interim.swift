import LensKernels
import LensTensors
func reorder(_ a: UnsafePointer<Float>, _ b: Layout, to: UnsafeMutablePointer<Float>, _ c: Layout, shape: Shape, accumulates: Bool) {}
