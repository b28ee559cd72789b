// How a recurrent layer walks through a packed ragged batch, and how its rows are shared among the workers.
//
// Every worker runs all steps of its own rows, so no barrier is needed. Rows are dealt in groups of at most a tile, back
// and forth, for the sequences are sorted: the longest go to the first worker, then to the last, ...

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

/// One step of a walk.
struct Step {
  /// The step's first row in the packed data, and the row where the previous state of sequence 0 is.
  let row: Int
  let previousRow: Int
  /// Sequences in the step; the first `continuing` have a state from the step before, the others begin here.
  let count: Int
  let continuing: Int
}

/// The steps in the order of the recurrence: from 0 on, or from the end on in the reverse direction. Runs `body` for
/// each; backward through time, it visits them from the last to the first.
@inline(__always)
func walk(_ ragged: RaggedBatch, reverse: Bool, backward: Bool, _ body: (Step) -> Void) {
  // Upwards through the steps in two cases: forward in the forward direction, backward in the reverse one.
  let upwards = reverse == backward
  var step = upwards ? 0 : ragged.steps &- 1
  var row = upwards ? 0 : ragged.rows &- ragged.size(step)
  for _ in 0..<ragged.steps {
    let count = ragged.size(step)
    if reverse {
      body(Step(row: row, previousRow: row &+ count, count: count, continuing: ragged.size(step &+ 1)))
    } else {
      let before = step == 0 ? 0 : ragged.size(step &- 1)
      body(Step(row: row, previousRow: row &- before, count: count, continuing: step == 0 ? 0 : count))
    }
    if upwards {
      row &+= count
      step &+= 1
    } else {
      step &-= 1
      if step >= 0 { row &-= ragged.size(step) }
    }
  }
}

/// The rows of one worker: every group of `groupRows` sequences that is dealt to it.
struct RowShare {
  let groupRows: Int
  let groups: Int
  let task: Int
  let tasks: Int

  init(batch: Int, task: Int, tasks: Int) {
    groupRows = min(tileRows, (batch &+ tasks &- 1) / tasks)
    groups = (batch &+ groupRows &- 1) / groupRows
    self.task = task
    self.tasks = tasks
  }

  /// Runs `body(first, count)` for the parts of this worker's groups that lie in `range`.
  @inline(__always)
  func forEach(in range: Range<Int>, _ body: (_ first: Int, _ count: Int) -> Void) {
    // An empty range may lie inside a group: no tile has no rows.
    guard !range.isEmpty else { return }
    var group = range.lowerBound / groupRows
    while group &* groupRows < range.upperBound {
      let round = group / tasks
      let place = group &- round &* tasks
      if (round & 1 == 0 ? place : tasks &- 1 &- place) == task {
        let first = max(range.lowerBound, group &* groupRows)
        body(first, min(range.upperBound, (group &+ 1) &* groupRows) &- first)
      }
      group &+= 1
    }
  }
}
