// One tile of a matrix product, for any number of rows up to `tileRows` and any number of columns up to `panelWidth`.

/// What the sums of a product start from.
public enum ProductStart {
  /// 0: the output is overwritten
  case zero
  /// one value a column (`(columns,)`)
  case bias(UnsafePointer<Float>)
  /// what the output holds: the product is added to it
  case output

  /// The same for the columns from `column` on.
  @inline(__always)
  func from(column: Int) -> ProductStart {
    if case .bias(let bias) = self { return .bias(bias + column) }
    return self
  }
}

/// One tile of `c = start + a b`. `a` is addressed as in `multiplyAdd`; b is one packed panel.
struct ProductTile {
  var start: ProductStart
  let a: Input
  let rowStride: Int
  let depthStride: Int
  let b: Input
  let depth: Int
  var c: Output
  var outputStride: Int
  /// Columns that exist; past them nothing is read or written.
  let width: Int
}

/// Computes a tile of `rows` rows. A call, so that its code exists once.
func productTile(rows: Int, _ tile: ProductTile) {
  if tile.width >= panelWidth {
    withTile(rows: rows, WholeTile(tile: tile))
  } else {
    edgeTile(rows: rows, tile)
  }
}

/// A tile with columns missing: computed in a buffer of whole registers, and with no more of them than the columns need.
private func edgeTile(rows: Int, _ tile: ProductTile) {
  withUnsafeTemporaryAllocation(of: Float.self, capacity: (tileRows &+ 1) &* panelWidth) { space in
    guard let buffer = space.baseAddress else { return }
    var inner = tile
    inner.c = buffer
    inner.outputStride = panelWidth
    switch tile.start {
    case .zero: break
    case .bias(let bias):
      let padded = buffer + tileRows &* panelWidth
      copyPadded(padded, bias, tile.width, width: panelWidth)
      inner.start = .bias(padded)
    case .output:
      for row in 0..<rows {
        copyPadded(buffer + row &* panelWidth, tile.c + row &* tile.outputStride, tile.width, width: panelWidth)
      }
    }
    if tile.width <= laneCount {
      withTile(rows: rows, NarrowTile(tile: inner))
    } else {
      withTile(rows: rows, WholeTile(tile: inner))
    }
    for row in 0..<rows {
      copyPadded(
        tile.c + row &* tile.outputStride, buffer + row &* panelWidth, tile.width, width: tile.width)
    }
  }
}

/// All three registers of the panel.
private struct WholeTile: TileBody {
  let tile: ProductTile

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) { compute(tile, shape) }
}

/// The first register only.
private struct NarrowTile: TileBody {
  let tile: ProductTile

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) { compute(tile, Tile<rows, 1>.self) }
}

@inline(__always)
private func compute<let rows: Int, let columns: Int>(_ tile: ProductTile, _ shape: Tile<rows, columns>.Type) {
  var sums: Tile<rows, columns> = zeroTile()
  switch tile.start {
  case .zero: break
  case .bias(let bias):
    for column in 0..<columns {
      let value = load(bias + column &* laneCount)
      for row in 0..<rows { sums[unchecked: row][unchecked: column] = value }
    }
  case .output:
    for row in 0..<rows {
      for column in 0..<columns {
        sums[unchecked: row][unchecked: column] = load(tile.c + row &* tile.outputStride + column &* laneCount)
      }
    }
  }
  multiplyAdd(
    &sums, tile.a, rowStride: tile.rowStride, depthStride: tile.depthStride, tile.b, weightStride: panelWidth,
    depth: tile.depth)
  for row in 0..<rows {
    for column in 0..<columns {
      store(sums[unchecked: row][unchecked: column], tile.c + row &* tile.outputStride + column &* laneCount)
    }
  }
}
