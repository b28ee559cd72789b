// One tile of a matrix product, for any number of rows up to `tileRows` and any number of columns up to `panelWidth`.

/// What the sums of a product start from.
public enum ProductStart {
  /// 0: the output is overwritten
  case zero
  /// one value a column (`(columns,)`)
  case bias(UnsafePointer<Float>)
  /// one value a row of the tile
  case rows(UnsafePointer<Float>)
  /// what the output holds: the product is added to it
  case output

  /// The same for the columns from `column` on.
  @inline(__always)
  func from(column: Int) -> ProductStart {
    if case .bias(let bias) = self { return .bias(bias + column) }
    return self
  }
}

/// One tile of `c = start + a b`. `a` is addressed as in `multiplyAdd`; b is one packed panel, or the first of several.
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
  var width: Int

  /// From one panel of b to the next.
  var panelStride: Int { depth &* panelWidth }
}

/// Computes a tile of `rows` rows and `panels` panels; only a lone panel may lack columns. A call, so that its code exists
/// once.
@inline(never)
@_optimize(speed)
func productTile(panels: Int = 1, rows: Int, _ tile: ProductTile) {
  if tile.width >= panelWidth {
    withTile(panels: panels, rows: rows, WholeTile(tile: tile))
  } else if tile.width == 2 &* laneCount {
    withTile(rows: rows, TwoRegisterTile(tile: tile))
  } else if tile.width == laneCount {
    withTile(rows: rows, OneRegisterTile(tile: tile))
  } else {
    edgeTile(rows: rows, tile)
  }
}

/// A tile that ends inside a register: computed in a buffer, and with no more registers than the columns need.
@inline(never)
@_optimize(speed)
private func edgeTile(rows: Int, _ tile: ProductTile) {
  edgeTile(rows: rows, width: roundedUp(tile.width, to: laneCount), tile) { productTile(rows: rows, $0) }
}

/// Runs `compute(inner)` on a buffer of `width` columns in the place of a tile's output, and copies what there is.
@inline(__always)
func edgeTile(rows: Int, width: Int, _ tile: ProductTile, _ compute: (ProductTile) -> Void) {
  withStack(of: Float.self, count: (tileRows &+ 1) &* panelWidth) { buffer in
    var inner = tile
    inner.c = buffer
    inner.outputStride = panelWidth
    inner.width = width
    switch tile.start {
    case .zero, .rows: break
    case .bias(let bias):
      let padded = buffer + tileRows &* panelWidth
      copyPadded(padded, bias, tile.width, width: width)
      inner.start = .bias(padded)
    case .output:
      for row in 0..<rows {
        copyPadded(buffer + row &* panelWidth, tile.c + row &* tile.outputStride, tile.width, width: width)
      }
    }
    compute(inner)
    for row in 0..<rows {
      copyPadded(
        tile.c + row &* tile.outputStride, buffer + row &* panelWidth, tile.width, width: tile.width)
    }
  }
}

/// All three registers of the panels.
private struct WholeTile: TileBody {
  let tile: ProductTile

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    compute(tile, PanelTiles<panels, rows>.self)
  }
}

/// The first two registers.
private struct TwoRegisterTile: TileBody {
  let tile: ProductTile

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    compute(tile, Tiles<panels, rows, 2>.self)
  }
}

/// The first register only.
private struct OneRegisterTile: TileBody {
  let tile: ProductTile

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    compute(tile, Tiles<panels, rows, 1>.self)
  }
}

@inline(__always)
private func compute<let panels: Int, let rows: Int, let columns: Int>(
  _ tile: ProductTile, _ shape: Tiles<panels, rows, columns>.Type
) {
  var sums: Tiles<panels, rows, columns> = zeroTiles()
  start(&sums, tile)
  multiplyAdd(
    &sums, tile.a, rowStride: tile.rowStride, depthStride: tile.depthStride, tile.b, panelStride: tile.panelStride,
    weightStride: panelWidth, depth: tile.depth)
  finish(sums, tile)
}

/// What the sums of a tile, which are zeros, start from.
@inline(__always)
func start<let panels: Int, let rows: Int, let columns: Int>(
  _ sums: inout Tiles<panels, rows, columns>, _ tile: ProductTile
) {
  for panel in 0..<panels {
    let first = panel &* panelWidth
    switch tile.start {
    case .zero: break
    case .bias(let bias):
      for column in 0..<columns {
        let value = load(bias + first + column &* laneCount)
        for row in 0..<rows { sums[unchecked: panel][unchecked: row][unchecked: column] = value }
      }
    case .rows(let values):
      for row in 0..<rows {
        let value = broadcast(values[row])
        for column in 0..<columns { sums[unchecked: panel][unchecked: row][unchecked: column] = value }
      }
    case .output:
      for row in 0..<rows {
        for column in 0..<columns {
          sums[unchecked: panel][unchecked: row][unchecked: column] = load(
            tile.c + row &* tile.outputStride + first + column &* laneCount)
        }
      }
    }
  }
}

/// Writes a tile's sums.
@inline(__always)
func finish<let panels: Int, let rows: Int, let columns: Int>(
  _ sums: Tiles<panels, rows, columns>, _ tile: ProductTile
) {
  for panel in 0..<panels {
    for row in 0..<rows {
      for column in 0..<columns {
        store(
          sums[unchecked: panel][unchecked: row][unchecked: column],
          tile.c + row &* tile.outputStride + panel &* panelWidth + column &* laneCount)
      }
    }
  }
}
