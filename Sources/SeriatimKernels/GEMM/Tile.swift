// The multiply-add loop that almost all time is spent in.
//
// A tile is `rows` rows by `columns` registers of sums, kept in registers over the whole depth. Per step of the depth it
// loads `columns` registers of packed weights and broadcasts one input per row. Every output is one chain of
// multiply-adds in the order of the depth, whatever the tile: a row has the same bits alone and in any batch.

typealias Tile<let rows: Int, let columns: Int> = InlineArray<rows, InlineArray<columns, Lanes>>

/// A tile as wide as a packed panel: `panelRegisters` columns.
typealias PanelTile<let rows: Int> = Tile<rows, 3>

@inline(__always)
func zeroTile<let rows: Int, let columns: Int>() -> Tile<rows, columns> {
  Tile<rows, columns>(repeating: InlineArray(repeating: Lanes(repeating: 0)))
}

/// Adds `depth` products to a tile.
///
/// - Parameters:
///   - a: the input of row r at depth d is `a[r * rowStride + d * depthStride]`
///   - b: packed weights, `columns` registers a step, steps `weightStride` floats apart
@inline(__always)
func multiplyAdd<let rows: Int, let columns: Int>(
  _ tile: inout Tile<rows, columns>,
  _ a: Input, rowStride: Int, depthStride: Int,
  _ b: Input, weightStride: Int = columns &* laneCount, depth: Int
) {
  var a = a
  var b = b
  var sums = tile
  for _ in 0..<depth {
    var weights = InlineArray<columns, Lanes>(repeating: Lanes(repeating: 0))
    for column in 0..<columns { weights[unchecked: column] = load(b + column &* laneCount) }
    for row in 0..<rows {
      let input = broadcast(a[row &* rowStride])
      for column in 0..<columns {
        sums[unchecked: row][unchecked: column] = multiplyAdd(
          sums[unchecked: row][unchecked: column], input, weights[unchecked: column])
      }
    }
    a += depthStride
    b += weightStride
  }
  tile = sums
}

/// Work on one tile, for a number of rows that is a constant of the compiled code.
protocol TileBody {
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type)
}

/// Runs `body` for a number of rows known only at run time, from 1 to `tileRows`.
@inline(__always)
func withTile(rows: Int, _ body: some TileBody) {
  switch rows {
  case 1: body.run(PanelTile<1>.self)
  case 2: body.run(PanelTile<2>.self)
  case 3: body.run(PanelTile<3>.self)
  #if AVX512 || arch(arm64)
    case 4: body.run(PanelTile<4>.self)
    case 5: body.run(PanelTile<5>.self)
    case 6: body.run(PanelTile<6>.self)
    case 7: body.run(PanelTile<7>.self)
    default: body.run(PanelTile<8>.self)
  #else
    default: body.run(PanelTile<4>.self)
  #endif
  }
}
