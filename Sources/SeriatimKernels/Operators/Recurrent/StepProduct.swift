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

  /// For this worker's part of the sequences `rows` and the panels `parts`.
  @inline(__always)
  func run(_ share: RowShare, rows: Range<Int>, parts: Range<Int>) {
    // The last panel may lack columns: it goes alone.
    let whole = max(parts.lowerBound, min(parts.upperBound, columns / panelWidth))
    if descending, whole < parts.upperBound { panelTiles(share, rows: rows, whole, 1) }
    forEachPanelGroup(
      of: parts.lowerBound..<whole, rows: share.count(in: rows), descending: descending
    ) { panel, panels in
      panelTiles(share, rows: rows, panel, panels)
    }
    if !descending, whole < parts.upperBound { panelTiles(share, rows: rows, whole, 1) }
  }

  @inline(__always)
  private func panelTiles(_ share: RowShare, rows: Range<Int>, _ panel: Int, _ panels: Int) {
    let column = panel &* panelWidth
    share.forEachTile(in: rows, limit: tileRows) { first, count in
      productTile(
        form, panels: panels, rows: count,
        ProductTile(
          start: start.from(column: column), a: a + first &* inputStride, rowStride: share.tasks &* inputStride,
          depthStride: 1,
          b: packed + panel &* form.panelSize(depth: depth), depth: depth, c: c + first &* outputStride + column,
          outputStride: share.tasks &* outputStride, width: columns &- column))
    }
  }
}

/// The units of some panels, of `units` in all.
@inline(__always)
func unitRange(of parts: Range<Int>, units: Int) -> Range<Int> {
  (parts.lowerBound &* panelWidth)..<min(parts.upperBound &* panelWidth, units)
}
