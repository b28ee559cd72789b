// An LSTM layer, one direction, over a packed ragged batch. torch's equations (rows i, f, g, o of the weights):
//
//   i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
//   f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
//   g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
//   c' = f * c + i * g
//   h' = o * tanh(c'), or W_hr (o * tanh(c')) with a projection (Sak et al. 2014)
//
// The state h, and the output, have `stateSize` elements: hiddenSize, or the projection's.
//
// Packed weights, forward: one panel for every `laneCount` units, four registers wide, so that a tile holds i, f, g and o
// of the same units: a row of biases (b_i* + b_h*), then W_ih as (input, i f g o), then W_hh as (state, i f g o). Behind
// the panels W_hr, packed as the right factor of a product.
//
// Cache, one row of `gateStride` floats a frame: | i | f | g | o | c | h |, `units` each, where c = c' and h = o * tanh(c')
// is there only with a projection. Backward overwrites the gates with their gradients.

/// The sizes of one direction of one LSTM layer.
public struct LSTMShape {
  let inputSize: Int
  let hiddenSize: Int
  /// 0: none.
  let projectionSize: Int
  /// hiddenSize, padded.
  let units: Int
  let panels: Int

  /// The sizes of a layer.
  public init(inputSize: Int, hiddenSize: Int, projectionSize: Int) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.projectionSize = projectionSize
    units = roundedUp(hiddenSize, to: laneCount)
    panels = units / laneCount
  }

  var projects: Bool { projectionSize > 0 }

  /// Of the recurrent state and the output.
  public var stateSize: Int { projects ? projectionSize : hiddenSize }

  /// stateSize, padded.
  var stateUnits: Int { roundedUp(stateSize, to: laneCount) }

  var panelSize: Int { 4 &* (1 &+ inputSize &+ stateSize) &* laneCount }

  /// Floats of the packed forward weights.
  public var packedSize: Int {
    panels &* panelSize &+ SeriatimKernels.packedSize(depth: hiddenSize, columns: projectionSize)
  }

  /// Floats of the packed backward weights, with those of the input gradient.
  public var packedBackwardSize: Int {
    inputPackedOffset &+ SeriatimKernels.packedSize(depth: 4 &* units, columns: inputSize)
  }

  /// W_hh, then W_hr, then W_ih.
  var projectionPackedOffset: Int { SeriatimKernels.packedSize(depth: 4 &* units, columns: stateSize) }

  var inputPackedOffset: Int {
    projectionPackedOffset
      &+ (projects ? SeriatimKernels.packedSize(depth: projectionSize, columns: hiddenSize) : 0)
  }

  /// Floats of a cache row. Padded by a line: rows a power of two apart would fall into one set of the cache.
  public var gateStride: Int { (projects ? 6 : 5) &* units &+ 16 }

  /// Floats of scratch that `lstmForward` needs.
  public func forwardScratchSize(batch: Int, rows: Int, steps: Int, training: Bool) -> Int {
    Schedule.scratchSize(rows: rows)
      &+ (training ? 0 : (batch &+ mostReadyRows(rows: rows, steps: steps)) &* gateStride)
  }

  /// Floats of scratch that `lstmBackward` needs.
  public func backwardScratchSize(batch: Int, rows: Int) -> Int {
    let projected = projects ? rows &* stateUnits &+ roundedUp(batch &* units, to: 16) : 0
    return Schedule.scratchSize(rows: rows) &+ roundedUp(batch &* stateUnits, to: 16)
      &+ roundedUp(batch &* units, to: 16) &+ projected &+ RecurrentFactors.scratchSize(batch: batch, rows: rows)
  }
}

/// Packs the forward weights.
///
/// - Parameters:
///   - packed: `shape.packedSize` floats
///   - weightIH: `(4 * hiddenSize, inputSize)`; weightHH: `(4 * hiddenSize, stateSize)`; rows i, f, g, o
///   - biasIH, biasHH: `(4 * hiddenSize,)` or nil
///   - weightHR: `(projectionSize, hiddenSize)`; read only with a projection
public func packLSTM(
  _ packed: UnsafeMutablePointer<Float>, _ shape: LSTMShape, weightIH: UnsafePointer<Float>,
  weightHH: UnsafePointer<Float>, biasIH: UnsafePointer<Float>?, biasHH: UnsafePointer<Float>?,
  weightHR: UnsafePointer<Float>?
) {
  let (hidden, width) = (shape.hiddenSize, laneCount)
  parallel(tasks: min(shape.panels, taskLimit(work: shape.packedSize))) { task, tasks in
    for panel in share(of: shape.panels, task, tasks) {
      let unit = panel &* width
      let count = min(width, hidden &- unit)
      let biases = packed + panel &* shape.panelSize
      let input = biases + 4 &* width
      let state = input + 4 &* width &* shape.inputSize
      for gate in 0..<4 {
        let row = gate &* hidden &+ unit
        for lane in 0..<width {
          biases[gate &* width &+ lane] = lane < count ? (biasIH?[row &+ lane] ?? 0) + (biasHH?[row &+ lane] ?? 0) : 0
        }
        packPanel(
          input + gate &* width, stride: 4 &* width, width: width, weightIH + row &* shape.inputSize, depthStride: 1,
          columnStride: shape.inputSize, depth: shape.inputSize, columns: count)
        packPanel(
          state + gate &* width, stride: 4 &* width, width: width, weightHH + row &* shape.stateSize, depthStride: 1,
          columnStride: shape.stateSize, depth: shape.stateSize, columns: count)
      }
    }
  }
  if shape.projects, let weightHR {
    packPanels(
      packed + shape.panels &* shape.panelSize, weightHR, depthStride: 1, columnStride: hidden, depth: hidden,
      columns: shape.projectionSize)
  }
}

/// Packs the backward weights: W_hh, W_hr if there is a projection, and W_ih if it is given.
public func packLSTMBackward(
  _ packed: UnsafeMutablePointer<Float>, _ shape: LSTMShape, weightIH: UnsafePointer<Float>?,
  weightHH: UnsafePointer<Float>, weightHR: UnsafePointer<Float>?
) {
  let gates = GateRows(hiddenSize: shape.hiddenSize, units: shape.units, gates: 4, first: 0, count: 4)
  gates.pack(packed, weightHH, columns: shape.stateSize)
  if shape.projects, let weightHR {
    packPanels(
      packed + shape.projectionPackedOffset, weightHR, depthStride: shape.hiddenSize, columnStride: 1,
      depth: shape.projectionSize, columns: shape.hiddenSize)
  }
  if let weightIH { gates.pack(packed + shape.inputPackedOffset, weightIH, columns: shape.inputSize) }
}
