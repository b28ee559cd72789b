// The input's part of the gates, multiplied beforehand for the frames of some steps: one pass over W_ih for all of them
// instead of one a step. The sums are the same, in the same order, so the bits are too.

/// Runs `body(panel, panels, row, rows)` for all panels and the packed rows `range`, in tiles, over all threads.
@inline(__always)
func forEachInputTile(
  _ range: Range<Int>, panels: Int, tileRows: Int, work: Int,
  _ body: (_ panel: Int, _ panels: Int, _ row: Int, _ rows: Int) -> Void
) {
  let (first, count) = (range.lowerBound, range.count)
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
