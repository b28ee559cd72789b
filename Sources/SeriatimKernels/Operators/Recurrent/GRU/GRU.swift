// A GRU layer, one direction, over a packed ragged batch. torch's equations (rows r, z, n of the weights):
//
//   r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
//   z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
//   n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))          reset after the product (torch, cuDNN)
//   n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)          reset before it (Cho et al. 2014)
//   h' = (1 - z) * n + z * h
//
// Units are padded inside to a multiple of the register width: `units`. Nobody outside sees it, except that the cache and
// the packed weights are as large as the functions here say.
//
// Packed weights, forward: one panel for every `laneCount` units, so that a tile holds r, z and n of the same units and
// the gates are computed from registers:
//   4 rows of biases (b_ir + b_hr, b_iz + b_hz, b_in, b_hn), then W_ih as (input, r z n), then W_hh as (hidden, r z n);
//   with the reset before the product W_hh is (hidden, r z) and then (hidden, n), and the biases of n are summed.
//
// Cache, one row of `gateStride` floats a frame: | n | r | z | q |, `units` each, where q = W_hn h + b_hn, or r * h when
// the reset comes before. The order lets backward, which overwrites the cache with the gates' gradients, use
// | n r z | as the gradient of the input's product and | r z q | as that of the state's.

import CSeriatim

/// The sizes of one direction of one GRU layer.
struct GRU: TrainedCell {
  typealias Forward = GRUForward
  typealias Backward = GRUBackward

  let inputSize: Int
  let hiddenSize: Int
  let resetAfter: Bool
  let units: Int

  init(_ cell: srt_cell) {
    inputSize = cell.input_size
    hiddenSize = cell.hidden_size
    resetAfter = Int(cell.options) & Int(SRT_RESET_BEFORE) == 0
    units = roundedUp(hiddenSize, to: laneCount)
  }

  var gates: Int { 3 }
  var panelSize: Int { (4 &+ 3 &* (inputSize &+ hiddenSize)) &* laneCount }
  var packedSize: Int { panels &* panelSize }
  var packedBackwardSize: Int { inputPackedOffset &+ SeriatimKernels.packedSize(depth: 3 &* units, columns: inputSize) }
  var inputPackedOffset: Int { SeriatimKernels.packedSize(depth: 3 &* units, columns: hiddenSize) }
  /// Padded by a line: rows a power of two apart would fall into one set of the cache.
  var cacheStride: Int { 4 &* units &+ 16 }
  /// With the reset before the product, dq.
  func backwardSpace(batch: Int, rows: Int) -> Int { resetAfter ? 0 : batch &* units }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    let (hidden, width) = (hiddenSize, laneCount)
    let (weightIH, weightHH) = (weights.weight_ih.unsafelyUnwrapped, weights.weight_hh.unsafelyUnwrapped)
    parallel(tasks: min(panels, taskLimit(work: packedSize))) { task, tasks in
      for panel in untilCancelled(share(of: panels, task, tasks), work: packedSize / panels) {
        let unit = panel &* width
        let count = min(width, hidden &- unit)
        let target = packed + panel &* panelSize
        packBiases(target, unit: unit, count: count, weights.bias_ih, weights.bias_hh)
        let input = target + 4 &* width
        let state = input + 3 &* width &* inputSize
        for gate in 0..<3 {
          let row = gate &* hidden &+ unit
          packPanel(
            input + gate &* width, stride: 3 &* width, width: width, weightIH + row &* inputSize, depthStride: 1,
            columnStride: inputSize, depth: inputSize, columns: count)
          let inPanel = resetAfter ? gate &* width : gate < 2 ? gate &* width : 2 &* width &* hidden
          packPanel(
            state + inPanel, stride: (resetAfter ? 3 : gate < 2 ? 2 : 1) &* width, width: width,
            weightHH + row &* hidden, depthStride: 1, columnStride: hidden, depth: hidden, columns: count)
        }
      }
    }
  }

  private func packBiases(_ target: Output, unit: Int, count: Int, _ biasIH: Input?, _ biasHH: Input?) {
    for lane in 0..<laneCount {
      for gate in 0..<4 {
        var value: Float = 0
        if lane < count {
          // Rows of the biases: r, z, n; the fourth of ours is the hidden bias of n.
          let index = min(gate, 2) &* hiddenSize &+ unit &+ lane
          if gate < 3, let biasIH { value += biasIH[index] }
          if gate != 2 || !resetAfter, let biasHH { value += biasHH[index] }
        }
        target[gate &* laneCount &+ lane] = value
      }
    }
  }

  /// W_hh with its rows in the order of `| r z q |`, then W_ih in the order of `| n r z |`. With the reset before the
  /// product, the rows r, z and the rows n of W_hh are two matrices.
  func packBackward(_ packed: Output, _ weights: srt_cell_weights) {
    let weightHH = weights.weight_hh.unsafelyUnwrapped
    GateRows(hiddenSize: hiddenSize, units: units, gates: 3, first: 0, count: resetAfter ? 3 : 2)
      .pack(packed, weightHH, columns: hiddenSize)
    if !resetAfter {
      GateRows(hiddenSize: hiddenSize, units: units, gates: 3, first: 2, count: 1)
        .pack(packed + resetPackedOffset, weightHH, columns: hiddenSize)
    }
    if let weightIH = weights.weight_ih {
      GateRows(hiddenSize: hiddenSize, units: units, gates: 3, first: 2, count: 3)
        .pack(packed + inputPackedOffset, weightIH, columns: inputSize)
    }
  }

  /// With the reset before the product: where the backward weights of n are.
  var resetPackedOffset: Int { SeriatimKernels.packedSize(depth: 2 &* units, columns: hiddenSize) }
}
