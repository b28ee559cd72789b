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
