// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

// Register tiles by composition. A tile is a tree whose leaves are one pixel of 1...4 blocks of 16 channels;
// once specialised and inlined every vector of every leaf is a register of its own.

/// 1...4 vectors side by side: a row of weights, or the bias.
protocol WeightRow {
  static var blocks: Int { get }
  /// Of lanes whose weights are packed together; see `Rows`.
  static var groups: Int { get }
  /// - step: floats from one block to the next
  init(_ p: Floats, _ step: Int)
  /// The weights of several groups, which lie `step` apart.
  init(groups p: Floats, _ step: Int)
  /// Every vector is one of `blocks` numbers side by side, repeated.
  init(each p: Floats)
}

extension WeightRow {
  static var groups: Int { @inline(__always) get { 1 } }
  @inline(__always) init(groups p: Floats, _ step: Int) { self.init(p, 16) }
}

struct Row1: WeightRow {
  let a: Vector
  static var blocks: Int { @inline(__always) get { 1 } }
  @inline(__always) init(_ p: Floats, _ step: Int) { a = load(p) }
  @inline(__always) init(each p: Floats) { a = splat(p[0]) }
}
struct Row2: WeightRow {
  let a, b: Vector
  static var blocks: Int { @inline(__always) get { 2 } }
  @inline(__always) init(_ p: Floats, _ step: Int) { (a, b) = (load(p), load(p + step)) }
  @inline(__always) init(each p: Floats) { (a, b) = (splat(p[0]), splat(p[1])) }
}
struct Row3: WeightRow {
  let a, b, c: Vector
  static var blocks: Int { @inline(__always) get { 3 } }
  @inline(__always) init(_ p: Floats, _ step: Int) { (a, b, c) = (load(p), load(p + step), load(p + 2 &* step)) }
  @inline(__always) init(each p: Floats) { (a, b, c) = (splat(p[0]), splat(p[1]), splat(p[2])) }
}
struct Row4: WeightRow {
  let a, b, c, d: Vector
  static var blocks: Int { @inline(__always) get { 4 } }
  @inline(__always) init(_ p: Floats, _ step: Int) { (a, b, c, d) = (load(p), load(p + step), load(p + 2 &* step), load(p + 3 &* step)) }
  @inline(__always) init(each p: Floats) { (a, b, c, d) = (splat(p[0]), splat(p[1]), splat(p[2]), splat(p[3])) }
}

protocol Tile {
  associatedtype Row: WeightRow
  static var pixels: Int { get }
  /// Every pixel starts at the same row.
  init(_ row: Row)
  /// Adds x[pixel · step] · w.
  mutating func add(_ x: Floats, _ step: Int, _ w: Row)
  /// Adds x[pixel · step ..< + 16] · w, lane by lane.
  mutating func addLanes(_ x: Floats, _ step: Int, _ w: Row)
  /// Adds what lies where the tile will be stored.
  mutating func add(_ p: Floats, _ pixelStep: Int, _ blockStep: Int)
  mutating func clamp(_ lower: Vector, _ upper: Vector)
  /// One bit a number: whether it is strictly between the bounds.
  func writeGates(_ g: MutableGates, _ pixelStep: Int, _ blockStep: Int, _ lower: Vector, _ upper: Vector)
  mutating func gate(_ g: Gates, _ pixelStep: Int, _ blockStep: Int)
  func write(_ p: MutableFloats, _ pixelStep: Int, _ blockStep: Int)
  /// The sum of the lanes of each vector, blocks side by side.
  func writeTotals(_ p: MutableFloats, _ pixelStep: Int, _ update: (Float, Int, Int) -> Float, _ pixel: Int)
}

