// GRU forward. Per step and worker: for every panel of weights, every tile of rows. FLOPs: 6 H (I + H) a frame. Weights
// are read once a step and worker, 12 H (I + H) bytes, which eight rows of a tile hide behind their multiply-adds.
//
// The input's product of a frame goes into the frame's cache row (in training) or into scratch just before the state's
// product continues the same sums, while it is in the first-level cache; or long before, for steps with few rows.

/// Where `gruForward` reads and writes.
struct GRUForward: Recurrence {
  let shape: GRUShape
  let packed: Input
  let x: Input
  let initialState: Input?
  let y: Output
  let outputStride: Int
  let keepsGates: Bool
  /// Where the gates of a row are: cache rows, or scratch rows by sequence; and for rows from `firstReady` on, which have
  /// their input's product already.
  let gates: Output
  var readyGates: Output
  var firstReady = 0

  var gateStride: Int { shape.gateStride }
  var passes: Int { shape.resetAfter ? 1 : 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { shape.panels }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if shape.resetAfter {
      runStates(step, share, parts)
    } else if pass == 0 {
      runResets(step, share, parts)
    } else {
      runCandidates(step, share, parts)
    }
  }
}

/// One direction of one GRU layer.
///
/// - Parameters:
///   - y: `(rows, hiddenSize)`, row stride `outputStride` (twice hiddenSize for one half of a bidirectional output)
///   - finalState: `(batch, hiddenSize)`: each sequence's state after its own last step (reverse: after its first)
///   - cache: `(rows, shape.gateStride)` for `gruBackward`, or nil in inference
///   - x: `(rows, inputSize)`
///   - initialState: `(batch, hiddenSize)`, or nil for zeros
///   - packed: from `packGRU`
///   - scratch: `shape.forwardScratchSize` floats
public func gruForward(
  _ shape: GRUShape, y: UnsafeMutablePointer<Float>, outputStride: Int, finalState: UnsafeMutablePointer<Float>,
  cache: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>, ragged: RaggedBatch,
  initialState: UnsafePointer<Float>?, packed: UnsafePointer<Float>, reverse: Bool,
  scratch: UnsafeMutablePointer<Float>
) {
  let schedule = Schedule(ragged, reverse: reverse, backward: false, scratch: scratch)
  let plan = RecurrentPlan(
    ragged, work: 3 &* shape.hiddenSize &* shape.hiddenSize, parts: shape.panels, tileRows: tileRows)
  let space = scratch + Schedule.scratchSize(rows: ragged.rows)
  var layer = GRUForward(
    shape: shape, packed: packed, x: x, initialState: initialState, y: y, outputStride: outputStride,
    keepsGates: cache != nil, gates: cache ?? space, readyGates: cache ?? space)
  layer.firstReady = ragged.firstRow(below: plan.mostTasks &* tileRows)
  if cache == nil { layer.readyGates = space + (ragged.batch &- layer.firstReady) &* shape.gateStride }
  forEachInputTile(
    ragged, from: layer.firstReady, panels: shape.panels, tileRows: tileRows,
    work: 3 &* shape.hiddenSize &* shape.inputSize
  ) { panel, panels, row, rows in
    layer.multiplyInput(
      panel, panels, row: row, rows: rows, tasks: 1, gates: layer.readyGates + row &* shape.gateStride)
  }
  run(layer, schedule, plan)
  copyFinalStates(
    finalState, y: y, outputStride: outputStride, size: shape.hiddenSize, ragged: ragged, reverse: reverse)
}

extension GRUForward {
  /// The cache row, or the scratch row that stands in for it, of a sequence at a step.
  @inline(__always)
  func gateRow(_ step: Step, _ sequence: Int) -> Output {
    if isReady(step) { return readyGates + (step.row &+ sequence) &* gateStride }
    return gates + (keepsGates ? step.row &+ sequence : sequence) &* gateStride
  }

  @inline(__always)
  func isReady(_ step: Step) -> Bool { step.row >= firstReady }

  @inline(__always)
  func panel(_ index: Int) -> (biases: Input, input: Input, state: Input) {
    let biases = packed + index &* shape.panelSize
    let input = biases + 4 &* laneCount
    return (biases, input, input + 3 &* laneCount &* shape.inputSize)
  }

  /// One step, reset after the product: all gates of a panel from one tile.
  @inline(__always)
  private func runStates(_ step: Step, _ share: RowShare, _ parts: Range<Int>) {
    forEachTile(step, share, parts) { index, panels, first, count, state, stateStride in
      let weights = panel(index)
      let unit = index &* laneCount
      let gates = gateRow(step, first)
      if !isReady(step) {
        multiplyInput(index, panels, row: step.row &+ first, rows: count, tasks: share.tasks, gates: gates)
      }
      stateTile(
        panels: panels, rows: count,
        GRUStateTile(
          state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit,
          bias: weights.biases + 3 &* laneCount, weights: weights.state, panelStride: shape.panelSize,
          gates: gates + unit, gateStride: share.tasks &* gateStride, units: shape.units, keepsGates: keepsGates,
          y: y + (step.row &+ first) &* outputStride + unit, outputStride: share.tasks &* outputStride))
    }
  }

