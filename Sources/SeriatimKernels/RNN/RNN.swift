// An Elman RNN layer, one direction, over a packed ragged batch:
//
//   h' = tanh(W_ih x + b_ih + W_hh h + b_hh),  or  relu(...)
//
// The input's product of all frames goes straight into the output, the time loop continues its sums. Backward needs only
// the output: tanh' = 1 - h'^2, relu' = (h' > 0).

/// The sizes of one direction of one RNN layer.
public struct RNNShape {
  let inputSize: Int
  let hiddenSize: Int
  /// Else tanh.
  let rectifies: Bool
  /// hiddenSize, padded.
  let units: Int

  /// The sizes of a layer.
  public init(inputSize: Int, hiddenSize: Int, rectifies: Bool) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.rectifies = rectifies
    units = roundedUp(hiddenSize, to: laneCount)
  }

  /// The biases, W_ih, W_hh.
  public var packedSize: Int { roundedUp(hiddenSize, to: panelWidth) &* (1 &+ inputSize &+ hiddenSize) }

  var inputPackedOffset: Int { roundedUp(hiddenSize, to: panelWidth) }

  var statePackedOffset: Int { roundedUp(hiddenSize, to: panelWidth) &* (1 &+ inputSize) }

  /// W_hh, and W_ih for the input gradient.
  public var packedBackwardSize: Int {
    hiddenPackedSize &+ SeriatimKernels.packedSize(depth: units, columns: inputSize)
  }

  var hiddenPackedSize: Int { SeriatimKernels.packedSize(depth: units, columns: hiddenSize) }

  /// Floats of a row of gradients. Padded by a line: rows a power of two apart would fall into one set of the cache.
  var gradientStride: Int { units &+ 16 }

  /// Floats of scratch that `rnnForward` needs.
  public func forwardScratchSize(rows: Int) -> Int { Schedule.scratchSize(rows: rows) }

  /// Floats of scratch that `rnnBackward` needs.
  public func backwardScratchSize(batch: Int, rows: Int) -> Int {
    Schedule.scratchSize(rows: rows) &+ roundedUp(batch &* units, to: 16) &+ rows &* gradientStride
      &+ RecurrentFactors.scratchSize(batch: batch, rows: rows)
  }
}

/// Packs the forward weights.
///
/// - Parameters:
///   - packed: `shape.packedSize` floats
///   - weightIH: `(hiddenSize, inputSize)`; weightHH: `(hiddenSize, hiddenSize)`
///   - biasIH, biasHH: `(hiddenSize,)` or nil
public func packRNN(
  _ packed: UnsafeMutablePointer<Float>, _ shape: RNNShape, weightIH: UnsafePointer<Float>,
  weightHH: UnsafePointer<Float>, biasIH: UnsafePointer<Float>?, biasHH: UnsafePointer<Float>?
) {
  for unit in 0..<shape.inputPackedOffset {
    packed[unit] = unit < shape.hiddenSize ? (biasIH?[unit] ?? 0) + (biasHH?[unit] ?? 0) : 0
  }
  packPanels(
    packed + shape.inputPackedOffset, weightIH, depthStride: 1, columnStride: shape.inputSize, depth: shape.inputSize,
    columns: shape.hiddenSize)
  packPanels(
    packed + shape.statePackedOffset, weightHH, depthStride: 1, columnStride: shape.hiddenSize, depth: shape.hiddenSize,
    columns: shape.hiddenSize)
}

/// Packs the backward weights: W_hh, and W_ih if it is given.
public func packRNNBackward(
  _ packed: UnsafeMutablePointer<Float>, _ shape: RNNShape, weightIH: UnsafePointer<Float>?,
  weightHH: UnsafePointer<Float>
) {
  let rows = GateRows(hiddenSize: shape.hiddenSize, units: shape.units, gates: 1, first: 0, count: 1)
  rows.pack(packed, weightHH, columns: shape.hiddenSize)
  if let weightIH { rows.pack(packed + shape.hiddenPackedSize, weightIH, columns: shape.inputSize) }
}
