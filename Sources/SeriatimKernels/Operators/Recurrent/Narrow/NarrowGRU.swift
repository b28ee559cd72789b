// GRU with narrow weights: see GRU/GRU.swift for the equations.
//
// A row, `units` each: with the reset after the product | r | z | q | n |, where the input's product fills r z n, and the
// state's then adds to r z q, q starting from b_hn; with the reset before it | r | z | n | q |, where the state's product
// adds to r z, and then that of q = r * h to n.
//
// Packed: biases of r z n (and q), W_ih and W_hh with their rows r z n; with the reset before, W_hh as r z and then n.

import CSeriatim

/// The sizes of one direction of one GRU layer.
struct NarrowGRU: NarrowCell {
  typealias Forward = NarrowForward<NarrowGRU>

  let form: WeightForm
  let inputSize: Int
  let hiddenSize: Int
  let units: Int
  let resetAfter: Bool

  init(_ cell: srt_cell) {
    form = cell.form
    inputSize = cell.input_size
    hiddenSize = cell.hidden_size
    units = roundedUp(hiddenSize, to: laneCount)
    resetAfter = Int(cell.options) & Int(SRT_RESET_BEFORE) == 0
  }

  var gates: Int { 3 }
  var blocks: Int { 4 }
  var partsLastGate: Bool { resetAfter }
  var stages: Int { resetAfter ? 1 : 2 }
  func stage(_ index: Int) -> NarrowStage {
    index == 0
      ? NarrowStage(
        source: -1, depth: hiddenSize, offset: stateOffset, target: 0, columns: (resetAfter ? 3 : 2) &* units)
      : NarrowStage(source: 3, depth: hiddenSize, offset: candidateOffset, target: 2, columns: units)
  }

  var inputOffset: Int { biasSize }
  var stateOffset: Int { inputOffset &+ form.packedSize(depth: inputSize, columns: 3 &* units) }
  var candidateOffset: Int { stateOffset &+ form.packedSize(depth: hiddenSize, columns: 2 &* units) }
  var packedSize: Int {
    resetAfter
      ? stateOffset &+ form.packedSize(depth: hiddenSize, columns: 3 &* units)
      : candidateOffset &+ form.packedSize(depth: hiddenSize, columns: units)
  }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    fillZero(packed, biasSize)
    for block in 0..<3 {
      packBiasSum(
        packed + block &* units, weights.bias_ih, block == 2 && resetAfter ? nil : weights.bias_hh,
        first: block &* hiddenSize, count: hiddenSize, width: units)
    }
    if resetAfter {
      packBiasSum(
        packed + 3 &* units, nil, weights.bias_hh, first: 2 &* hiddenSize, count: hiddenSize, width: units)
    }
    func rows(_ first: Int, _ count: Int) -> GateRows {
      GateRows(hiddenSize: hiddenSize, units: units, gates: 3, first: first, count: count)
    }
    rows(0, 3).packNarrow(packed + inputOffset, form, weights.weight_ih.unsafelyUnwrapped, scales.ih, depth: inputSize)
    let weightHH = weights.weight_hh.unsafelyUnwrapped
    rows(0, resetAfter ? 3 : 2).packNarrow(packed + stateOffset, form, weightHH, scales.hh, depth: hiddenSize)
    if !resetAfter { rows(2, 1).packNarrow(packed + candidateOffset, form, weightHH, scales.hh, depth: hiddenSize) }
  }

  @inline(__always)
  func activate(
    _ stage: Int, _ row: Output, _ range: Range<Int>, _ packed: Input, h: Input?, c: Input?, newCell: Output, y: Output
  ) {
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = hiddenSize &- unit
      let target = row + unit
      var previous = broadcast(0)
      if let h { previous = load(h + unit, first: width) }
      if stage == 0 {
        let (r, z) = sigmoids(load(target), load(target + units))
        if resetAfter {
          let n = hyperbolicTangent(multiplyAdd(load(target + 3 &* units), r, load(target + 2 &* units)))
          store(multiplyAdd(n, z, previous - n), y + unit, first: width)
        } else {
          store(z, target + units)
          store(r * previous, target + 3 &* units)
        }
      } else {
        let n = hyperbolicTangent(load(target + 2 &* units))
        store(multiplyAdd(n, load(target + units), previous - n), y + unit, first: width)
      }
      unit &+= laneCount
    }
  }
}
