// dh of the step before: the product of the gates' gradients with the recurrent weights, for some rows and some panels.

/// A product whose rows are those of the sequences in a step, and whose columns are cut into packed panels.
struct CarryProduct {
  let start: ProductStart
  /// Row of sequence 0, and the stride from one sequence to the next.
  let a: Input
  let inputStride: Int
  let packed: Input
  let depth: Int
  let c: Output
  let outputStride: Int
  let columns: Int

  /// For this worker's part of the first `rows` sequences and the panels `parts`.
  @inline(__always)
  func run(_ share: RowShare, rows: Int, parts: Range<Int>) {
    // The last panel may lack columns: it goes alone.
    let whole = max(parts.lowerBound, min(parts.upperBound, columns / panelWidth))
    forEachPanelGroup(of: parts.lowerBound..<whole, rows: share.count(in: 0..<rows)) { panel, panels in
      panelTiles(share, rows: rows, panel, panels)
    }
    if whole < parts.upperBound { panelTiles(share, rows: rows, whole, 1) }
  }

  @inline(__always)
  private func panelTiles(_ share: RowShare, rows: Int, _ panel: Int, _ panels: Int) {
    let column = panel &* panelWidth
    share.forEachTile(in: 0..<rows, limit: tileRows) { first, count in
      productTile(
        panels: panels, rows: count,
        ProductTile(
          start: start, a: a + first &* inputStride, rowStride: share.tasks &* inputStride, depthStride: 1,
          b: packed + column &* depth, depth: depth, c: c + first &* outputStride + column,
          outputStride: share.tasks &* outputStride, width: columns &- column))
    }
  }
}

/// The units of some panels, of `units` in all.
@inline(__always)
func unitRange(of parts: Range<Int>, units: Int) -> Range<Int> {
  (parts.lowerBound &* panelWidth)..<min(parts.upperBound &* panelWidth, units)
}
