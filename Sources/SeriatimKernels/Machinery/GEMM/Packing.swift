// Packing: the right factor of a product is laid out once in panels of `panelWidth` columns, so that the tile reads it
// front to back. Columns past the end are zeros.

/// Panels that `columns` columns are cut into.
@inline(__always)
func panelCount(_ columns: Int) -> Int { (columns &+ panelWidth &- 1) / panelWidth }

/// Floats that `packPanels` writes for a `(depth, columns)` matrix.
public func packedSize(depth: Int, columns: Int) -> Int {
  roundedUp(columns, to: panelWidth) &* depth
}

/// Packs b, where element (d, c) is `b[d * depthStride + c * columnStride]`, into panels `(depth, panelWidth)`.
///
/// - Parameters:
///   - packed: `packedSize(depth:columns:)` floats, written whole; must not overlap `b`
///   - b: one of the strides is 1
@_optimize(speed)
public func packPanels(
  _ packed: UnsafeMutablePointer<Float>, _ b: UnsafePointer<Float>, depthStride: Int, columnStride: Int,
  depth: Int, columns: Int
) {
  let panels = roundedUp(columns, to: panelWidth) / panelWidth
  parallel(tasks: min(panels, taskLimit(work: depth &* columns))) { task, tasks in
    for panel in untilCancelled(share(of: panels, task, tasks), work: depth &* panelWidth) {
      let column = panel &* panelWidth
      packPanel(
        packed + panel &* panelWidth &* depth, stride: panelWidth, width: panelWidth, b + column &* columnStride,
        depthStride: depthStride, columnStride: columnStride, depth: depth, columns: min(panelWidth, columns &- column))
    }
  }
}

/// Packs `columns` columns of b, then zeros up to `width`, into a panel whose steps are `stride` floats apart. One copy of it
/// for all that pack.
@inline(never)
@_optimize(speed)
func packPanel(
  _ packed: Output, stride: Int, width: Int, _ b: Input, depthStride: Int, columnStride: Int, depth: Int, columns: Int
) {
  if columnStride == 1 {
    for step in 0..<depth {
      copyPadded(packed + step &* stride, b + step &* depthStride, columns, width: width)
    }
    return
  }
  // Along the depth in memory: one column after another, so that every line read is used up. The writes stride through
  // the panel; blocks of the depth keep them in the first-level cache.
  let block = 64
  var first = 0
  while first < depth {
    let last = min(depth, first &+ block)
    for column in 0..<columns {
      let source = b + column &* columnStride
      for step in first..<last { packed[step &* stride &+ column] = source[step &* depthStride] }
    }
    if columns < width {
      for step in first..<last {
        for column in columns..<width { packed[step &* stride &+ column] = 0 }
      }
    }
    first = last
  }
}

/// Copies `count` floats and fills up to `width` with zeros.
@inline(__always)
func copyPadded(_ target: Output, _ source: Input, _ count: Int, width: Int) {
  var index = 0
  while index &+ laneCount <= count {
    store(load(source + index), target + index)
    index &+= laneCount
  }
  while index < count {
    target[index] = source[index]
    index &+= 1
  }
  fillZero(target + index, width &- index)
}

@inline(__always)
func fillZero(_ target: Output, _ count: Int) {
  var index = 0
  while index < count {
    target[index] = 0
    index &+= 1
  }
}
