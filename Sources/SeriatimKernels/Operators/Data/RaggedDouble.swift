// Statistics and scaling of ragged data in double: of clocks, coordinates on a map and whatever else has an offset beside
// which float32 does not see how it varies, and of values whose squares float32 cannot hold.
//
//   mean[s, d]   = x[0, d] + sum over t of (x[t, d] - x[0, d]) / T_s
//   spread[s, d] = sqrt(sum over t of (x[t, d] - mean[s, d])^2 / T_s)
//   scaled       y[t] = (x[t] - shift[s]) * scale[s]
//
// All of it in units of the power of two nearest to the greatest |x|, so that nothing overflows or vanishes in a square;
// that costs no bit. What is added up are differences from the first row: sums of them lose nothing to the offset.

private typealias Columns = SIMD8<Double>
private let columnCount = 8
private let rowsPerPart = 64

@inline(__always)
private func loadColumns(_ source: UnsafePointer<Double>, first count: Int) -> Columns {
  var value = Columns(repeating: 0)
  for lane in 0..<count { value[lane] = source[lane] }
  return value
}

/// The sum of `term(row)` over rows, in parts: its rounding grows with the square root of their number at most.
@inline(__always)
private func sum(_ rows: Range<Int>, _ term: (_ row: Int) -> Columns) -> Columns {
  var total = Columns(repeating: 0)
  var first = rows.lowerBound
  var lookout = Lookout()
  while first < rows.upperBound, !lookout.isCancelled(after: 8 &* rowsPerPart &* columnCount) {
    let last = min(rows.upperBound, first &+ rowsPerPart)
    var part = Columns(repeating: 0)
    for row in first..<last { part += term(row) }
    total += part
    first = last
  }
  return total
}

/// The exponent's bits of a number; away from the ends, where the inverse would be denormal.
@inline(__always)
private func exponentBits(_ value: Double) -> UInt64 { min(max(value.bitPattern >> 52 & 0x7ff, 23), 2023) }

/// - Parameters:
///   - mean, spread: `(sequences, features)`; spread may be nil. Sequences without rows get zeros.
///   - x: `(rows, features)`
public func raggedMomentsDouble(
  mean: UnsafeMutablePointer<Double>, spread: UnsafeMutablePointer<Double>?, x: UnsafePointer<Double>,
  sequences: ConcatenatedSequences
) {
  let features = sequences.features
  let blocks = roundedUp(features, to: columnCount) / columnCount
  let all = sequences.count &* blocks
  parallel(tasks: min(all, taskLimit(work: 2 &* sequences.total &* features))) { task, tasks in
    let work = 8 &* columnCount &* (sequences.total / max(1, sequences.count))
    for place in untilCancelled(share(of: all, task, tasks), work: work) {
      let rows = sequences.rows(place / blocks)
      let column = place % blocks &* columnCount
      let width = min(columnCount, features &- column)
      let target = place / blocks &* features &+ column
      moments(
        mean: mean + target, spread: spread.map { $0 + target }, x: x + column, rows: rows, stride: features,
        width: width)
    }
  }
}

/// The moments of up to eight columns of one sequence.
private func moments(
  mean: UnsafeMutablePointer<Double>, spread: UnsafeMutablePointer<Double>?, x: UnsafePointer<Double>,
  rows: Range<Int>, stride: Int, width: Int
) {
  var greatest = Columns(repeating: 0)
  for part in inParts(rows, work: 8 &* columnCount) {
    for row in part {
      for lane in 0..<width { greatest[lane] = max(greatest[lane], x[row &* stride &+ lane].magnitude) }
    }
  }
  var (unit, inverse) = (Columns(repeating: 1), Columns(repeating: 1))
  for lane in 0..<width {
    let bits = exponentBits(greatest[lane])
    unit[lane] = Double(bitPattern: bits << 52)
    inverse[lane] = Double(bitPattern: (2046 &- bits) << 52)
  }
  let share = Columns(repeating: rows.isEmpty ? 0 : 1 / Double(rows.count))
  var pivot = Columns(repeating: 0)
  if !rows.isEmpty { pivot = loadColumns(x + rows.lowerBound &* stride, first: width) * inverse }
  let middle = share * sum(rows) { loadColumns(x + $0 &* stride, first: width) * inverse - pivot }
  let found = (pivot + middle) * unit
  for lane in 0..<width { mean[lane] = found[lane] }
  guard let spread else { return }
  let squares = sum(rows) {
    let difference = loadColumns(x + $0 &* stride, first: width) * inverse - pivot - middle
    return difference * difference
  }
  let variance = share * squares
  for lane in 0..<width { spread[lane] = variance[lane].squareRoot() * unit[lane] }
}

/// - Parameters:
///   - y: `(rows, features)`; may be x
///   - shift, scale: `(sequences, features)`
public func raggedScaleDouble(
  y: UnsafeMutablePointer<Double>, x: UnsafePointer<Double>, sequences: ConcatenatedSequences,
  shift: UnsafePointer<Double>, scale: UnsafePointer<Double>
) {
  let features = sequences.features
  sequences.forEachPiece(work: sequences.total &* features) { sequence, rows, _ in
    let (shift, scale) = (shift + sequence &* features, scale + sequence &* features)
    for row in rows {
      let (source, target) = (x + row &* features, y + row &* features)
      for column in 0..<features { target[column] = (source[column] - shift[column]) * scale[column] }
    }
  }
}
