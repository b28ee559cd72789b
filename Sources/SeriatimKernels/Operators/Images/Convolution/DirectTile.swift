// A tile of a convolution: the sums of some target channels for 48 outputs side by side, or 32, over all sources and taps.
// Inputs are read where they lie: what a tap reads for the outputs is a few registers at an offset of its own.
//
// Per step of the depth 3 loads, which may cross a line, 8 broadcasts and an offset go with 24 multiply-adds: 7.5 cycles
// of two load units beside 12 of two multiply-add units. Every output is one chain in the order of sources and taps.

struct DirectTile {
  /// What the sums start from, one a row; weights `(source, tap)(row)`. Both have `tileRows` rows.
  let start, weights: Input
  let inputs: Input
  let places: UnsafePointer<Int>
  let taps, sources, sourceStride: Int
  let sums: Output
  let sumsStride: Int
}

#if AVX512 || arch(arm64)
  private typealias WholeRows<let columns: Int> = Tile<8, columns>
  private typealias HalfRows<let columns: Int> = Tile<4, columns>
#else
  private typealias WholeRows<let columns: Int> = Tile<4, columns>
  private typealias HalfRows<let columns: Int> = Tile<2, columns>
#endif

/// Writes all rows of a tile, or for `rows` up to half of them the first half: those that are no targets' too.
@inline(never)
@_optimize(speed)
func directTile(_ tile: DirectTile, rows: Int, wide: Bool) {
  switch (wide, rows &* 2 > tileRows) {
  case (true, true): compute(tile, WholeRows<3>.self)
  case (true, false): compute(tile, HalfRows<3>.self)
  case (false, true): compute(tile, WholeRows<2>.self)
  case (false, false): compute(tile, HalfRows<2>.self)
  }
}

@inline(__always)
private func compute<let rows: Int, let columns: Int>(_ tile: DirectTile, _ size: Tile<rows, columns>.Type) {
  var sums = Tile<rows, columns>(repeating: InlineArray(repeating: broadcast(0)))
  for row in 0..<rows { sums[unchecked: row] = InlineArray(repeating: broadcast(tile.start[row])) }
  var (weights, plane) = (tile.weights, tile.inputs)
  let (taps, places) = (tile.taps, tile.places)
  for _ in 0..<tile.sources {
    for tap in 0..<taps {
      let source = plane + places[tap]
      var inputs = InlineArray<columns, Lanes>(repeating: broadcast(0))
      for column in 0..<columns { inputs[unchecked: column] = load(source + column &* laneCount) }
      for row in 0..<rows {
        let weight = broadcast(weights[row])
        for column in 0..<columns {
          sums[unchecked: row][unchecked: column] = multiplyAdd(
            sums[unchecked: row][unchecked: column], weight, inputs[unchecked: column])
        }
      }
      weights += tileRows
    }
    plane += tile.sourceStride
  }
  for row in 0..<rows {
    for column in 0..<columns {
      store(sums[unchecked: row][unchecked: column], tile.sums + row &* tile.sumsStride + column &* laneCount)
    }
  }
}
