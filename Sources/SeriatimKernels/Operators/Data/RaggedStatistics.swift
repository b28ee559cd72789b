// Mean, spread and extrema of every feature of every sequence.
//
//   mean[s, d]   = sum over t of x[t, d] / T_s
//   spread[s, d] = sqrt(sum over t of (x[t, d] - mean[s, d])^2 / T_s)
//
// Sums run over 64 rows in a register and from there into a total with compensation (Kahan), so that a whole training
// set of a million rows keeps float32's accuracy; two passes, because one would cancel. Bytes: 4 a float and pass.

private let rowsPerPart = 64

/// A sum that remembers what its last additions lost.
private struct CompensatedSum {
  var total = broadcast(0)
  var lost = broadcast(0)

  @inline(__always)
  mutating func add(_ value: Lanes) {
    let corrected = value - lost
    let next = total + corrected
    lost = (next - total) - corrected
    total = next
  }
}

/// Runs `body(sequence, column, width)` for every register of columns of every sequence.
@inline(__always)
private func forEachColumn(
  _ sequences: ConcatenatedSequences, _ body: (_ sequence: Int, _ column: Int, _ width: Int) -> Void
) {
  let registers = roundedUp(sequences.features, to: laneCount) / laneCount
  let all = sequences.count &* registers
  parallel(tasks: min(all, taskLimit(work: sequences.total &* sequences.features))) { task, tasks in
    let work = 4 &* laneCount &* (sequences.total / max(1, sequences.count))
    for place in untilCancelled(share(of: all, task, tasks), work: work) {
      let column = place % registers &* laneCount
      body(place / registers, column, min(laneCount, sequences.features &- column))
    }
  }
}

/// The sum of `term(row)` over rows, in parts.
@inline(__always)
private func compensatedSum(_ rows: Range<Int>, _ term: (_ sum: Lanes, _ row: Int) -> Lanes) -> Lanes {
  var sum = CompensatedSum()
  var first = rows.lowerBound
  var lookout = Lookout()
  while first < rows.upperBound, !lookout.isCancelled(after: 4 &* rowsPerPart &* laneCount) {
    let last = min(rows.upperBound, first &+ rowsPerPart)
    var part = broadcast(0)
    for row in first..<last { part = term(part, row) }
    sum.add(part)
    first = last
  }
  return sum.total
}

/// - Parameters:
///   - mean, spread: `(sequences, features)`; spread may be nil. Sequences without rows get zeros.
///   - x: `(rows, features)`
public func raggedMoments(
  mean: UnsafeMutablePointer<Float>, spread: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>,
  sequences: ConcatenatedSequences
) {
  let features = sequences.features
  forEachColumn(sequences) { sequence, column, width in
    let rows = sequences.rows(sequence)
    let share = broadcast(rows.isEmpty ? 0 : 1 / Float(rows.count))
    let source = x + column
    let place = sequence &* features &+ column
    let middle = share * compensatedSum(rows) { $0 + load(source + $1 &* features, first: width) }
    store(middle, mean + place, first: width)
    guard let spread else { return }
    let squares = compensatedSum(rows) {
      let difference = load(source + $1 &* features, first: width) - middle
      return multiplyAdd($0, difference, difference)
    }
    store((share * squares).squareRoot(), spread + place, first: width)
  }
}

/// - Parameters:
///   - least, greatest: `(sequences, features)`. Sequences without rows get zeros.
///   - x: `(rows, features)`
public func raggedExtrema(
  least: UnsafeMutablePointer<Float>, greatest: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>,
  sequences: ConcatenatedSequences
) {
  let features = sequences.features
  forEachColumn(sequences) { sequence, column, width in
    let rows = sequences.rows(sequence)
    let source = x + column
    var low = rows.isEmpty ? broadcast(0) : load(source + rows.lowerBound &* features, first: width)
    var high = low
    for part in inParts(rows, work: 4 &* laneCount) {
      for row in part {
        let value = load(source + row &* features, first: width)
        low = low.atMost(value)
        high = high.atLeast(value)
      }
    }
    store(low, least + sequence &* features + column, first: width)
    store(high, greatest + sequence &* features + column, first: width)
  }
}