struct Leaf1: Tile {
  var a: Vector
  static var pixels: Int { @inline(__always) get { 1 } }
  @inline(__always) init(_ r: Row1) { a = r.a }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: Row1) { a = fused(a, splat(x[0]), w.a) }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: Row1) { a = fused(a, load(x), w.a) }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) { a += load(p) }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) { a = bound(a, l, u) }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) { g[0] = gates(of: a, l, u) }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) { a = gated(a, g[0]) }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) { store(a, p) }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) { p[0] = f(total(a), i, 0) }
}
struct Leaf2: Tile {
  var a, b: Vector
  static var pixels: Int { @inline(__always) get { 1 } }
  @inline(__always) init(_ r: Row2) { (a, b) = (r.a, r.b) }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: Row2) {
    let v = splat(x[0])
    (a, b) = (fused(a, v, w.a), fused(b, v, w.b))
  }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: Row2) {
    let v = load(x)
    (a, b) = (fused(a, v, w.a), fused(b, v, w.b))
  }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) { (a, b) = (a + load(p), b + load(p + bs)) }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) { (a, b) = (bound(a, l, u), bound(b, l, u)) }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) {
    g[0] = gates(of: a, l, u)
    g[bs] = gates(of: b, l, u)
  }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) { (a, b) = (gated(a, g[0]), gated(b, g[bs])) }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) {
    store(a, p)
    store(b, p + bs)
  }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) {
    (p[0], p[1]) = (f(total(a), i, 0), f(total(b), i, 1))
  }
}
struct Leaf3: Tile {
  var a, b, c: Vector
  static var pixels: Int { @inline(__always) get { 1 } }
  @inline(__always) init(_ r: Row3) { (a, b, c) = (r.a, r.b, r.c) }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: Row3) {
    let v = splat(x[0])
    (a, b, c) = (fused(a, v, w.a), fused(b, v, w.b), fused(c, v, w.c))
  }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: Row3) {
    let v = load(x)
    (a, b, c) = (fused(a, v, w.a), fused(b, v, w.b), fused(c, v, w.c))
  }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) {
    (a, b, c) = (a + load(p), b + load(p + bs), c + load(p + 2 &* bs))
  }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) { (a, b, c) = (bound(a, l, u), bound(b, l, u), bound(c, l, u)) }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) {
    g[0] = gates(of: a, l, u)
    g[bs] = gates(of: b, l, u)
    g[2 &* bs] = gates(of: c, l, u)
  }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) {
    (a, b, c) = (gated(a, g[0]), gated(b, g[bs]), gated(c, g[2 &* bs]))
  }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) {
    store(a, p)
    store(b, p + bs)
    store(c, p + 2 &* bs)
  }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) {
    (p[0], p[1], p[2]) = (f(total(a), i, 0), f(total(b), i, 1), f(total(c), i, 2))
  }
}
struct Leaf4: Tile {
  var a, b, c, d: Vector
  static var pixels: Int { @inline(__always) get { 1 } }
  @inline(__always) init(_ r: Row4) { (a, b, c, d) = (r.a, r.b, r.c, r.d) }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: Row4) {
    let v = splat(x[0])
    (a, b, c, d) = (fused(a, v, w.a), fused(b, v, w.b), fused(c, v, w.c), fused(d, v, w.d))
  }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: Row4) {
    let v = load(x)
    (a, b, c, d) = (fused(a, v, w.a), fused(b, v, w.b), fused(c, v, w.c), fused(d, v, w.d))
  }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) {
    (a, b, c, d) = (a + load(p), b + load(p + bs), c + load(p + 2 &* bs), d + load(p + 3 &* bs))
  }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) {
    (a, b, c, d) = (bound(a, l, u), bound(b, l, u), bound(c, l, u), bound(d, l, u))
  }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) {
    g[0] = gates(of: a, l, u)
    g[bs] = gates(of: b, l, u)
    g[2 &* bs] = gates(of: c, l, u)
    g[3 &* bs] = gates(of: d, l, u)
  }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) {
    (a, b, c, d) = (gated(a, g[0]), gated(b, g[bs]), gated(c, g[2 &* bs]), gated(d, g[3 &* bs]))
  }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) {
    store(a, p)
    store(b, p + bs)
    store(c, p + 2 &* bs)
    store(d, p + 3 &* bs)
  }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) {
    (p[0], p[1], p[2], p[3]) = (f(total(a), i, 0), f(total(b), i, 1), f(total(c), i, 2), f(total(d), i, 3))
  }
}

/// Two tiles side by side.
struct Pair<A: Tile, B: Tile>: Tile where A.Row == B.Row {
  var a: A, b: B
  static var pixels: Int { @inline(__always) get { A.pixels &+ B.pixels } }
  @inline(__always) init(_ r: A.Row) { (a, b) = (A(r), B(r)) }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: A.Row) {
    a.add(x, s, w)
    b.add(x + A.pixels &* s, s, w)
  }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: A.Row) {
    a.addLanes(x, s, w)
    b.addLanes(x + A.pixels &* s, s, w)
  }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) {
    a.add(p, ps, bs)
    b.add(p + A.pixels &* ps, ps, bs)
  }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) {
    a.clamp(l, u)
    b.clamp(l, u)
  }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) {
    a.writeGates(g, ps, bs, l, u)
    b.writeGates(g + A.pixels &* ps, ps, bs, l, u)
  }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) {
    a.gate(g, ps, bs)
    b.gate(g + A.pixels &* ps, ps, bs)
  }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) {
    a.write(p, ps, bs)
    b.write(p + A.pixels &* ps, ps, bs)
  }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) {
    a.writeTotals(p, ps, f, i)
    b.writeTotals(p + A.pixels &* ps, ps, f, i &+ A.pixels)
  }
}

