// What every kernel test needs: seeded numbers, aligned memory, and comparisons that say where they failed.
import XCTest

@testable import SeriatimKernels

/// A small seeded generator (splitmix64): the same numbers on every machine.
struct Seeded {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z &>> 31)
  }

  /// In (-1, 1).
  mutating func float() -> Float { Float(Int64(bitPattern: next()) >> 40) / 8_388_608 }

  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
}

/// Memory with a guard on either side: `check()` fails when a kernel wrote beyond its output. Never freed: a test hands
/// out bare pointers, and the optimiser would let the object go after its last mention.
final class Guarded {
  static let margin = 64
  let base: UnsafeMutablePointer<Float>
  let count: Int
  var pointer: UnsafeMutablePointer<Float> { base + Guarded.margin }

  init(_ count: Int, filledWith value: Float = .nan) {
    self.count = count
    base = UnsafeMutableRawPointer.allocate(byteCount: (count + 2 * Guarded.margin) * 4, alignment: 64)
      .bindMemory(to: Float.self, capacity: count + 2 * Guarded.margin)
    base.initialize(repeating: 12345, count: count + 2 * Guarded.margin)
    for index in 0..<count { pointer[index] = value }
  }

  convenience init(_ values: [Float]) {
    self.init(values.count)
    for (index, value) in values.enumerated() { pointer[index] = value }
  }

  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  func check(file: StaticString = #filePath, line: UInt = #line) {
    for index in 0..<Guarded.margin {
      XCTAssertEqual(base[index], 12345, "written before the output", file: file, line: line)
      XCTAssertEqual(pointer[count + index], 12345, "written past the output", file: file, line: line)
    }
  }
}

/// Guarded memory with these values, or nil for none: what a kernel takes for an argument that may be left out.
func optional(_ values: [Float]) -> UnsafePointer<Float>? {
  values.isEmpty ? nil : UnsafePointer(Guarded(values).pointer)
}

/// |a - b| <= tolerance * (1 + max |b|), for every element.
func assertClose(
  _ actual: [Float], _ expected: [Double], _ tolerance: Double, _ what: String, file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertEqual(actual.count, expected.count, what, file: file, line: line)
  let bound = tolerance * (1 + (expected.map(abs).max() ?? 0))
  for (index, (a, b)) in zip(actual, expected).enumerated() where !(abs(Double(a) - b) <= bound) {
    XCTFail("\(what)[\(index)]: got \(a), want \(b) within \(bound)", file: file, line: line)
    return
  }
}

/// Runs `body` with one thread and with two, and gives both results, which must have the same bits.
func withOneAndTwoThreads(
  _ what: String, file: StaticString = #filePath, line: UInt = #line, _ body: () -> [[Float]]
) -> [[Float]] {
  setThreadLimit(1)
  let one = body()
  setThreadLimit(2)
  let two = body()
  XCTAssertEqual(
    one.map { $0.map(\.bitPattern) }, two.map { $0.map(\.bitPattern) }, "\(what): bits differ between 1 and 2 threads",
    file: file, line: line)
  return one
}

/// Sizes below, at, above and at multiples of a tile.
func sizes(around tile: Int) -> [Int] { [1, 2, tile - 1, tile, tile + 1, 2 * tile, 2 * tile + 3].filter { $0 > 0 } }

/// Counts of a flat loop: around a register, and enough for two workers.
let flatCounts = sizes(around: laneCount) + [4 * laneCount, 1000, 70_003]

/// batch_sizes of sorted lengths.
func batchSizes(_ lengths: [Int]) -> [Int64] {
  (0..<(lengths.max() ?? 0)).map { step in Int64(lengths.filter { $0 > step }.count) }
}

/// The batch of sorted lengths, its sizes in memory that stays.
func raggedBatch(_ lengths: [Int]) -> RaggedBatch {
  let sizes = batchSizes(lengths)
  let memory = UnsafeMutablePointer<Int64>.allocate(capacity: sizes.count)
  memory.initialize(from: sizes, count: sizes.count)
  return RaggedBatch(batchSizes: memory, steps: sizes.count)
}

/// Holds a gradient against central differences of the loss in doubles, along random directions.
///
/// Float32 gradients are off by about `tolerance` of their own size, each its own way: the bound grows with the root of
/// the sum of squares, not with the sum. Of functions with corners, `step` must be small enough not to meet any.
func assertGradient(
  _ gradient: [Float], at point: [Float], _ tolerance: Double, _ what: String, step: Double = 1e-5,
  file: StaticString = #filePath, line: UInt = #line, loss: ([Double]) -> Double
) {
  XCTAssertEqual(gradient.count, point.count, what, file: file, line: line)
  var random = Seeded(UInt64(point.count))
  for _ in 0..<2 {
    let direction = random.floats(point.count).map(Double.init)
    let sides = [step, -step].map { side in loss(zip(point, direction).map { Double($0) + side * $1 }) }
    let want = (sides[0] - sides[1]) / (2 * step)
    let parts = zip(gradient, direction).map { Double($0) * $1 }
    let bound = tolerance * (1 + parts.reduce(0) { $0 + $1 * $1 }.squareRoot())
    let got = parts.reduce(0, +)
    XCTAssert(abs(got - want) <= bound, "\(what): got \(got), want \(want) within \(bound)", file: file, line: line)
  }
}

/// The inner product of what a kernel gives out and of its gradient: the loss that `assertGradient` wants.
func inner(_ values: [Double], _ grads: [Float]) -> Double { zip(values, grads).reduce(0) { $0 + $1.0 * Double($1.1) } }

/// Every product of a convolution by its definition: its places in y, in the weights and in x.
func forEachProduct(_ s: ConvolutionShape, _ body: (_ y: Int, _ weight: Int, _ x: Int) -> Void) {
  for image in 0..<s.batch {
    for channel in 0..<s.outChannels {
      for source in 0..<s.groupInputs {
        let from = (image * s.inChannels + channel / s.groupOutputs * s.groupInputs + source) * s.height
        for i in 0..<s.kernelHeight {
          for j in 0..<s.kernelWidth {
            let weight = ((channel * s.groupInputs + source) * s.kernelHeight + i) * s.kernelWidth + j
            for v in 0..<s.outHeight {
              let row = v * s.strideY + i * s.dilationY - s.paddingY
              if row < 0 || row >= s.height { continue }
              let y = ((image * s.outChannels + channel) * s.outHeight + v) * s.outWidth
              for u in 0..<s.outWidth {
                let column = u * s.strideX + j * s.dilationX - s.paddingX
                if column >= 0, column < s.width { body(y + u, weight, (from + row) * s.width + column) }
              }
            }
          }
        }
      }
    }
  }
}

/// The product of `(rows, depth)` and `(depth, columns)`.
func exactProduct(_ a: [Float], _ b: [Float], rows: Int, depth: Int, columns: Int) -> [Double] {
  var c = [Double](repeating: 0, count: rows * columns)
  for row in 0..<rows {
    for step in 0..<depth {
      let value = Double(a[row * depth + step])
      for column in 0..<columns { c[row * columns + column] += value * Double(b[step * columns + column]) }
    }
  }
  return c
}

// The level without a fused multiply-add rounds every product: its bounds on errors are wider.
#if AVX512 || AVX2 || arch(arm64)
  let slack = 1.0
#else
  let slack = 2.0
#endif
