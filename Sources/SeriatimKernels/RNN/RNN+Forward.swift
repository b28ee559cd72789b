// RNN forward. FLOPs: 2 H (I + H) a frame.

/// Where `rnnForward` reads and writes.
private struct RNNForward: Recurrence {
  let shape: RNNShape
  let packed: Input
  let initialState: Input?
  let y: Output
  let outputStride: Int

  var passes: Int { 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { panelCount(shape.hiddenSize) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    stateProduct(step, y + step.previousRow &* outputStride, stride: outputStride)
      .run(share, rows: 0..<step.continuing, parts: parts)
    if let initialState {
      stateProduct(step, initialState, stride: shape.hiddenSize)
        .run(share, rows: step.continuing..<step.count, parts: parts)
    }
    let range = unitRange(of: parts, units: shape.hiddenSize)
    share.forEach(in: 0..<step.count) { row in activate(y + (step.row &+ row) &* outputStride, range) }
  }

  @inline(__always)
  private func stateProduct(_ step: Step, _ state: Input, stride: Int) -> StepProduct {
    StepProduct(
      start: .output, a: state, inputStride: stride, packed: packed + shape.statePackedOffset, depth: shape.hiddenSize,
      c: y + step.row &* outputStride, outputStride: outputStride, columns: shape.hiddenSize,
      descending: step.descending)
  }

  private func activate(_ row: Output, _ range: Range<Int>) {
    var unit = range.lowerBound
    while unit < range.upperBound {
      let value = load(row + unit, first: range.upperBound &- unit)
      let active = shape.rectifies ? value.atLeast(broadcast(0)) : hyperbolicTangent(value)
      store(active, row + unit, first: range.upperBound &- unit)
      unit &+= laneCount
    }
  }
}

/// One direction of one RNN layer.
///
/// - Parameters:
///   - y: `(rows, hiddenSize)`, row stride `outputStride`
///   - finalState: `(batch, hiddenSize)`: each sequence's state after its own last step (reverse: after its first)
///   - x: `(rows, inputSize)`
///   - initialState: `(batch, hiddenSize)`, or nil for zeros
///   - packed: from `packRNN`
///   - scratch: `shape.forwardScratchSize` floats
public func rnnForward(
  _ shape: RNNShape, y: UnsafeMutablePointer<Float>, outputStride: Int, finalState: UnsafeMutablePointer<Float>,
  x: UnsafePointer<Float>, ragged: RaggedBatch, initialState: UnsafePointer<Float>?, packed: UnsafePointer<Float>,
  reverse: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let schedule = Schedule(ragged, reverse: reverse, backward: false, scratch: scratch)
  let layer = RNNForward(
    shape: shape, packed: packed, initialState: initialState, y: y, outputStride: outputStride)
  product(
    y, outputStride: outputStride, start: .bias(packed), x, inputStride: shape.inputSize,
    packed: packed + shape.inputPackedOffset, rows: ragged.rows, depth: shape.inputSize, columns: shape.hiddenSize)
  run(
    layer, schedule,
    RecurrentPlan(ragged, work: shape.hiddenSize &* shape.hiddenSize, parts: layer.parts(0), tileRows: tileRows))
  copyFinalStates(
    finalState, y: y, outputStride: outputStride, size: shape.hiddenSize, ragged: ragged, reverse: reverse)
}
