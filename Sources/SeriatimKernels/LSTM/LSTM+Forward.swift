// LSTM forward. FLOPs: 8 H (I + S) a frame, and 2 H S for a projection to S. Both products continue one chain of sums in
// the tile's registers, so the input's part is stored only for steps with few rows, where it is multiplied beforehand.

/// Where `lstmForward` reads and writes.
private struct LSTMForward: Recurrence {
  let shape: LSTMShape
  let packed: Input
  let x: Input
  let initialState: Input?
  let initialCell: Input?
  let y: Output
  let outputStride: Int
  let keepsGates: Bool
  /// Cache rows by packed row, or scratch rows by sequence, where only c and h are kept; and where rows from `firstReady`
  /// on have their input's product.
  let gates: Output
  var readyGates: Output
  var firstReady = 0

  var gateStride: Int { shape.gateStride }
  /// The gates; and the projection, which needs all of o * tanh(c').
  var passes: Int { shape.projects ? 2 : 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { pass == 0 ? shape.panels : panelCount(shape.projectionSize) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }
}

/// One direction of one LSTM layer.
///
/// - Parameters:
///   - y: `(rows, stateSize)`, row stride `outputStride`
///   - finalState: `(batch, stateSize)`, finalCell: `(batch, hiddenSize)`: each sequence's states after its own last step
///     (reverse: after its first)
///   - cache: `(rows, shape.gateStride)` for `lstmBackward`, or nil in inference
///   - x: `(rows, inputSize)`
///   - initialState: `(batch, stateSize)`, initialCell: `(batch, hiddenSize)`, or nil for zeros
///   - packed: from `packLSTM`
///   - scratch: `shape.forwardScratchSize` floats
public func lstmForward(
  _ shape: LSTMShape, y: UnsafeMutablePointer<Float>, outputStride: Int, finalState: UnsafeMutablePointer<Float>,
  finalCell: UnsafeMutablePointer<Float>, cache: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>,
  ragged: RaggedBatch, initialState: UnsafePointer<Float>?, initialCell: UnsafePointer<Float>?,
  packed: UnsafePointer<Float>, reverse: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let schedule = Schedule(ragged, reverse: reverse, backward: false, scratch: scratch)
  let plan = RecurrentPlan(
    ragged, work: 4 &* shape.hiddenSize &* shape.stateSize, parts: shape.panels, tileRows: wideTileRows)
  let space = scratch + Schedule.scratchSize(rows: ragged.rows)
  var layer = LSTMForward(
    shape: shape, packed: packed, x: x, initialState: initialState, initialCell: initialCell, y: y,
    outputStride: outputStride, keepsGates: cache != nil, gates: cache ?? space, readyGates: cache ?? space)
  layer.firstReady = ragged.firstRow(below: plan.mostTasks &* wideTileRows)
  if cache == nil { layer.readyGates = space + (ragged.batch &- layer.firstReady) &* shape.gateStride }
  forEachInputTile(
    ragged, from: layer.firstReady, panels: shape.panels, tileRows: wideTileRows,
    work: 4 &* shape.hiddenSize &* shape.inputSize
  ) { panel, panels, row, rows in
    let weights = layer.panel(panel)
    inputTile(
      panels: panels, rows: rows,
      LSTMInputTile(
        x: x + row &* shape.inputSize, inputSize: shape.inputSize, biases: weights.biases, weights: weights.input,
        panelStride: shape.panelSize, gates: layer.readyGates + row &* shape.gateStride + panel &* laneCount,
        gateStride: shape.gateStride, units: shape.units))
  }
  run(layer, schedule, plan)
  copyFinalStates(
    finalState, y: y, outputStride: outputStride, size: shape.stateSize, ragged: ragged, reverse: reverse)
  if let cache {
    copyFinalStates(
      finalCell, y: cache + 4 &* shape.units, outputStride: shape.gateStride, size: shape.hiddenSize, ragged: ragged,
      reverse: reverse)
  } else {
    for sequence in 0..<ragged.batch {
      copyPadded(
        finalCell + sequence &* shape.hiddenSize, space + sequence &* shape.gateStride + 4 &* shape.units,
        shape.hiddenSize, width: shape.hiddenSize)
    }
  }
}

extension LSTMForward {
  @inline(__always)
  func panel(_ index: Int) -> (biases: Input, input: Input, state: Input) {
    let biases = packed + index &* shape.panelSize
    let input = biases + 4 &* laneCount
    return (biases, input, input + 4 &* laneCount &* shape.inputSize)
  }

  /// The row that keeps c and h of a sequence at a step.
  @inline(__always)
  private func keptRow(_ step: Step, _ sequence: Int) -> Output {
    gates + (keepsGates ? step.row &+ sequence : sequence) &* gateStride
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 1 {
      StepProduct(
        start: .zero, a: keptRow(step, 0) + 5 &* shape.units, inputStride: gateStride,
        packed: packed + shape.panels &* shape.panelSize, depth: shape.hiddenSize, c: y + step.row &* outputStride,
        outputStride: outputStride, columns: shape.projectionSize, descending: step.descending
      ).run(share, rows: 0..<step.count, parts: parts)
      return
    }
    let rows = share.count(in: 0..<step.count)
    forEachPanelGroup(of: parts, rows: rows, descending: step.descending) { index, panels in
      // First the rows whose states are those of the step before, then those that begin here.
      share.forEachTile(in: 0..<step.continuing, limit: wideTileRows) { first, count in
        let previous = keepsGates ? gates + (step.previousRow &+ first) &* gateStride : keptRow(step, first)
        tile(
          step, share, index, panels, first, count,
          state: Input(y + (step.previousRow &+ first) &* outputStride), stateStride: outputStride,
          cell: Input(previous + 4 &* shape.units), cellStride: gateStride)
      }
      share.forEachTile(in: step.continuing..<step.count, limit: wideTileRows) { first, count in
        tile(
          step, share, index, panels, first, count, state: initialState.map { $0 + first &* shape.stateSize },
          stateStride: shape.stateSize, cell: initialCell.map { $0 + first &* shape.hiddenSize },
          cellStride: shape.hiddenSize)
      }
    }
  }

