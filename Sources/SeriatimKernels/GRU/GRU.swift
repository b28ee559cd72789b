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

/// The sizes of one direction of one GRU layer.
public struct GRUShape {
  let inputSize: Int
  let hiddenSize: Int
  let resetAfter: Bool
  /// hiddenSize, padded.
  let units: Int
  let panels: Int

  /// The sizes of a layer.
  public init(inputSize: Int, hiddenSize: Int, resetAfter: Bool) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.resetAfter = resetAfter
    units = roundedUp(hiddenSize, to: laneCount)
    panels = units / laneCount
  }

  var panelSize: Int { (4 &+ 3 &* (inputSize &+ hiddenSize)) &* laneCount }

  /// Floats of the packed forward weights.
  public var packedSize: Int { panels &* panelSize }

  /// Floats of the packed backward weights, with those of the input gradient.
  public var packedBackwardSize: Int {
    hiddenPackedSize &+ SeriatimKernels.packedSize(depth: 3 &* units, columns: inputSize)
  }

  var hiddenPackedSize: Int { SeriatimKernels.packedSize(depth: 3 &* units, columns: hiddenSize) }

  /// Floats of a cache row. Padded by a line: rows a power of two apart would fall into one set of the cache.
  public var gateStride: Int { 4 &* units &+ 16 }

  /// Floats of scratch that `gruForward` needs.
  public func forwardScratchSize(batch: Int, rows: Int, steps: Int, training: Bool) -> Int {
    Schedule.scratchSize(rows: rows)
      &+ (training ? 0 : (batch &+ mostReadyRows(rows: rows, steps: steps)) &* gateStride)
  }

  /// Floats of scratch that `gruBackward` needs.
  public func backwardScratchSize(batch: Int, rows: Int) -> Int {
    Schedule.scratchSize(rows: rows) &+ 2 &* roundedUp(batch &* units, to: 16)
      &+ RecurrentFactors.scratchSize(batch: batch, rows: rows)
  }
}

/// Packs the forward weights.
///
/// - Parameters:
///   - packed: `shape.packedSize` floats
///   - weightIH: `(3 * hiddenSize, inputSize)`; weightHH: `(3 * hiddenSize, hiddenSize)`; rows r, z, n
///   - biasIH, biasHH: `(3 * hiddenSize,)` or nil
public func packGRU(
  _ packed: UnsafeMutablePointer<Float>, _ shape: GRUShape, weightIH: UnsafePointer<Float>,
  weightHH: UnsafePointer<Float>, biasIH: UnsafePointer<Float>?, biasHH: UnsafePointer<Float>?
) {
  let (hidden, width) = (shape.hiddenSize, laneCount)
  parallel(tasks: min(shape.panels, taskLimit(work: shape.packedSize))) { task, tasks in
    for panel in share(of: shape.panels, task, tasks) {
      let unit = panel &* width
      let count = min(width, hidden &- unit)
      let target = packed + panel &* shape.panelSize
      packBiases(target, shape, unit: unit, count: count, biasIH, biasHH)
      let input = target + 4 &* width
      let state = input + 3 &* width &* shape.inputSize
      for gate in 0..<3 {
        let row = gate &* hidden &+ unit
        packPanel(
          input + gate &* width, stride: 3 &* width, width: width, weightIH + row &* shape.inputSize, depthStride: 1,
          columnStride: shape.inputSize, depth: shape.inputSize, columns: count)
        let inPanel = shape.resetAfter ? gate &* width : gate < 2 ? gate &* width : 2 &* width &* hidden
        packPanel(
          state + inPanel, stride: (shape.resetAfter ? 3 : gate < 2 ? 2 : 1) &* width, width: width,
          weightHH + row &* hidden, depthStride: 1, columnStride: hidden, depth: hidden, columns: count)
      }
    }
  }
}

private func packBiases(
  _ target: Output, _ shape: GRUShape, unit: Int, count: Int, _ biasIH: Input?, _ biasHH: Input?
) {
  for lane in 0..<laneCount {
    for gate in 0..<4 {
      var value: Float = 0
      if lane < count {
        // Rows of the biases: r, z, n; the fourth of ours is the hidden bias of n.
        let index = min(gate, 2) &* shape.hiddenSize &+ unit &+ lane
        if gate < 3, let biasIH { value += biasIH[index] }
        if gate != 2 || !shape.resetAfter, let biasHH { value += biasHH[index] }
      }
      target[gate &* laneCount &+ lane] = value
    }
  }
}

/// Packs the backward weights: W_hh with its rows in the order of `| r z q |`, then (if `weightIH` is given) W_ih in the
/// order of `| n r z |`. With the reset before the product, the rows r, z and the rows n of W_hh are two matrices.
public func packGRUBackward(
  _ packed: UnsafeMutablePointer<Float>, _ shape: GRUShape, weightIH: UnsafePointer<Float>?,
  weightHH: UnsafePointer<Float>
) {
  let (hidden, units) = (shape.hiddenSize, shape.units)
  let resetUpdate = GateRows(hiddenSize: hidden, units: units, gates: 3, first: 0, count: shape.resetAfter ? 3 : 2)
  resetUpdate.pack(packed, weightHH, columns: hidden)
  if !shape.resetAfter {
    GateRows(hiddenSize: hidden, units: units, gates: 3, first: 2, count: 1)
      .pack(packed + packedSize(depth: 2 &* units, columns: hidden), weightHH, columns: hidden)
  }
  if let weightIH {
    GateRows(hiddenSize: hidden, units: units, gates: 3, first: 2, count: 3)
      .pack(packed + shape.hiddenPackedSize, weightIH, columns: shape.inputSize)
  }
}