/// Rows of two groups of lanes.
struct Rows<A: WeightRow, B: WeightRow>: WeightRow {
  let a: A, b: B
  static var blocks: Int { @inline(__always) get { A.blocks &+ B.blocks } }
  static var groups: Int { @inline(__always) get { A.groups &+ B.groups } }
  @inline(__always) init(_ p: Floats, _ step: Int) { (a, b) = (A(p, step), B(p + A.blocks &* step, step)) }
  @inline(__always) init(groups p: Floats, _ step: Int) { (a, b) = (A(groups: p, step), B(groups: p + A.groups &* step, step)) }
  @inline(__always) init(each p: Floats) { (a, b) = (A(each: p), B(each: p + A.blocks)) }
}

/// The same pixels of two groups of lanes.
struct Beside<A: Tile, B: Tile>: Tile {
  typealias Row = Rows<A.Row, B.Row>
  var a: A, b: B
  static var pixels: Int { @inline(__always) get { A.pixels } }
  @inline(__always) init(_ r: Row) { (a, b) = (A(r.a), B(r.b)) }
  @inline(__always) mutating func add(_ x: Floats, _ s: Int, _ w: Row) {
    a.add(x, s, w.a)
    b.add(x, s, w.b)
  }
  @inline(__always) mutating func addLanes(_ x: Floats, _ s: Int, _ w: Row) {
    a.addLanes(x, s, w.a)
    b.addLanes(x, s, w.b)
  }
  @inline(__always) mutating func add(_ p: Floats, _ ps: Int, _ bs: Int) {
    a.add(p, ps, bs)
    b.add(p + A.Row.blocks &* bs, ps, bs)
  }
  @inline(__always) mutating func clamp(_ l: Vector, _ u: Vector) {
    a.clamp(l, u)
    b.clamp(l, u)
  }
  @inline(__always) func writeGates(_ g: MutableGates, _ ps: Int, _ bs: Int, _ l: Vector, _ u: Vector) {
    a.writeGates(g, ps, bs, l, u)
    b.writeGates(g + A.Row.blocks &* bs, ps, bs, l, u)
  }
  @inline(__always) mutating func gate(_ g: Gates, _ ps: Int, _ bs: Int) {
    a.gate(g, ps, bs)
    b.gate(g + A.Row.blocks &* bs, ps, bs)
  }
  @inline(__always) func write(_ p: MutableFloats, _ ps: Int, _ bs: Int) {
    a.write(p, ps, bs)
    b.write(p + A.Row.blocks &* bs, ps, bs)
  }
  @inline(__always) func writeTotals(_ p: MutableFloats, _ ps: Int, _ f: (Float, Int, Int) -> Float, _ i: Int) {
    a.writeTotals(p, ps, f, i)
    b.writeTotals(p + A.Row.blocks, ps, { f($0, $1, $2 &+ A.Row.blocks) }, i)
  }
}

typealias X2<T: Tile> = Pair<T, T>
typealias X3<T: Tile> = Pair<X2<T>, T>
typealias X4<T: Tile> = Pair<X2<T>, X2<T>>
typealias X5<T: Tile> = Pair<X4<T>, T>
typealias X6<T: Tile> = Pair<X4<T>, X2<T>>
typealias X7<T: Tile> = Pair<X4<T>, X3<T>>
typealias X8<T: Tile> = Pair<X4<T>, X4<T>>
typealias X9<T: Tile> = Pair<X8<T>, T>
typealias X10<T: Tile> = Pair<X8<T>, X2<T>>
typealias X11<T: Tile> = Pair<X8<T>, X3<T>>
typealias X12<T: Tile> = Pair<X8<T>, X4<T>>
typealias X13<T: Tile> = Pair<X12<T>, T>
typealias X14<T: Tile> = Pair<X7<T>, X7<T>>

typealias Y2<T: Tile> = Beside<T, T>
typealias Y3<T: Tile> = Beside<Y2<T>, T>
typealias Y4<T: Tile> = Beside<Y2<T>, Y2<T>>