  @inline(__always)
  private func tile(
    _ step: Step, _ share: RowShare, _ index: Int, _ panels: Int, _ first: Int, _ count: Int, state: Input?,
    stateStride: Int, cell: Input?, cellStride: Int
  ) {
    let weights = panel(index)
    let unit = index &* laneCount
    let row = step.row &+ first
    let kept = keptRow(step, first)
    stateTile(
      panels: panels, rows: count,
      LSTMStateTile(
        x: row >= firstReady ? nil : x + row &* shape.inputSize, rowStride: share.tasks &* shape.inputSize,
        inputSize: shape.inputSize, biases: weights.biases, inputWeights: weights.input,
        ready: Input(readyGates + row &* gateStride + unit), state: state, stateStride: share.tasks &* stateStride,
        stateSize: shape.stateSize, weights: weights.state, panelStride: shape.panelSize,
        cell: cell.map { $0 + unit }, cellStride: share.tasks &* cellStride, gates: kept + unit,
        gateStride: share.tasks &* gateStride, units: shape.units, width: shape.hiddenSize &- unit,
        keepsGates: keepsGates,
        h: shape.projects ? kept + 5 &* shape.units + unit : y + row &* outputStride + unit,
        hStride: share.tasks &* (shape.projects ? gateStride : outputStride)))
  }
}

/// | i f g o | of some frames = biases + W_ih x, for the units of some panels.
private struct LSTMInputTile: TileBody {
  let x: Input
  let inputSize: Int
  let biases: Input
  let weights: Input
  let panelStride: Int
  let gates: Output
  let gateStride: Int
  let units: Int

  @inline(__always)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 4> = biasTiles(biases, panelStride: panelStride)
    multiplyAdd(
      &tiles, x, rowStride: inputSize, depthStride: 1, weights, panelStride: panelStride, depth: inputSize)
    for panel in 0..<panels {
      for row in 0..<rows {
        let target = gates + row &* gateStride + panel &* laneCount
        for gate in 0..<4 { store(tiles[unchecked: panel][unchecked: row][unchecked: gate], target + gate &* units) }
      }
    }
  }
}

@inline(__always)
private func biasTiles<let panels: Int, let rows: Int>(_ biases: Input, panelStride: Int) -> Tiles<panels, rows, 4> {
  var tiles: Tiles<panels, rows, 4> = zeroTiles()
  for panel in 0..<panels {
    for gate in 0..<4 {
      let bias = load(biases + panel &* panelStride + gate &* laneCount)
      for row in 0..<rows { tiles[unchecked: panel][unchecked: row][unchecked: gate] = bias }
    }
  }
  return tiles
}

@inline(never)
private func inputTile(panels: Int, rows: Int, _ tile: LSTMInputTile) {
  withTile(panels: panels, rows: rows, limit: wideTileRows, tile)
}

/// Both products, the gates, and the new states, for the units of some panels.
private struct LSTMStateTile: TileBody {
  /// nil: `ready` holds the input's product
  let x: Input?
  let rowStride: Int
  let inputSize: Int
  let biases: Input
  let inputWeights: Input
  let ready: Input
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let stateSize: Int
  let weights: Input
  let panelStride: Int
  /// nil: zeros
  let cell: Input?
  let cellStride: Int
  let gates: Output
  let gateStride: Int
  let units: Int
  /// Units that exist from the first on.
  let width: Int
  let keepsGates: Bool
  let h: Output
  let hStride: Int

  @inline(__always)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 4> = zeroTiles()
    if let x {
      tiles = biasTiles(biases, panelStride: panelStride)
      multiplyAdd(
        &tiles, x, rowStride: rowStride, depthStride: 1, inputWeights, panelStride: panelStride, depth: inputSize)
    } else {
      for panel in 0..<panels {
        for row in 0..<rows {
          for gate in 0..<4 {
            tiles[unchecked: panel][unchecked: row][unchecked: gate] = load(
              ready + row &* gateStride + panel &* laneCount + gate &* units)
          }
        }
      }
    }
    if let state {
      multiplyAdd(
        &tiles, state, rowStride: stateStride, depthStride: 1, weights, panelStride: panelStride, depth: stateSize)
    }
    for panel in 0..<panels {
      let first = panel &* laneCount
      for row in 0..<rows {
        let sums = tiles[unchecked: panel][unchecked: row]
        let target = gates + row &* gateStride + first
        let (i, f) = sigmoids(sums[unchecked: 0], sums[unchecked: 1])
        let g = hyperbolicTangent(sums[unchecked: 2])
        let o = sigmoid(sums[unchecked: 3])
        var c = i * g
        if let cell { c = multiplyAdd(c, f, load(cell + row &* cellStride + first, first: width &- first)) }
        store(c, target + 4 &* units)
        store(o * hyperbolicTangent(c), h + row &* hStride + first, first: width &- first)
        if keepsGates {
          store(i, target)
          store(f, target + units)
          store(g, target + 2 &* units)
          store(o, target + 3 &* units)
        }
      }
    }
  }
}

@inline(never)
private func stateTile(panels: Int, rows: Int, _ tile: LSTMStateTile) {
  withTile(panels: panels, rows: rows, limit: wideTileRows, tile)
}
