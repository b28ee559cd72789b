// c = start + a b with b packed beforehand: the forward product of a linear layer, and every input gradient.

import SeriatimSystem

/// `c = start + a b` over all threads.
///
/// - Parameters:
///   - c: `(rows, columns)`, row stride `outputStride`; must not overlap `a` or `packed`
///   - a: `(rows, depth)`, row stride `inputStride`, unit column stride
///   - packed: b as written by `packPanels`; in another form than float32, by `packNarrow`
public func product(
  _ c: UnsafeMutablePointer<Float>, outputStride: Int, start: ProductStart,
  _ a: UnsafePointer<Float>, inputStride: Int, packed: UnsafePointer<Float>, form: WeightForm = .float32,
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
        c, outputStride: outputStride, start: start, a, inputStride: inputStride, packed: packed, form: form,
        rows: mine.lowerBound &* tileRows..<min(rows, mine.upperBound &* tileRows), depth: depth, columns: columns,
        panels: 0..<panels)
    }
  } else {
    parallel(tasks: min(panels, limit)) { task, tasks in
      productBlock(
        c, outputStride: outputStride, start: start, a, inputStride: inputStride, packed: packed, form: form,
        rows: 0..<rows,
        depth: depth, columns: columns, panels: share(of: panels, task, tasks))
    }
  }
}

/// One worker's part of a product: some rows, some panels, panel by panel so that its weights are read once a tile from
/// the nearest cache that holds them.
func productBlock(
  _ c: Output, outputStride: Int, start: ProductStart, _ a: Input, inputStride: Int, packed: Input,
  form: WeightForm, rows: Range<Int>, depth: Int, columns: Int, panels: Range<Int>
) {
  // The last panel may lack columns: it goes alone.
  let whole = max(panels.lowerBound, min(panels.upperBound, columns / panelWidth))
  forEachPanelGroup(of: panels.lowerBound..<whole, rows: rows.count) { panel, count in
    forEachTile(of: rows.count, limit: tileRows) { row, height in
      tile(panel, count, rows.lowerBound &+ row, height)
    }
  }
  if whole < panels.upperBound {
    forEachTile(of: rows.count, limit: tileRows) { row, height in
      tile(whole, 1, rows.lowerBound &+ row, height)
    }
  }

  @inline(__always)
  func tile(_ panel: Int, _ count: Int, _ row: Int, _ height: Int) {
    let column = panel &* panelWidth
    productTile(
      form, panels: count, rows: height,
      ProductTile(
        start: start.from(column: column), a: a + row &* inputStride, rowStride: inputStride, depthStride: 1,
        b: packed + panel &* form.panelSize(depth: depth), depth: depth, c: c + row &* outputStride + column,
        outputStride: outputStride,
        width: columns &- column))
  }
}

/// Cuts `count` rows into as few tiles as there must be, of nearly equal height: `body(first, rows)`, until the call is
/// cancelled.
@inline(__always)
func forEachTile(of count: Int, limit: Int, _ body: (_ first: Int, _ rows: Int) -> Void) {
  if count <= limit {
    if count > 0 { body(0, count) }
    return
  }
  let tiles = (count &+ limit &- 1) / limit
  var (first, left) = (0, tiles)
  while left > 0 {
    if left & 7 == 1, count > 2 &* limit, srt_is_cancelled() { return }
    let rows = (count &- first &+ left &- 1) / left
    body(first, rows)
    first &+= rows
    left &-= 1
  }
}