  /// This worker's tiles of a step, with the states they continue: first the rows whose state is in `y`, then those that
  /// begin here.
  @inline(__always)
  func forEachTile(
    _ step: Step, _ share: RowShare, _ parts: Range<Int>,
    _ body: (
      _ panel: Int, _ panels: Int, _ first: Int, _ count: Int, _ state: Input?, _ stateStride: Int
    ) -> Void
  ) {
    forEachPanelGroup(of: parts, rows: share.count(in: 0..<step.count), descending: step.descending) { panel, panels in
      share.forEachTile(in: 0..<step.continuing, limit: tileRows) { first, count in
        body(
          panel, panels, first, count, Input(y + (step.previousRow &+ first) &* outputStride),
          share.tasks &* outputStride)
      }
      share.forEachTile(in: step.continuing..<step.count, limit: tileRows) { first, count in
        if let initialState {
          body(
            panel, panels, first, count, initialState + first &* shape.hiddenSize, share.tasks &* shape.hiddenSize)
        } else {
          body(panel, panels, first, count, nil, 0)
        }
      }
    }
  }

  @inline(__always)
  func multiplyInput(_ index: Int, _ panels: Int, row: Int, rows: Int, tasks: Int, gates: Output) {
    let weights = panel(index)
    inputTile(
      panels: panels, rows: rows,
      GRUInputTile(
        x: x + row &* shape.inputSize, rowStride: tasks &* shape.inputSize, inputSize: shape.inputSize,
        biases: weights.biases, weights: weights.input, panelStride: shape.panelSize, gates: gates + index &* laneCount,
        gateStride: tasks &* gateStride, units: shape.units))
  }
}

/// | n r z | of some frames = biases + W_ih x, for the units of some panels.
private struct GRUInputTile: TileBody {
  let x: Input
  let rowStride: Int
  let inputSize: Int
  let biases: Input
  let weights: Input
  let panelStride: Int
  let gates: Output
  let gateStride: Int
  let units: Int

  @inline(__always)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 3> = zeroTiles()
    for panel in 0..<panels {
      for row in 0..<rows {
        for gate in 0..<3 {
          tiles[unchecked: panel][unchecked: row][unchecked: gate] = load(
            biases + panel &* panelStride + gate &* laneCount)
        }
      }
    }
    multiplyAdd(
      &tiles, x, rowStride: rowStride, depthStride: 1, weights, panelStride: panelStride, depth: inputSize)
    for panel in 0..<panels {
      for row in 0..<rows {
        let target = gates + row &* gateStride + panel &* laneCount
        store(tiles[unchecked: panel][unchecked: row][unchecked: 2], target)
        store(tiles[unchecked: panel][unchecked: row][unchecked: 0], target + units)
        store(tiles[unchecked: panel][unchecked: row][unchecked: 1], target + 2 &* units)
      }
    }
  }
}

/// `GRUInputTile` as a call, so that its code exists once.
@inline(never)
private func inputTile(panels: Int, rows: Int, _ tile: GRUInputTile) {
  withTile(panels: panels, rows: rows, tile)
}

/// The state's product on top of the input's, the gates, and the new states, for the units of some panels.
private struct GRUStateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let bias: Input
  let weights: Input
  let panelStride: Int
  let gates: Output
  let gateStride: Int
  let units: Int
  let keepsGates: Bool
  let y: Output
  let outputStride: Int

  @inline(__always)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: Tiles<panels, rows, 3> = zeroTiles()
    for panel in 0..<panels {
      let hiddenBias = load(bias + panel &* panelStride)
      for row in 0..<rows {
        let source = gates + row &* gateStride + panel &* laneCount
        tiles[unchecked: panel][unchecked: row][unchecked: 0] = load(source + units)
        tiles[unchecked: panel][unchecked: row][unchecked: 1] = load(source + 2 &* units)
        tiles[unchecked: panel][unchecked: row][unchecked: 2] = hiddenBias
      }
    }
    if let state {
      multiplyAdd(
        &tiles, state, rowStride: stateStride, depthStride: 1, weights, panelStride: panelStride, depth: hiddenSize)
    }
    for panel in 0..<panels {
      let first = panel &* laneCount
      let width = hiddenSize &- unit &- first
      for row in 0..<rows {
        let target = gates + row &* gateStride + first
        let (r, z) = sigmoids(
          tiles[unchecked: panel][unchecked: row][unchecked: 0], tiles[unchecked: panel][unchecked: row][unchecked: 1])
        let q = tiles[unchecked: panel][unchecked: row][unchecked: 2]
        let n = hyperbolicTangent(multiplyAdd(load(target), r, q))
        var previous = broadcast(0)
        if let state { previous = load(state + row &* stateStride + unit + first, first: width) }
        store(multiplyAdd(n, z, previous - n), y + row &* outputStride + first, first: width)
        if keepsGates {
          store(n, target)
          store(r, target + units)
          store(z, target + 2 &* units)
          store(q, target + 3 &* units)
        }
      }
    }
  }
}

@inline(never)
private func stateTile(panels: Int, rows: Int, _ tile: GRUStateTile) {
  withTile(panels: panels, rows: rows, tile)
}
