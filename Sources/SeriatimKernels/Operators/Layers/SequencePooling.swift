// Pooling over the steps of each sequence of a packed ragged batch:
//
//   mean = (sum_t h_t) / T      greatest = max_t h_t      positive = (number of t with h_t > 0) / T
//
//   dh_t = dmean / T + dgreatest where h_t is the first of the greatest, 0 elsewhere; none of positive
//
// Columns are shared out among the workers, and steps are added in the order of time. h is read once, as it lies, and the
// accumulators of a mini-batch stay in cache: memory is the limit.

/// - Parameters:
///   - mean, greatest, positive: rows of `size` floats, `stride` floats apart, one a sequence; nil for what is not wanted
///   - h: `(rows, size)`, packed
public func sequencePoolForward(
  mean: UnsafeMutablePointer<Float>?, greatest: UnsafeMutablePointer<Float>?, positive: UnsafeMutablePointer<Float>?,
  stride: Int, h: UnsafePointer<Float>, ragged: RaggedBatch, size: Int
) {
  forEachColumns(of: size, work: ragged.rows &* size) { columns in
    addSteps(columns, unit: 1)
    // Sums that were too large for a float, in another unit.
    guard let mean else { return }
    for sequence in 0..<ragged.batch {
      for column in columns where !mean[sequence &* stride &+ column].isFinite {
        addSteps(column..<(column &+ 1), unit: 0x1p-24)
      }
    }
  }

  func addSteps(_ columns: Range<Int>, unit: Float) {
    var offset = 0
    var lookout = Lookout(asksAtOnce: true)
    for step in 0..<ragged.steps {
      let count = ragged.size(step)
      let going = step &+ 1 < ragged.steps ? ragged.size(step &+ 1) : 0
      if lookout.isCancelled(after: 4 &* count &* columns.count) { return }
      for sequence in 0..<count {
        let source = h + (offset &+ sequence) &* size
        let length: Float? = sequence < going ? nil : Float(step &+ 1)
        if let mean { addRow(mean + sequence &* stride, source, columns, first: step == 0, length: length, unit: unit) }
        if let positive {
          addRow(positive + sequence &* stride, source, columns, first: step == 0, length: length, signs: true)
        }
        if let greatest { raiseRow(greatest + sequence &* stride, source, columns, first: step == 0) }
      }
      offset &+= count
    }
  }
}

/// The gradient of `sequencePoolForward`.
///
/// - Parameters:
///   - gradH: `(rows, size)`: overwritten
///   - gradMean, gradGreatest: rows of `size` floats, `stride` floats apart; nil for what was not wanted
///   - greatest: from the forward call, rows `stride` floats apart; nil if it was not wanted
///   - scratch: `(2, batch, size)`
public func sequencePoolBackward(
  gradH: UnsafeMutablePointer<Float>, gradMean: UnsafePointer<Float>?, gradGreatest: UnsafePointer<Float>?,
  greatest: UnsafePointer<Float>?, stride: Int, h: UnsafePointer<Float>, ragged: RaggedBatch, size: Int,
  scratch: UnsafeMutablePointer<Float>
) {
  let (shares, open) = (scratch, scratch + ragged.batch &* size)
  forEachColumns(of: size, work: ragged.rows &* size) { columns in
    var going = ragged.batch
    // Lengths fall from the first sequence to the last.
    for step in 0..<ragged.steps {
      let next = step &+ 1 < ragged.steps ? ragged.size(step &+ 1) : 0
      for sequence in next..<going {
        divideRow(shares + sequence &* size, gradMean.map { $0 + sequence &* stride }, columns, by: Float(step &+ 1))
        divideRow(open + sequence &* size, gradGreatest.map { $0 + sequence &* stride }, columns, by: 1)
      }
      going = next
    }
    var offset = 0
    var lookout = Lookout(asksAtOnce: true)
    for step in 0..<ragged.steps {
      let count = ragged.size(step)
      if lookout.isCancelled(after: 4 &* count &* columns.count) { return }
      for sequence in 0..<count {
        let row = (offset &+ sequence) &* size
        var column = columns.lowerBound
        while column < columns.upperBound {
          let width = columns.upperBound &- column
          var grad = load(shares + sequence &* size + column, first: width)
          if let greatest {
            // What is left of the gradient passes by where h is below the greatest; what does not pass by stays here.
            let left = load(open + sequence &* size + column, first: width)
            let most = load(greatest + sequence &* stride + column, first: width)
            let below = load(h + row + column, first: width) - most
            let passing = below.replaced(by: left, below: broadcast(0))
            store(passing, open + sequence &* size + column, first: width)
            grad += left - passing
          }
          store(grad, gradH + row + column, first: width)
          column &+= laneCount
        }
      }
      offset &+= count
    }
  }
}

/// Runs `body` for ranges of columns that begin at whole registers, one a task.
@inline(__always)
private func forEachColumns(of size: Int, work: Int, _ body: (Range<Int>) -> Void) {
  let registers = (size &+ laneCount &- 1) / laneCount
  parallel(tasks: min(registers, taskLimit(work: work))) { task, tasks in
    let mine = share(of: registers, task, tasks)
    body(mine.lowerBound &* laneCount..<min(size, mine.upperBound &* laneCount))
  }
}

/// `target = source` or `target += source`, and at a sequence's end divided by its length; with `signs` 1 for what is
/// above 0, and 0, in the place of the source.
@inline(__always)
func addRow(
  _ target: Output, _ source: Input, _ columns: Range<Int>, first: Bool, length: Float?, signs: Bool = false,
  unit: Float = 1
) {
  var column = columns.lowerBound
  while column < columns.upperBound {
    let width = columns.upperBound &- column
    var value = load(source + column, first: width)
    value = signs ? broadcast(0).replaced(by: broadcast(1), below: value) : value * broadcast(unit)
    if !first { value = load(target + column, first: width) + value }
    if let length { value = value / broadcast(length) / broadcast(unit) }
    store(value, target + column, first: width)
    column &+= laneCount
  }
}

/// `target = source` or `target = max(target, source)`.
@inline(__always)
func raiseRow(_ target: Output, _ source: Input, _ columns: Range<Int>, first: Bool) {
  var column = columns.lowerBound
  while column < columns.upperBound {
    let width = columns.upperBound &- column
    let value = load(source + column, first: width)
    store(first ? value : value.atLeast(load(target + column, first: width)), target + column, first: width)
    column &+= laneCount
  }
}

/// `target = source / divisor`; zeros without a source.
@inline(__always)
private func divideRow(_ target: Output, _ source: Input?, _ columns: Range<Int>, by divisor: Float) {
  var column = columns.lowerBound
  while column < columns.upperBound {
    let width = columns.upperBound &- column
    let value = source.map { load($0 + column, first: width) / broadcast(divisor) } ?? broadcast(0)
    store(value, target + column, first: width)
    column &+= laneCount
  }
}
