// An Elman RNN layer, one direction, over a packed ragged batch:
//
//   h' = tanh(W_ih x + b_ih + W_hh h + b_hh),  or  relu(...)
//
// The input's product of all frames goes straight into the output, the time loop continues its sums. Backward needs only
// the output: tanh' = 1 - h'^2, relu' = (h' > 0).

import CSeriatim

/// The sizes of one direction of one RNN layer.
struct RNN: TrainedCell {
  typealias Forward = RNNForward
  typealias Backward = RNNBackward

  let inputSize: Int
  let hiddenSize: Int
  /// Else tanh.
  let isReLU: Bool
  let units: Int
  /// Of the forward weights; in others than float32 there is no backward pass.
  let form: WeightForm

  init(_ cell: srt_cell) {
    inputSize = cell.input_size
    hiddenSize = cell.hidden_size
    isReLU = Int(cell.options) & Int(SRT_RELU) != 0
    units = roundedUp(hiddenSize, to: laneCount)
    form = cell.form
  }

  var gates: Int { 1 }
  var multipliesAllInputs: Bool { true }
  /// The biases, W_ih, W_hh.
  var packedSize: Int { statePackedOffset &+ form.packedSize(depth: hiddenSize, columns: hiddenSize) }
  var biasSize: Int { roundedUp(hiddenSize, to: panelWidth) }
  var statePackedOffset: Int { biasSize &+ form.packedSize(depth: inputSize, columns: hiddenSize) }
  /// W_hh, and W_ih for the input gradient.
  var packedBackwardSize: Int { inputPackedOffset &+ SeriatimKernels.packedSize(depth: units, columns: inputSize) }
  var inputPackedOffset: Int { SeriatimKernels.packedSize(depth: units, columns: hiddenSize) }
  var cacheStride: Int { 0 }
  /// Floats of a row of gradients. Padded by a line: rows a power of two apart would fall into one set of the cache.
  var gradientStride: Int { units &+ 16 }
  func backwardSpace(batch: Int, rows: Int) -> Int { rows &* gradientStride }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    packBiasSum(packed, weights.bias_ih, weights.bias_hh, first: 0, count: hiddenSize, width: biasSize)
    if form != .float32 {
      let rows = GateRows.all(of: hiddenSize)
      rows.packNarrow(packed + biasSize, form, weights.weight_ih.unsafelyUnwrapped, scales.ih, depth: inputSize)
      rows.packNarrow(
        packed + statePackedOffset, form, weights.weight_hh.unsafelyUnwrapped, scales.hh, depth: hiddenSize)
      return
    }
    packPanels(
      packed + biasSize, weights.weight_ih.unsafelyUnwrapped, depthStride: 1, columnStride: inputSize, depth: inputSize,
      columns: hiddenSize)
    packPanels(
      packed + statePackedOffset, weights.weight_hh.unsafelyUnwrapped, depthStride: 1, columnStride: hiddenSize,
      depth: hiddenSize, columns: hiddenSize)
  }

  func packBackward(_ packed: Output, _ weights: srt_cell_weights) {
    let rows = GateRows(hiddenSize: hiddenSize, units: units, gates: 1, first: 0, count: 1)
    rows.pack(packed, weights.weight_hh.unsafelyUnwrapped, columns: hiddenSize)
    if let weightIH = weights.weight_ih { rows.pack(packed + inputPackedOffset, weightIH, columns: inputSize) }
  }
}
