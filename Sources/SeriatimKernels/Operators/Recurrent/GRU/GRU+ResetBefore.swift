// GRU forward with the reset gate applied to the state before the recurrent product (Cho et al. 2014). All of r * h is
// needed before the product of n can begin, so a step has two passes over the panels.

import CSeriatim

extension GRUForward {
  /// First pass: r, z and r * h.
  @inline(__always)
  func runResets(_ step: Step, _ share: RowShare, _ parts: Range<Int>) {
    forEachTile(step, share, parts) { index, panels, first, count, state, stateStride in
      let unit = index &* laneCount
      let row = productRow(step, share, index, panels, first, count)
      resetTile(
        panels: panels, rows: count,
        ResetUpdateTile(
          state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit, weights: panel(index).state,
          panelStride: shape.panelSize, gates: row + unit, gateStride: share.tasks &* gates.stride, units: shape.units))
    }
  }

  /// Second pass: n and the new states.
  @inline(__always)
  func runCandidates(_ step: Step, _ share: RowShare, _ parts: Range<Int>) {
    forEachTile(step, share, parts) { index, panels, first, count, state, stateStride in
      let unit = index &* laneCount
      candidateTile(
        panels: panels, rows: count,
        CandidateTile(
          state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit,
          weights: panel(index).state + 2 &* laneCount &* shape.hiddenSize, panelStride: shape.panelSize,
          gates: gates.productRow(step, first), gateStride: share.tasks &* gates.stride, units: shape.units,
          y: call.y + (step.row &+ first) &* call.output_stride + unit,
          outputStride: share.tasks &* call.output_stride))
    }
  }
}

/// | r z q | of some rows, q = r * h, for the units of some panels.
private struct ResetUpdateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let weights: Input
  let panelStride: Int
  let gates: Output
  let gateStride: Int
  let units: Int

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 2> = zeroTiles()
    for panel in 0..<panels {
      for row in 0..<rows {
        let source = gates + row &* gateStride + panel &* laneCount
        tiles[unchecked: panel][unchecked: row][unchecked: 0] = load(source + units)
        tiles[unchecked: panel][unchecked: row][unchecked: 1] = load(source + 2 &* units)
      }
    }
    if let state {
      multiplyAdd(
        &tiles, state, rowStride: stateStride, depthStride: 1, weights, panelStride: panelStride, depth: hiddenSize)
    }
    withSums(&tiles) { finish($0, panels: panels, rows: rows) }
  }

  /// The gates of a tile's sums: called, since they are longer than the product, and there is a tile for every size.
  @inline(never)
  @_optimize(speed)
  private func finish(_ sums: Input, panels: Int, rows: Int) {
    for panel in 0..<panels {
      let first = panel &* laneCount
      for row in 0..<rows {
        let sum = sums + (panel &* rows &+ row) &* 2 &* laneCount
        let target = gates + row &* gateStride + first
        let (r, z) = sigmoids(load(sum), load(sum + laneCount))
        var previous = broadcast(0)
        if let state { previous = load(state + row &* stateStride + unit + first, first: hiddenSize &- unit &- first) }
        store(r, target + units)
        store(z, target + 2 &* units)
        store(r * previous, target + 3 &* units)
      }
    }
  }
}

@inline(never)
@_optimize(speed)
private func resetTile(panels: Int, rows: Int, _ tile: ResetUpdateTile) {
  withTile(panels: panels, rows: rows, tile)
}

/// n and the new states, for the units of some panels.
private struct CandidateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let weights: Input
  let panelStride: Int
  /// The whole cache rows, not those of this panel: the product reads all of r * h.
  let gates: Output
  let gateStride: Int
  let units: Int
  let y: Output
  let outputStride: Int

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 1> = zeroTiles()
    for panel in 0..<panels {
      for row in 0..<rows {
        tiles[unchecked: panel][unchecked: row][unchecked: 0] = load(
          gates + row &* gateStride + unit + panel &* laneCount)
      }
    }
    if state != nil {
      multiplyAdd(
        &tiles, Input(gates + 3 &* units), rowStride: gateStride, depthStride: 1, weights, panelStride: panelStride,
        depth: hiddenSize)
    }
    withSums(&tiles) { finish($0, panels: panels, rows: rows) }
  }

  /// The gates of a tile's sums: called, since they are longer than the product, and there is a tile for every size.
  @inline(never)
  @_optimize(speed)
  private func finish(_ sums: Input, panels: Int, rows: Int) {
    for panel in 0..<panels {
      let first = panel &* laneCount
      let width = hiddenSize &- unit &- first
      for row in 0..<rows {
        let target = gates + row &* gateStride + unit + first
        let n = hyperbolicTangent(load(sums + (panel &* rows &+ row) &* laneCount))
        let z = load(target + 2 &* units)
        var previous = broadcast(0)
        if let state { previous = load(state + row &* stateStride + unit + first, first: width) }
        store(multiplyAdd(n, z, previous - n), y + row &* outputStride + first, first: width)
        store(n, target)
      }
    }
  }
}

@inline(never)
@_optimize(speed)
private func candidateTile(panels: Int, rows: Int, _ tile: CandidateTile) {
  withTile(panels: panels, rows: rows, tile)
}
