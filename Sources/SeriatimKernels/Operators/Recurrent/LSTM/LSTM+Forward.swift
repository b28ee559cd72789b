// LSTM forward. FLOPs: 8 H (I + S) a frame, and 2 H S for a projection to S. Both products continue one chain of sums in
// the tile's registers, so the input's part is stored only where the plan has it multiplied beforehand.

import CSeriatim
import SeriatimSystem

/// The time loop. Of a row without a cache only c and h are kept.
struct LSTMForward: ForwardLoop {
  let shape: LSTM
  let call: srt_recurrent_call
  let gates: GateMemory

  init(_ cell: LSTM, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
  }

  /// The gates; and the projection, which needs all of o * tanh(c').
  var passes: Int { shape.projects ? 2 : 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { pass == 0 ? shape.panels : registerCount(shape.projectionSize) }
  var partsTogether: Int { shape.projects ? panelRegisters : 1 }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  func multiplyInputs() {
    forEachInputTile(
      gates.readyRows, panels: shape.panels, tileRows: wideTileRows, work: shape.inputWork
    ) { index, panels, row, rows in
      let weights = panel(index)
      inputTile(
        panels: panels, rows: rows,
        LSTMInputTile(
          x: call.x + row &* shape.inputSize, inputSize: shape.inputSize, biases: weights.biases,
          weights: weights.input,
          panelStride: shape.panelSize, gates: gates.ready + row &* gates.readyStride + index &* laneCount,
          gateStride: gates.stride, units: shape.units))
    }
  }
}

extension LSTMForward {
  @inline(__always)
  func panel(_ index: Int) -> (biases: Input, input: Input, state: Input) {
    let biases = call.packed + index &* shape.panelSize
    let input = biases + 4 &* laneCount
    return (biases, input, input + 4 &* laneCount &* shape.inputSize)
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 1 {
      StepProduct(
        start: .zero, a: gates.keptRow(step, 0) + 5 &* shape.units, inputStride: gates.stride,
        packed: call.packed + shape.panels &* shape.panelSize, depth: shape.hiddenSize,
        c: call.y + step.row &* call.output_stride, outputStride: call.output_stride, columns: shape.projectionSize,
        descending: step.descending
      ).run(share, rows: 0..<step.count, parts: parts)
      return
    }
    step.forEachTile(share, parts: parts, limit: wideTileRows) { index, panels, first, count, continues in
      if continues {
        let previous =
          gates.keeps ? gates.kept + (step.previousRow &+ first) &* gates.stride : gates.keptRow(step, first)
        tile(
          step, share, index, panels, first, count,
          state: Input(call.y + (step.previousRow &+ first) &* call.output_stride), stateStride: call.output_stride,
          cell: Input(previous + 4 &* shape.units), cellStride: gates.stride)
      } else {
        tile(
          step, share, index, panels, first, count, state: call.initial_states.h.map { $0 + first &* shape.stateSize },
          stateStride: shape.stateSize, cell: call.initial_states.c.map { $0 + first &* shape.hiddenSize },
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
    let kept = gates.keptRow(step, first)
    stateTile(
      panels: panels, rows: count,
      LSTMStateTile(
        x: gates.isReady(step) ? nil : call.x + row &* shape.inputSize, rowStride: share.tasks &* shape.inputSize,
        inputSize: shape.inputSize, biases: weights.biases, inputWeights: weights.input,
        ready: Input(gates.ready + row &* gates.readyStride + unit), state: state,
        stateStride: share.tasks &* stateStride,
        stateSize: shape.stateSize, weights: weights.state, panelStride: shape.panelSize,
        cell: cell.map { $0 + unit }, cellStride: share.tasks &* cellStride, gates: kept + unit,
        gateStride: share.tasks &* gates.stride, units: shape.units, width: shape.hiddenSize &- unit,
        keepsGates: gates.keeps,
        peepholes: shape.hasPeepholes ? weights.state + 4 &* laneCount &* shape.stateSize : nil,
        h: shape.projects ? kept + 5 &* shape.units + unit : call.y + row &* call.output_stride + unit,
        hStride: share.tasks &* (shape.projects ? gates.stride : call.output_stride)))
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
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: WidePanelTiles<panels, rows> = biasTiles(biases, panelStride: panelStride)
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
private func biasTiles<let panels: Int, let rows: Int>(_ biases: Input, panelStride: Int) -> WidePanelTiles<
  panels, rows
> {
  var tiles: WidePanelTiles<panels, rows> = zeroTiles()
  for panel in 0..<panels {
    for gate in 0..<4 {
      let bias = load(biases + panel &* panelStride + gate &* laneCount)
      for row in 0..<rows { tiles[unchecked: panel][unchecked: row][unchecked: gate] = bias }
    }
  }
  return tiles
}

@inline(never)
@_optimize(speed)
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
  /// nil: none
  let peepholes: Input?
  let h: Output
  let hStride: Int

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var tiles: WidePanelTiles<panels, rows> = zeroTiles()
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
            // They may be far away: those of the next panel are fetched.
            srt_prefetch(ready + row &* gateStride + (panel &+ panels) &* laneCount + gate &* units)
          }
        }
      }
    }
    if let state {
      multiplyAdd(
        &tiles, state, rowStride: stateStride, depthStride: 1, weights, panelStride: panelStride, depth: stateSize)
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
        let sum = sums + (panel &* rows &+ row) &* 4 &* laneCount
        var (input, forget, output) = (load(sum), load(sum + laneCount), load(sum + 3 &* laneCount))
        let target = gates + row &* gateStride + first
        if let peepholes, let cell {
          let previous = load(cell + row &* cellStride + first, first: width &- first)
          let weights = peepholes + panel &* panelStride
          input = multiplyAdd(input, load(weights), previous)
          forget = multiplyAdd(forget, load(weights + laneCount), previous)
        }
        let (i, f) = sigmoids(input, forget)
        let g = hyperbolicTangent(load(sum + 2 &* laneCount))
        var c = i * g
        if let cell { c = multiplyAdd(c, f, load(cell + row &* cellStride + first, first: width &- first)) }
        if let peepholes {
          let weights = load(peepholes + panel &* panelStride + 2 &* laneCount)
          output = multiplyAdd(output, weights, c)
        }
        let o = sigmoid(output)
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
@_optimize(speed)
private func stateTile(panels: Int, rows: Int, _ tile: LSTMStateTile) {
  withTile(panels: panels, rows: rows, limit: wideTileRows, tile)
}
