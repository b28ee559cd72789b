// The plain products of a step: dh of the step before from the gates' gradients, a projection, an RNN's recurrence.

/// `c = start + a b`, rows being those of the sequences in a step, b packed in panels.
struct StepProduct {
  let start: ProductStart
  /// Row of sequence 0, and the stride from one sequence to the next.
  let a: Input
  let inputStride: Int
  let packed: Input
  let depth: Int
  let c: Output
  let outputStride: Int
  let columns: Int
  let descending: Bool
  var form = WeightForm.float32

  /// For this worker's part of the sequences `rows` and the registers of columns `parts`; those of narrow weights begin and
  /// end with a panel.
  @inline(never)
  func run(_ share: RowShare, rows: Range<Int>, parts: Range<Int>) {
    let (first, end) = (parts.lowerBound &* laneCount, min(columns, parts.upperBound &* laneCount))
    if first >= end { return }
    // Panels of which only a part is wanted, or that lack columns, go alone.
    let next = panelCount(first)
    let whole = next..<max(next, end / panelWidth)
    let before = first..<min(end, next &* panelWidth)
    let after = min(end, whole.upperBound &* panelWidth)..<end
    let (head, tail) = descending ? (after, before) : (before, after)
    if !head.isEmpty { tiles(share, rows: rows, head, panels: 1) }
    forEachPanelGroup(of: whole, rows: share.count(in: rows), descending: descending) { panel, panels in
      tiles(share, rows: rows, panel &* panelWidth..<columns, panels: panels)
    }
    if !tail.isEmpty { tiles(share, rows: rows, tail, panels: 1) }
  }

  /// The columns `range` of some panels.
  @inline(__always)
  private func tiles(_ share: RowShare, rows: Range<Int>, _ range: Range<Int>, panels: Int) {
    let column = range.lowerBound
    let panel = column / panelWidth
    share.forEachTile(in: rows, limit: tileRows) { first, count in
      productTile(
        form, panels: panels, rows: count,
        ProductTile(
          start: start.from(column: column), a: a + first &* inputStride, rowStride: share.tasks &* inputStride,
          depthStride: 1, b: packed + (panel &* form.panelSize(depth: depth) &+ column &- panel &* panelWidth),
          depth: depth, c: c + first &* outputStride + column, outputStride: share.tasks &* outputStride,
          width: range.count))
    }
  }
}

/// Registers that `columns` columns fill.
@inline(__always)
func registerCount(_ columns: Int) -> Int { (columns &+ laneCount &- 1) / laneCount }

/// The units of some registers, of `units` in all.
@inline(__always)
func unitRange(of parts: Range<Int>, units: Int) -> Range<Int> {
  min(units, parts.lowerBound &* laneCount)..<min(units, parts.upperBound &* laneCount)
}
