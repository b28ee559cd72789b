// The order in which a recurrent layer visits the steps of a packed ragged batch.

/// A packed ragged batch: `batchSizes[t]` rows at step t, never growing.
public struct RaggedBatch {
  let batchSizes: UnsafePointer<Int64>
  let steps: Int
  /// sum of batchSizes
  let rows: Int

  /// Checks nothing: the caller has.
  public init(batchSizes: UnsafePointer<Int64>, steps: Int) {
    self.batchSizes = batchSizes
    self.steps = steps
    var total = 0
    for step in 0..<steps { total &+= Int(batchSizes[step]) }
    rows = total
  }

  /// The number of sequences.
  var batch: Int { Int(batchSizes[0]) }

  /// Sequences that are at least `step + 1` long; 0 past the end.
  @inline(__always)
  func size(_ step: Int) -> Int { step < steps ? Int(batchSizes[step]) : 0 }
}

/// One step of the recurrence.
struct Step {
  /// The step's first row in the packed data, and the row where the previous state of sequence 0 is.
  let row: Int
  let previousRow: Int
  /// Sequences in the step; the first `continuing` have a state from the step before, the others begin here.
  let count: Int
  let continuing: Int
  /// Every second step takes its weights from the last to the first, to begin with those that are still in the cache.
  let descending: Bool
}

/// All steps in the order of a visit: that of the recurrence (from step 0 on, or in the reverse direction from the last
/// one on), or, backward through time, the opposite.
struct Schedule {
  let ragged: RaggedBatch
  let reverse: Bool
  /// Whether positions are steps, or run against them.
  let upwards: Bool
  /// The first packed row of every step.
  let firstRows: UnsafePointer<Int32>

  /// Floats of scratch that a schedule needs.
  static func scratchSize(rows: Int) -> Int { roundedUp(rows, to: 16) }

  /// - Parameter scratch: `scratchSize` floats
  init(_ ragged: RaggedBatch, reverse: Bool, backward: Bool, scratch: Output) {
    self.ragged = ragged
    self.reverse = reverse
    upwards = reverse == backward
    let table = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
    var row: Int32 = 0
    for step in 0..<ragged.steps {
      table[step] = row
      row &+= Int32(truncatingIfNeeded: ragged.batchSizes[step])
    }
    firstRows = UnsafePointer(table)
  }

  /// The packed rows of the steps at some positions, at least one.
  func rows(at positions: Range<Int>) -> Range<Int> {
    let (a, b) = (step(at: positions.lowerBound), step(at: positions.upperBound &- 1))
    return min(a.row, b.row)..<max(a.row &+ a.count, b.row &+ b.count)
  }

  /// The step visited at a position in `0..<ragged.steps`.
  @inline(__always)
  func step(at position: Int) -> Step {
    let step = upwards ? position : ragged.steps &- 1 &- position
    let row = Int(firstRows[step])
    let count = ragged.size(step)
    if reverse {
      return Step(
        row: row, previousRow: row &+ count, count: count, continuing: ragged.size(step &+ 1),
        descending: position & 1 != 0)
    }
    return Step(
      row: row, previousRow: step == 0 ? row : Int(firstRows[step &- 1]), count: count,
      continuing: step == 0 ? 0 : count, descending: position & 1 != 0)
  }
}
