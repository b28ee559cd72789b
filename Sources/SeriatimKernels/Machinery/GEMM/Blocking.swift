// The one table of tile sizes. A panel is three registers wide on every level; the rows are what the register file
// leaves room for: rows * 3 accumulators + 3 weights + 1 input.
//
//   level      registers  tile (rows x floats)  accumulators   loads per multiply-add
//   AVX-512    32 x 16    8 x 48                24             11 / 24
//   AVX2       16 x 8     4 x 24                12              7 / 12
//   NEON       32 x 4     8 x 12                24             11 / 24
//   baseline   16 x 4     4 x 12                12              7 / 12  (SSE2, no fused multiply-add)
//   SIMD128    as baseline: WebAssembly counts no registers, and most of the machines below it have 16
//
// `depthBlock` is how many steps of the sum one packed panel of a weight-gradient product covers:
// depthBlock * panelWidth * 4 bytes has to leave room in a first-level cache of 32 or 48 KB.

/// Registers side by side in one panel of packed weights: for a GRU the r, z and n of the same units.
public let panelRegisters = 3

/// Columns in one panel of packed weights.
public let panelWidth = panelRegisters * laneCount

#if AVX512
  /// Rows of a tile.
  public let tileRows = 8
  /// A vector of that many floats.
  typealias TileLanes = SIMD8<Float>
  /// Rows of a tile that is four registers wide: an LSTM's.
  let wideTileRows = 6
  /// Panels of weights that two rows take at a time.
  let panelsForTwoRows = 2
  let depthBlock = 160
#elseif AVX2
  /// Rows of a tile.
  public let tileRows = 4
  /// A vector of that many floats.
  typealias TileLanes = SIMD4<Float>
  /// Rows of a tile that is four registers wide: an LSTM's.
  let wideTileRows = 3
  /// Panels of weights that two rows take at a time.
  let panelsForTwoRows = 1
  let depthBlock = 256
#elseif arch(arm64)
  /// Rows of a tile.
  public let tileRows = 8
  /// A vector of that many floats.
  typealias TileLanes = SIMD8<Float>
  /// Rows of a tile that is four registers wide: an LSTM's.
  let wideTileRows = 6
  /// Panels of weights that two rows take at a time.
  let panelsForTwoRows = 2
  let depthBlock = 384
#else
  /// Rows of a tile.
  public let tileRows = 4
  /// A vector of that many floats.
  typealias TileLanes = SIMD4<Float>
  /// Rows of a tile that is four registers wide: an LSTM's.
  let wideTileRows = 3
  /// Panels of weights that two rows take at a time.
  let panelsForTwoRows = 1
  let depthBlock = 384
#endif

/// Rows of the left factor that one worker packs at a time in a weight-gradient product: the packed block,
/// rowBlock * depthBlock * 4 bytes, stays in the second-level cache.
let rowBlock = 24 * tileRows

#if AVX512 || arch(arm64)
  let holdsInputs = false
#else
  /// Sixteen registers have no room for twelve sums, four weights and an input: then a step keeps its three inputs.
  let holdsInputs = true
#endif

/// The sums of some rows against some panels, `panelRegisters` registers a row: a GRU's r, z and n.
typealias PanelTiles<let panels: Int, let rows: Int> = Tiles<panels, rows, 3>

/// The same for panels that are four registers wide, whose tiles have `wideTileRows` rows at most: an LSTM's i, f, g and o.
typealias WidePanelTiles<let panels: Int, let rows: Int> = Tiles<panels, rows, 4>

/// Runs `body` for numbers known only at run time, as `forEachPanelGroup` gives the panels. `limit`, a constant, says that
/// there are never more rows.
@inline(__always)
@_optimize(speed)
func withTile(panels: Int = 1, rows: Int, limit: Int = tileRows, _ body: some TileBody) {
  #if AVX512 || arch(arm64)
    switch (panels, rows) {
    case (3, _): body.run(TileSize<3, 1>.self)
    case (2, 1): body.run(TileSize<2, 1>.self)
    case (2, _): body.run(TileSize<2, 2>.self)
    case (_, 1): body.run(TileSize<1, 1>.self)
    case (_, 2): body.run(TileSize<1, 2>.self)
    case (_, 3): body.run(TileSize<1, 3>.self)
    case (_, 4): body.run(TileSize<1, 4>.self)
    case (_, 5): body.run(TileSize<1, 5>.self)
    case (_, 6): body.run(TileSize<1, 6>.self)
    default:
      if limit == wideTileRows { return }
      if rows == 7 {
        body.run(TileSize<1, 7>.self)
      } else {
        body.run(TileSize<1, 8>.self)
      }
    }
  #else
    switch (panels, rows) {
    case (3, _): body.run(TileSize<3, 1>.self)
    case (2, _): body.run(TileSize<2, 1>.self)
    case (_, 1): body.run(TileSize<1, 1>.self)
    case (_, 2): body.run(TileSize<1, 2>.self)
    case (_, 3): body.run(TileSize<1, 3>.self)
    default:
      if limit == wideTileRows { return }
      body.run(TileSize<1, 4>.self)
    }
  #endif
}
