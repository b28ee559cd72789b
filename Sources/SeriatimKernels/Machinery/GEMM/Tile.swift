// The multiply-add loop that almost all time is spent in.
//
// A tile is `rows` rows by `columns` registers of sums, kept in registers over the whole depth. Per step of the depth it
// loads `columns` registers of packed weights and broadcasts one input per row. Every output is one chain of
// multiply-adds in the order of the depth, whatever the tile: a row has the same bits alone and in any batch.
//
// A chain takes a multiply-add's latency, four cycles, for every step of the depth. One or two rows have too few chains
// to fill the two multiply-add units, so they take two or three panels of weights at a time.

import SeriatimSystem

typealias Tile<let rows: Int, let columns: Int> = InlineArray<rows, InlineArray<columns, Lanes>>

/// The same rows against several panels.
typealias Tiles<let panels: Int, let rows: Int, let columns: Int> = InlineArray<panels, Tile<rows, columns>>

@inline(__always)
func zeroTiles<let panels: Int, let rows: Int, let columns: Int>() -> Tiles<panels, rows, columns> {
  Tiles<panels, rows, columns>(repeating: InlineArray(repeating: InlineArray(repeating: Lanes(repeating: 0))))
}

/// Adds `depth` products to the tiles of some panels.
///
/// - Parameters:
///   - a: the input of row r at depth d is `a[r * rowStride + d * depthStride]`
///   - b: packed weights, `columns` registers a step, steps `weightStride` floats and panels `panelStride` floats apart
@inline(__always)
func multiplyAdd<let panels: Int, let rows: Int, let columns: Int>(
  _ tiles: inout Tiles<panels, rows, columns>,
  _ a: Input, rowStride: Int, depthStride: Int,
  _ b: Input, panelStride: Int, weightStride: Int = columns &* laneCount, depth: Int
) {
  var a = a
  var b = b
  var sums = tiles
  for _ in 0..<depth {
    for panel in 0..<panels {
      if holdsInputs && columns > rows {
        var inputs = InlineArray<rows, Lanes>(repeating: Lanes(repeating: 0))
        for row in 0..<rows { inputs[unchecked: row] = broadcast(a[row &* rowStride]) }
        for column in 0..<columns {
          let weights = load(b + panel &* panelStride + column &* laneCount)
          for row in 0..<rows {
            sums[unchecked: panel][unchecked: row][unchecked: column] = multiplyAdd(
              sums[unchecked: panel][unchecked: row][unchecked: column], inputs[unchecked: row], weights)
          }
        }
        continue
      }
      var weights = InlineArray<columns, Lanes>(repeating: Lanes(repeating: 0))
      for column in 0..<columns {
        weights[unchecked: column] = load(b + panel &* panelStride + column &* laneCount)
      }
      for row in 0..<rows {
        let input = broadcast(a[row &* rowStride])
        for column in 0..<columns {
          sums[unchecked: panel][unchecked: row][unchecked: column] = multiplyAdd(
            sums[unchecked: panel][unchecked: row][unchecked: column], input, weights[unchecked: column])
        }
      }
    }
    a += depthStride
    b += weightStride
  }
  tiles = sums
}

/// Lends the sums in order of panels, rows and registers to code that exists once for tiles of every size.
@inline(__always)
func withSums<let panels: Int, let rows: Int, let columns: Int>(
  _ tiles: inout Tiles<panels, rows, columns>, _ body: (Input) -> Void
) {
  withUnsafePointer(to: &tiles) { body(UnsafeRawPointer($0).assumingMemoryBound(to: Float.self)) }
}

/// The type that stands for a number of panels and rows.
enum TileSize<let panels: Int, let rows: Int> {}

/// Work on the tiles of some rows against some panels, numbers that are constants of the compiled code.
protocol TileBody {
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type)
}

/// Runs `body(panel, panels)` for consecutive groups of `range`: one panel at a time, or two or three for so few rows that
/// one has too few chains. `descending`: the last group first. Until the call is cancelled.
@inline(__always)
func forEachPanelGroup(
  of range: Range<Int>, rows: Int, descending: Bool = false, _ body: (_ panel: Int, _ panels: Int) -> Void
) {
  let most = rows == 1 ? 3 : rows == 2 ? panelsForTwoRows : 1
  let groups = (range.count &+ most &- 1) / most
  var (first, left) = (descending ? range.upperBound : range.lowerBound, groups)
  while left > 0 {
    if left & 7 == 0, srt_is_cancelled() { return }
    // As equal as can be: a lone panel would take as long as three.
    let panels = ((descending ? first &- range.lowerBound : range.upperBound &- first) &+ left &- 1) / left
    if descending { first &-= panels }
    body(first, panels)
    if !descending { first &+= panels }
    left &-= 1
  }
}
