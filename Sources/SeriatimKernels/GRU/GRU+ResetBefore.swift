// GRU forward with the reset gate applied to the state before the recurrent product (Cho et al. 2014). All of r * h is
// needed before the product of n can begin, so a step has two passes over the panels.

extension GRUForward {
  func runResetBefore(_ step: Step, _ share: RowShare, inputsReady: Bool) {
    for index in 0..<shape.panels {
      let weights = panel(index)
      let unit = index &* laneCount
      forEachTile(step, share) { first, count, state, stateStride in
        if !inputsReady { multiplyInput(step, first, count, index, weights) }
        gateTile(
          rows: count,
          ResetUpdateTile(
            state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit, weights: weights.state,
            gates: gateRow(step, first, ready: inputsReady) + unit, gateStride: gateStride, units: shape.units))
      }
    }
    for index in 0..<shape.panels {
      let weights = panel(index).state + 2 &* laneCount &* shape.hiddenSize
      let unit = index &* laneCount
      forEachTile(step, share) { first, count, state, stateStride in
        candidateTile(
          rows: count,
          CandidateTile(
            state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit, weights: weights,
            gates: gateRow(step, first, ready: inputsReady), gateStride: gateStride, units: shape.units,
            y: y + (step.row &+ first) &* outputStride + unit, outputStride: outputStride))
      }
    }
  }
}

/// | r z q | of some rows, q = r * h, for the units of one panel.
private struct ResetUpdateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let weights: Input
  let gates: Output
  let gateStride: Int
  let units: Int

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) {
    var tile: Tile<rows, 2> = zeroTile()
    for row in 0..<rows {
      tile[unchecked: row][unchecked: 0] = load(gates + row &* gateStride + units)
      tile[unchecked: row][unchecked: 1] = load(gates + row &* gateStride + 2 &* units)
    }
    if let state {
      multiplyAdd(&tile, state, rowStride: stateStride, depthStride: 1, weights, depth: hiddenSize)
    }
    for row in 0..<rows {
      let target = gates + row &* gateStride
      let (r, z) = sigmoids(tile[unchecked: row][unchecked: 0], tile[unchecked: row][unchecked: 1])
      var previous = broadcast(0)
      if let state { previous = load(state + row &* stateStride + unit, first: hiddenSize &- unit) }
      store(r, target + units)
      store(z, target + 2 &* units)
      store(r * previous, target + 3 &* units)
    }
  }
}

private func gateTile(rows: Int, _ tile: ResetUpdateTile) {
  withTile(rows: rows, tile)
}

/// n and the new states, for the units of one panel.
private struct CandidateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let weights: Input
  /// The whole cache rows, not those of this panel: the product reads all of r * h.
  let gates: Output
  let gateStride: Int
  let units: Int
  let y: Output
  let outputStride: Int

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) {
    var tile: Tile<rows, 1> = zeroTile()
    for row in 0..<rows { tile[unchecked: row][unchecked: 0] = load(gates + row &* gateStride + unit) }
    if state != nil {
      multiplyAdd(
        &tile, Input(gates + 3 &* units), rowStride: gateStride, depthStride: 1, weights, depth: hiddenSize)
    }
    let width = hiddenSize &- unit
    for row in 0..<rows {
      let target = gates + row &* gateStride + unit
      let n = hyperbolicTangent(tile[unchecked: row][unchecked: 0])
      let z = load(target + 2 &* units)
      var previous = broadcast(0)
      if let state { previous = load(state + row &* stateStride + unit, first: width) }
      store(multiplyAdd(n, z, previous - n), y + row &* outputStride, first: width)
      store(n, target)
    }
  }
}

private func candidateTile(rows: Int, _ tile: CandidateTile) {
  withTile(rows: rows, tile)
}
