// LSTM with narrow weights: see LSTM/LSTM.swift for the equations.
//
// A row: | i | f | g | o | c | h |, `units` each, h = o * tanh(c') only with a projection. Both products add to i f g o.
//
// Packed: biases of i f g o, W_ih and W_hh with their rows in this order, W_hr, and the peepholes i f o as floats.

import CSeriatim

/// The sizes of one direction of one LSTM layer.
struct NarrowLSTM: NarrowCell {
  typealias Forward = NarrowForward<NarrowLSTM>

  let form: WeightForm
  let inputSize: Int
  let hiddenSize: Int
  /// 0: none.
  let projectionSize: Int
  let hasPeepholes: Bool
  let units: Int

  init(_ cell: srt_cell) {
    let full = LSTM(cell)
    form = cell.form
    inputSize = full.inputSize
    hiddenSize = full.hiddenSize
    projectionSize = full.projectionSize
    hasPeepholes = full.hasPeepholes
    units = full.units
    stateSize = full.stateSize
    parameters = full.parameters
  }

  let stateSize: Int
  let parameters: Int
  var projects: Bool { projectionSize > 0 }
  var gates: Int { 4 }
  var blocks: Int { projects ? 6 : 5 }
  var cellColumn: Int? { 4 &* units }
  var partsLastGate: Bool { false }
  var stages: Int { projects ? 2 : 1 }
  func stage(_ index: Int) -> NarrowStage {
    index == 0
      ? NarrowStage(source: -1, depth: stateSize, offset: stateOffset, target: 0, columns: 4 &* units)
      : NarrowStage(source: 5, depth: hiddenSize, offset: projectionOffset, target: -1, columns: projectionSize)
  }

  var inputOffset: Int { biasSize }
  var stateOffset: Int { inputOffset &+ form.packedSize(depth: inputSize, columns: 4 &* units) }
  var projectionOffset: Int { stateOffset &+ form.packedSize(depth: stateSize, columns: 4 &* units) }
  var peepholeOffset: Int {
    projectionOffset &+ (projects ? form.packedSize(depth: hiddenSize, columns: projectionSize) : 0)
  }
  var packedSize: Int { peepholeOffset &+ (hasPeepholes ? 3 &* units : 0) }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    fillZero(packed, biasSize)
    for gate in 0..<4 {
      packBiasSum(
        packed + gate &* units, weights.bias_ih, weights.bias_hh, first: gate &* hiddenSize, count: hiddenSize,
        width: units)
    }
    let rows = GateRows(hiddenSize: hiddenSize, units: units, gates: 4, first: 0, count: 4)
    rows.packNarrow(packed + inputOffset, form, weights.weight_ih.unsafelyUnwrapped, scales.ih, depth: inputSize)
    rows.packNarrow(packed + stateOffset, form, weights.weight_hh.unsafelyUnwrapped, scales.hh, depth: stateSize)
    if projects, let weightHR = weights.weight_hr {
      GateRows.all(of: projectionSize).packNarrow(
        packed + projectionOffset, form, weightHR, scales.hr, depth: hiddenSize)
    }
    if hasPeepholes, let weightCH = weights.weight_ch {
      for gate in 0..<3 {
        copyPadded(packed + (peepholeOffset &+ gate &* units), weightCH + gate &* hiddenSize, hiddenSize, width: units)
      }
    }
  }

  @inline(__always)
  func activate(
    _ stage: Int, _ row: Output, _ range: Range<Int>, _ packed: Input, h: Input?, c: Input?, newCell: Output, y: Output
  ) {
    if stage > 0 { return }
    let peepholes = hasPeepholes ? packed + peepholeOffset : nil
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = hiddenSize &- unit
      let sums = row + unit
      var (inner, forget) = (load(sums), load(sums + units))
      var previous: Lanes?
      if let c { previous = load(c + unit, first: width) }
      if let peepholes, let previous {
        inner = multiplyAdd(inner, load(peepholes + unit), previous)
        forget = multiplyAdd(forget, load(peepholes + (units &+ unit)), previous)
      }
      let (i, f) = sigmoids(inner, forget)
      let g = hyperbolicTangent(load(sums + 2 &* units))
      var new = i * g
      if let previous { new = multiplyAdd(new, f, previous) }
      var output = load(sums + 3 &* units)
      if let peepholes { output = multiplyAdd(output, load(peepholes + (2 &* units &+ unit)), new) }
      let o = sigmoid(output)
      store(new, newCell + unit)
      if projects {
        store(o * hyperbolicTangent(new), row + (5 &* units &+ unit))
      } else {
        store(o * hyperbolicTangent(new), y + unit, first: width)
      }
      unit &+= laneCount
    }
  }
}
