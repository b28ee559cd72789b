// An LSTM layer, one direction, over a packed ragged batch. torch's equations (rows i, f, g, o of the weights):
//
//   i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
//   f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
//   g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
//   c' = f * c + i * g
//   h' = o * tanh(c'), or W_hr (o * tanh(c')) with a projection (Sak et al. 2014)
//
// and with peepholes (Gers et al. 2002; ONNX's P) w_ci * c in the sum of i, w_cf * c in that of f, w_co * c' in that of o.
//
// The state h, and the output, have `stateSize` elements: hiddenSize, or the projection's.
//
// Packed weights, forward: one panel for every `laneCount` units, four registers wide, so that a tile holds i, f, g and o
// of the same units: a row of biases (b_i* + b_h*), then W_ih as (input, i f g o), then W_hh as (state, i f g o), then the
// peepholes i f o if there are any. Behind the panels W_hr, packed as the right factor of a product.
//
// Cache, one row of `gateStride` floats a frame: | i | f | g | o | c | h |, `units` each, where c = c' and h = o * tanh(c')
// is there only with a projection. Backward overwrites the gates with their gradients.

import CSeriatim

/// The sizes of one direction of one LSTM layer.
struct LSTM: TrainedCell {
  typealias Forward = LSTMForward
  typealias Backward = LSTMBackward

  static var tileRows: Int { wideTileRows }

  let inputSize: Int
  let hiddenSize: Int
  /// 0: none.
  let projectionSize: Int
  let hasPeepholes: Bool
  let units: Int

  init(_ cell: srt_cell) {
    inputSize = cell.input_size
    hiddenSize = cell.hidden_size
    projectionSize = cell.projection_size
    hasPeepholes = Int(cell.options) & Int(SRT_PEEPHOLE) != 0
    units = roundedUp(hiddenSize, to: laneCount)
  }

  var projects: Bool { projectionSize > 0 }
  var stepWork: Int { gates &* hiddenSize &* stateSize &+ hiddenSize &* projectionSize }
  var stateSize: Int { projects ? projectionSize : hiddenSize }
  var gates: Int { 4 }
  var parameters: Int {
    Int(SRT_HAS_WEIGHT_HH) | Int(SRT_HAS_BIAS_HH) | (projects ? Int(SRT_HAS_WEIGHT_HR) : 0)
      | (hasPeepholes ? Int(SRT_HAS_WEIGHT_CH) : 0)
  }
  var panelSize: Int { (4 &* (1 &+ inputSize &+ stateSize) &+ (hasPeepholes ? 3 : 0)) &* laneCount }
  var packedSize: Int {
    panels &* panelSize &+ SeriatimKernels.packedSize(depth: hiddenSize, columns: projectionSize)
  }
  var packedBackwardSize: Int {
    inputPackedOffset &+ SeriatimKernels.packedSize(depth: 4 &* units, columns: inputSize)
  }
  /// W_hh, then W_hr, then the peepholes, `units` each, then W_ih.
  var projectionPackedOffset: Int { SeriatimKernels.packedSize(depth: 4 &* units, columns: stateSize) }
  var inputPackedOffset: Int {
    peepholePackedOffset &+ (hasPeepholes ? 3 &* units : 0)
  }
  var peepholePackedOffset: Int {
    projectionPackedOffset
      &+ (projects ? SeriatimKernels.packedSize(depth: projectionSize, columns: hiddenSize) : 0)
  }
  /// Padded by a line: rows a power of two apart would fall into one set of the cache.
  var cacheStride: Int { (projects ? 6 : 5) &* units &+ 16 }
  var cellColumn: Int? { 4 &* units }
  /// With a projection: dp of every frame, and dh of the step at hand.
  func backwardSpace(batch: Int, rows: Int) -> Int {
    projects ? rows &* stateUnits &+ roundedUp(batch &* units, to: 16) : 0
  }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    let (hidden, width) = (hiddenSize, laneCount)
    let (weightIH, weightHH) = (weights.weight_ih.unsafelyUnwrapped, weights.weight_hh.unsafelyUnwrapped)
    parallel(tasks: min(panels, taskLimit(work: packedSize))) { task, tasks in
      for panel in untilCancelled(share(of: panels, task, tasks), work: packedSize / panels) {
        let unit = panel &* width
        let count = min(width, hidden &- unit)
        let biases = packed + panel &* panelSize
        let input = biases + 4 &* width
        let state = input + 4 &* width &* inputSize
        for gate in 0..<4 {
          let row = gate &* hidden &+ unit
          for lane in 0..<width {
            biases[gate &* width &+ lane] =
              lane < count ? (weights.bias_ih?[row &+ lane] ?? 0) + (weights.bias_hh?[row &+ lane] ?? 0) : 0
          }
          packPanel(
            input + gate &* width, stride: 4 &* width, width: width, weightIH + row &* inputSize, depthStride: 1,
            columnStride: inputSize, depth: inputSize, columns: count)
          packPanel(
            state + gate &* width, stride: 4 &* width, width: width, weightHH + row &* stateSize, depthStride: 1,
            columnStride: stateSize, depth: stateSize, columns: count)
        }
        if hasPeepholes, let weightCH = weights.weight_ch {
          let peepholes = state + 4 &* width &* stateSize
          for gate in 0..<3 {
            copyPadded(peepholes + gate &* width, weightCH + (gate &* hidden &+ unit), count, width: width)
          }
        }
      }
    }
    if projects, let weightHR = weights.weight_hr {
      packPanels(
        packed + panels &* panelSize, weightHR, depthStride: 1, columnStride: hidden, depth: hidden,
        columns: projectionSize)
    }
  }

  func packBackward(_ packed: Output, _ weights: srt_cell_weights) {
    let rows = GateRows(hiddenSize: hiddenSize, units: units, gates: 4, first: 0, count: 4)
    rows.pack(packed, weights.weight_hh.unsafelyUnwrapped, columns: stateSize)
    if projects, let weightHR = weights.weight_hr {
      packPanels(
        packed + projectionPackedOffset, weightHR, depthStride: hiddenSize, columnStride: 1, depth: projectionSize,
        columns: hiddenSize)
    }
    if hasPeepholes, let weightCH = weights.weight_ch {
      for gate in 0..<3 {
        copyPadded(
          packed + (peepholePackedOffset &+ gate &* units), weightCH + gate &* hiddenSize, hiddenSize, width: units)
      }
    }
    if let weightIH = weights.weight_ih { rows.pack(packed + inputPackedOffset, weightIH, columns: inputSize) }
  }
}
