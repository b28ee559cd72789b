// GRU forward. Per step and worker: for every panel of weights, every tile of rows. FLOPs: 6 H (I + H) a frame. Weights
// are read once a step and worker, 12 H (I + H) bytes, which eight rows of a tile hide behind their multiply-adds.
//
// The input's product of a frame goes into the frame's cache row (in training) or into scratch just before the state's
// product continues the same sums, while it is in the first-level cache. Steps with so few rows that reading W_ih would
// dominate are multiplied beforehand, all their frames in one go: the same sums in the same order, so the same bits.

/// Where `gruForward` reads and writes.
struct GRUForward {
  let shape: GRUShape
  let packed: Input
  let x: Input
  let initialState: Input?
  let y: Output
  let outputStride: Int
  let gates: Output
  let keepsGates: Bool
  let reverse: Bool

  var gateStride: Int { shape.gateStride }
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
///   - scratch: `shape.forwardScratchSize` floats; unused with a cache
public func gruForward(
  _ shape: GRUShape, y: UnsafeMutablePointer<Float>, outputStride: Int, finalState: UnsafeMutablePointer<Float>,
  cache: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>, ragged: RaggedBatch,
  initialState: UnsafePointer<Float>?, packed: UnsafePointer<Float>, reverse: Bool,
  scratch: UnsafeMutablePointer<Float>
) {
  let layer = GRUForward(
    shape: shape, packed: packed, x: x, initialState: initialState, y: y, outputStride: outputStride,
    gates: cache ?? scratch, keepsGates: cache != nil, reverse: reverse)
  let work = ragged.rows &* 3 &* shape.hiddenSize &* (shape.inputSize &+ shape.hiddenSize)
  let tasks = min(ragged.batch, taskLimit(work: work))
  let hoisted = layer.multiplyInputs(of: ragged, below: tasks &* tileRows)
  parallel(tasks: tasks) { task, tasks in
    let share = RowShare(batch: ragged.batch, task: task, tasks: tasks)
    walk(ragged, reverse: reverse, backward: false) { step in
      if shape.resetAfter {
        layer.run(step, share, inputsReady: step.row >= hoisted)
      } else {
        layer.runResetBefore(step, share, inputsReady: step.row >= hoisted)
      }
    }
  }
  copyFinalStates(
    finalState, y: y, outputStride: outputStride, hiddenSize: shape.hiddenSize, ragged: ragged, reverse: reverse)
}

extension GRUForward {
  /// The cache row, or the scratch row that stands in for it, of a sequence at a step.
  @inline(__always)
  func gateRow(_ step: Step, _ sequence: Int, ready: Bool) -> Output {
    gates + (keepsGates || ready ? step.row &+ sequence : sequence) &* gateStride
  }

  @inline(__always)
  func panel(_ index: Int) -> (biases: Input, input: Input, state: Input) {
    let biases = packed + index &* shape.panelSize
    let input = biases + 4 &* laneCount
    return (biases, input, input + 3 &* laneCount &* shape.inputSize)
  }

  /// Multiplies the inputs of all steps that have fewer than `rows` rows; gives the first packed row of these steps.
  fileprivate func multiplyInputs(of ragged: RaggedBatch, below rows: Int) -> Int {
    // Without the reset-after scratch there is only room for one step.
    guard shape.resetAfter || keepsGates else { return ragged.rows }
    var first = 0
    var step = 0
    while step < ragged.steps, ragged.size(step) >= rows {
      first &+= ragged.size(step)
      step &+= 1
    }
    let count = ragged.rows &- first
    if count == 0 { return first }
    let tiles = (count &+ tileRows &- 1) / tileRows
    let limit = taskLimit(work: count &* 3 &* shape.hiddenSize &* shape.inputSize)
    parallel(tasks: min(tiles, limit)) { task, tasks in
      let mine = share(of: tiles, task, tasks)
      for index in 0..<shape.panels {
        let weights = panel(index)
        for tile in mine {
          let row = first &+ tile &* tileRows
          inputTile(
            rows: min(tileRows, ragged.rows &- row),
            GRUInputTile(
              x: x + row &* shape.inputSize, inputSize: shape.inputSize, biases: weights.biases,
              weights: weights.input, gates: gates + row &* gateStride + index &* laneCount, gateStride: gateStride,
              units: shape.units))
        }
      }
    }
    return first
  }

