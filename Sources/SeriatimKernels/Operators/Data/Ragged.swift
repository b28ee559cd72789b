// Preprocessing of ragged data: statistics of each sequence, maps, filters, differences, interpolation. Sequences lie
// behind each other: sequence s is rows `offsets[s]..<offsets[s + 1]` of x `(rows, features)`.
//
// All of it is a few operations a float, read and written once: memory is the limit. Maps are shared out by rows, so that
// one long sequence uses all threads; statistics by columns and sequences, never over a sum.

/// Sequences behind each other.
public struct ConcatenatedSequences {
  let offsets: UnsafePointer<Int64>
  let count: Int
  let features: Int

  /// - Parameters:
  ///   - offsets: `(count + 1,)`, growing from 0
  ///   - features: columns of the data
  public init(offsets: UnsafePointer<Int64>, count: Int, features: Int) {
    self.offsets = offsets
    self.count = count
    self.features = features
  }

  @inline(__always)
  func rows(_ sequence: Int) -> Range<Int> { Int(offsets[sequence])..<Int(offsets[sequence &+ 1]) }

  var total: Int { Int(offsets[count]) }

  /// The sequence that a row belongs to.
  func sequence(of row: Int) -> Int {
    var (low, high) = (0, count &- 1)
    while low < high {
      let middle = (low &+ high) / 2
      if Int(offsets[middle &+ 1]) > row { high = middle } else { low = middle &+ 1 }
    }
    return low
  }

  /// Runs `body(sequence, rows)` for pieces that together are all rows; one task's are of about as many rows as another's.
  /// Until the call is cancelled.
  @inline(__always)
  func forEachPiece(work: Int, _ body: (_ sequence: Int, _ rows: Range<Int>, _ task: Int) -> Void) {
    parallel(tasks: min(max(total, 1), taskLimit(work: work))) { task, tasks in
      let mine = share(of: total, task, tasks)
      let most = max(1, pieceWork / max(1, work / max(total, 1)))
      var first = mine.lowerBound
      var index = mine.isEmpty ? 0 : sequence(of: first)
      var lookout = Lookout(asksAtOnce: true)
      while first < mine.upperBound {
        let end = Int(offsets[index &+ 1])
        let last = min(mine.upperBound, end, first &+ most)
        if lookout.isCancelled(after: (last &- first) &* (pieceWork / most)) { return }
        if last > first { body(index, first..<last, task) }
        first = last
        if last == end { index &+= 1 }
      }
    }
  }
}

/// Work of the longest piece.
private let pieceWork = 1 << 19
