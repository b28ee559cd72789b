// The input's part of the gates, multiplied beforehand for all frames of the steps that have few rows: one pass over W_ih
// for all of them instead of one a step. The sums are the same, in the same order, so the bits are too.

extension RaggedBatch {
  /// The first packed row of the steps with fewer than `limit` rows.
  func firstRow(below limit: Int) -> Int {
    var first = 0
    for step in 0..<firstStep(below: limit) { first &+= size(step) }
    return first
  }
}

/// At most so many rows belong to steps with few rows, whatever the plan.
func mostReadyRows(rows: Int, steps: Int) -> Int { min(rows, steps &* threadLimit() &* tileRows) }

/// Runs `body(panel, panels, row, rows)` for all panels and all packed rows from `first` on, in tiles, over all threads.
@inline(__always)
func forEachInputTile(
  _ ragged: RaggedBatch, from first: Int, panels: Int, tileRows: Int, work: Int,
  _ body: (_ panel: Int, _ panels: Int, _ row: Int, _ rows: Int) -> Void
) {
  let count = ragged.rows &- first
  if count == 0 { return }
  let tiles = (count &+ tileRows &- 1) / tileRows
  parallel(tasks: min(tiles, taskLimit(work: count &* work))) { task, tasks in
    let mine = share(of: count, task, tasks)
    forEachPanelGroup(of: 0..<panels, rows: mine.count) { panel, panels in
      forEachTile(of: mine.count, limit: tileRows) { row, rows in
        body(panel, panels, first &+ mine.lowerBound &+ row, rows)
      }
    }
  }
}