  /// One step, reset after the product: all gates of a panel from one tile.
  fileprivate func run(_ step: Step, _ share: RowShare, inputsReady: Bool) {
    for index in 0..<shape.panels {
      let weights = panel(index)
      let unit = index &* laneCount
      forEachTile(step, share) { first, count, state, stateStride in
        if !inputsReady { multiplyInput(step, first, count, index, weights) }
        stateTile(
          rows: count,
          GRUStateTile(
            state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize, unit: unit,
            bias: weights.biases + 3 &* laneCount, weights: weights.state,
            gates: gateRow(step, first, ready: inputsReady) + unit, gateStride: gateStride, units: shape.units,
            keepsGates: keepsGates, y: y + (step.row &+ first) &* outputStride + unit, outputStride: outputStride))
      }
    }
  }

  /// This worker's tiles of a step, with the states they continue: first the rows whose state is in `y`, then those that
  /// begin here.
  @inline(__always)
  func forEachTile(
    _ step: Step, _ share: RowShare, _ body: (_ first: Int, _ count: Int, _ state: Input?, _ stateStride: Int) -> Void
  ) {
    share.forEach(in: 0..<step.continuing) { first, count in
      body(first, count, Input(y + (step.previousRow &+ first) &* outputStride), outputStride)
    }
    share.forEach(in: step.continuing..<step.count) { first, count in
      if let initialState {
        body(first, count, initialState + first &* shape.hiddenSize, shape.hiddenSize)
      } else {
        body(first, count, nil, 0)
      }
    }
  }

  @inline(__always)
  func multiplyInput(
    _ step: Step, _ first: Int, _ count: Int, _ index: Int, _ weights: (biases: Input, input: Input, state: Input)
  ) {
    inputTile(
      rows: count,
      GRUInputTile(
        x: x + (step.row &+ first) &* shape.inputSize, inputSize: shape.inputSize, biases: weights.biases,
        weights: weights.input, gates: gateRow(step, first, ready: false) + index &* laneCount,
        gateStride: gateStride, units: shape.units))
  }
}

/// | n r z | of some frames = biases + W_ih x, for the units of one panel.
struct GRUInputTile: TileBody {
  let x: Input
  let inputSize: Int
  let biases: Input
  let weights: Input
  let gates: Output
  let gateStride: Int
  let units: Int

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) {
    var tile: PanelTile<rows> = zeroTile()
    for row in 0..<rows {
      for gate in 0..<3 { tile[unchecked: row][unchecked: gate] = load(biases + gate &* laneCount) }
    }
    multiplyAdd(&tile, x, rowStride: inputSize, depthStride: 1, weights, depth: inputSize)
    for row in 0..<rows {
      let target = gates + row &* gateStride
      store(tile[unchecked: row][unchecked: 2], target)
      store(tile[unchecked: row][unchecked: 0], target + units)
      store(tile[unchecked: row][unchecked: 1], target + 2 &* units)
    }
  }
}

/// `GRUInputTile` as a call, so that its code exists once.
func inputTile(rows: Int, _ tile: GRUInputTile) {
  withTile(rows: rows, tile)
}

/// The state's product on top of the input's, the gates, and the new states, for the units of one panel.
private struct GRUStateTile: TileBody {
  /// nil: zeros
  let state: Input?
  let stateStride: Int
  let hiddenSize: Int
  let unit: Int
  let bias: Input
  let weights: Input
  let gates: Output
  let gateStride: Int
  let units: Int
  let keepsGates: Bool
  let y: Output
  let outputStride: Int

  @inline(__always)
  func run<let rows: Int>(_ shape: PanelTile<rows>.Type) {
    var tile: PanelTile<rows> = zeroTile()
    let hiddenBias = load(bias)
    for row in 0..<rows {
      tile[unchecked: row][unchecked: 0] = load(gates + row &* gateStride + units)
      tile[unchecked: row][unchecked: 1] = load(gates + row &* gateStride + 2 &* units)
      tile[unchecked: row][unchecked: 2] = hiddenBias
    }
    if let state {
      multiplyAdd(&tile, state, rowStride: stateStride, depthStride: 1, weights, depth: hiddenSize)
    }
    let width = hiddenSize &- unit
    for row in 0..<rows {
      let target = gates + row &* gateStride
      let (r, z) = sigmoids(tile[unchecked: row][unchecked: 0], tile[unchecked: row][unchecked: 1])
      let q = tile[unchecked: row][unchecked: 2]
      let n = hyperbolicTangent(multiplyAdd(load(target), r, q))
      var previous = broadcast(0)
      if let state { previous = load(state + row &* stateStride + unit, first: width) }
      store(multiplyAdd(n, z, previous - n), y + row &* outputStride, first: width)
      if keepsGates {
        store(n, target)
        store(r, target + units)
        store(z, target + 2 &* units)
        store(q, target + 3 &* units)
      }
    }
  }
}

private func stateTile(rows: Int, _ tile: GRUStateTile) {
  withTile(rows: rows, tile)
}
