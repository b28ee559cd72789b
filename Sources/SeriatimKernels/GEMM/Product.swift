// c = start + a b with b packed beforehand: the forward product of a linear layer, and every input gradient.

/// `c = start + a b` over all threads.
///
/// - Parameters:
///   - c: `(rows, columns)`, row stride `outputStride`; must not overlap `a` or `packed`
///   - a: `(rows, depth)`, row stride `inputStride`, unit column stride
///   - packed: b as written by `packPanels`
public func product(
  _ c: UnsafeMutablePointer<Float>, outputStride: Int, start: ProductStart,
  _ a: UnsafePointer<Float>, inputStride: Int, packed: UnsafePointer<Float>,
  rows: Int, depth: Int, columns: Int
) {
  let panels = roundedUp(columns, to: panelWidth) / panelWidth
  let tiles = roundedUp(rows, to: tileRows) / tileRows
  let limit = taskLimit(work: rows &* depth &* columns)
  // Work is split over output rows or columns, never over a sum.
  if tiles >= limit || tiles >= panels {
    parallel(tasks: min(tiles, limit)) { task, tasks in
      let mine = share(of: tiles, task, tasks)
      productBlock(
        c, outputStride: outputStride, start: start, a, inputStride: inputStride, packed: packed,
        rows: mine.lowerBound &* tileRows..<min(rows, mine.upperBound &* tileRows), depth: depth, columns: columns,
        panels: 0..<panels)
    }
  } else {
    parallel(tasks: min(panels, limit)) { task, tasks in
      productBlock(
        c, outputStride: outputStride, start: start, a, inputStride: inputStride, packed: packed, rows: 0..<rows,
        depth: depth, columns: columns, panels: share(of: panels, task, tasks))
    }
  }
}

/// One worker's part of a product: some rows, some panels, panel by panel so that its weights are read once a tile from
/// the nearest cache that holds them.
func productBlock(
  _ c: Output, outputStride: Int, start: ProductStart, _ a: Input, inputStride: Int, packed: Input,
  rows: Range<Int>, depth: Int, columns: Int, panels: Range<Int>
) {
  for panel in panels {
    let column = panel &* panelWidth
    var row = rows.lowerBound
    while row < rows.upperBound {
      productTile(
        rows: min(tileRows, rows.upperBound &- row),
        ProductTile(
          start: start.from(column: column), a: a + row &* inputStride, rowStride: inputStride, depthStride: 1,
          b: packed + column &* depth, depth: depth, c: c + row &* outputStride + column, outputStride: outputStride,
          width: columns &- column))
      row &+= tileRows
    }
  }
}
