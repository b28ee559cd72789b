// GRU forward. Per step and worker: for every panel of weights, every tile of rows. FLOPs: 6 H (I + H) a frame. Weights
// are read once a step and worker, 12 H (I + H) bytes, which eight rows of a tile hide behind their multiply-adds.
//
// The input's product of a frame goes into the frame's cache row (in training) or into scratch just before the state's
// product continues the same sums, while it is in the first-level cache; or long before, where the plan says so.

import CSeriatim
import SeriatimSystem

/// The time loop.
struct GRUForward: ForwardLoop {
  let shape: GRU
  let call: srt_recurrent_call
  let gates: GateMemory

  init(_ cell: GRU, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
  }

  var passes: Int { shape.resetAfter ? 1 : 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { shape.panels }
  var partsTogether: Int { 1 }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  func multiplyInputs() {
    forEachInputTile(
      gates.readyRows, panels: shape.panels, tileRows: tileRows, work: shape.inputWork
    ) { panel, panels, row, rows in
      multiplyInput(panel, panels, row: row, rows: rows, tasks: 1, gates: gates.ready + row &* gates.readyStride)
    }
  }

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

extension GRUForward {
  @inline(__always)
  func panel(_ index: Int) -> (biases: Input, input: Input, state: Input) {
    let biases = call.packed + index &* shape.panelSize
    let input = biases + 4 &* laneCount
    return (biases, input, input + 3 &* laneCount &* shape.inputSize)
  }

  /// One step, reset after the product: all gates of a panel from one tile.
  @inline(__always)
  private func runStates(_ step: Step, _ share: RowShare, _ parts: Range<Int>) {
    forEachTile(step, share, parts) { index, panels, first, count, state, stateStride in
      let weights = panel(index)
      let unit = index &* laneCount
      let row = productRow(step, share, index, panels, first, count)
      stateTile(
        panels: panels, rows: count,
        GRUStateTile(
          isReady: gates.isReady(step), state: state, stateStride: stateStride, hiddenSize: shape.hiddenSize,
          unit: unit,
          bias: weights.biases + 3 &* laneCount, weights: weights.state, panelStride: shape.panelSize,
          gates: row + unit, gateStride: share.tasks &* gates.stride, units: shape.units, keepsGates: gates.keeps,
          y: call.y + (step.row &+ first) &* call.output_stride + unit, outputStride: share.tasks &* call.output_stride)
      )
    }
  }

  /// This worker's tiles of a step, with the states they continue.
  @inline(__always)
  func forEachTile(
    _ step: Step, _ share: RowShare, _ parts: Range<Int>,
    _ body: (
      _ panel: Int, _ panels: Int, _ first: Int, _ count: Int, _ state: Input?, _ stateStride: Int
    ) -> Void
  ) {
    step.forEachTile(share, parts: parts, limit: tileRows) { panel, panels, first, count, continues in
      if continues {
        body(
          panel, panels, first, count, Input(call.y + (step.previousRow &+ first) &* call.output_stride),
          share.tasks &* call.output_stride)
      } else if let initialState = call.initial_states.h {
        body(panel, panels, first, count, initialState + first &* shape.hiddenSize, share.tasks &* shape.hiddenSize)
      } else {
        body(panel, panels, first, count, nil, 0)
      }
    }
  }

  /// The gates' row of a tile, with the input's product in it.
  @inline(__always)
  func productRow(_ step: Step, _ share: RowShare, _ index: Int, _ panels: Int, _ first: Int, _ count: Int) -> Output {
    let row = gates.productRow(step, first)
    if !gates.isReady(step) {
      multiplyInput(index, panels, row: step.row &+ first, rows: count, tasks: share.tasks, gates: row)
    }
    return row
  }

  @inline(__always)
  func multiplyInput(_ index: Int, _ panels: Int, row: Int, rows: Int, tasks: Int, gates: Output) {
    let weights = panel(index)
    inputTile(
      panels: panels, rows: rows,
      GRUInputTile(
        x: call.x + row &* shape.inputSize, rowStride: tasks &* shape.inputSize, inputSize: shape.inputSize,
        biases: weights.biases, weights: weights.input, panelStride: shape.panelSize, gates: gates + index &* laneCount,
        gateStride: tasks &* self.gates.stride, units: shape.units))
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
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: PanelTiles<panels, rows> = zeroTiles()
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
@_optimize(speed)
private func inputTile(panels: Int, rows: Int, _ tile: GRUInputTile) {
  withTile(panels: panels, rows: rows, tile)
}

/// The state's product on top of the input's, the gates, and the new states, for the units of some panels.
private struct GRUStateTile: TileBody {
  /// The input's products were multiplied beforehand, and may be far away: those of the next panel are fetched.
  let isReady: Bool
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
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: PanelTiles<panels, rows> = zeroTiles()
    for panel in 0..<panels {
      let hiddenBias = load(bias + panel &* panelStride)
      for row in 0..<rows {
        let source = gates + row &* gateStride + panel &* laneCount
        tiles[unchecked: panel][unchecked: row][unchecked: 0] = load(source + units)
        tiles[unchecked: panel][unchecked: row][unchecked: 1] = load(source + 2 &* units)
        tiles[unchecked: panel][unchecked: row][unchecked: 2] = hiddenBias
        if isReady { for gate in 0..<3 { srt_prefetch(source + (gate &* units &+ panels &* laneCount)) } }
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
      let width = hiddenSize &- unit &- first
      for row in 0..<rows {
        let sum = sums + (panel &* rows &+ row) &* 3 &* laneCount
        let target = gates + row &* gateStride + first
        let (r, z) = sigmoids(load(sum), load(sum + laneCount))
        let q = load(sum + 2 &* laneCount)
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
@_optimize(speed)
private func stateTile(panels: Int, rows: Int, _ tile: GRUStateTile) {
  withTile(panels: panels, rows: rows, tile)
}
