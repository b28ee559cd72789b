// RNN backward through time. With dh the gradient of h', and a' that of the sum under the activation:
//
//   a' = dh * (1 - h'^2)   (relu: dh where h' > 0)        dh (carried on) = W_hh^T a'
//
// FLOPs: 2 H H a frame in the loop, 2 H I for the input gradient, 2 H (I + H) for the weights.

/// Where the time loop reads and writes.
private struct RNNBackward: Recurrence {
  let shape: RNNShape
  let packed: Input
  let gradY: Input?
  let gradOutputStride: Int
  let y: Input
  let outputStride: Int
  /// a' of every frame; dh of the step at hand, `units` a sequence.
  let gradients: Output
  let carry: Output
  let wantsInitialState: Bool

  /// a' and the product.
  var passes: Int { 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { panelCount(shape.hiddenSize) }
  /// What the last pass wrote is read by its own part only.
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass == 0 }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 0 {
      let range = unitRange(of: parts, units: shape.units)
      share.forEach(in: 0..<step.count) { row in sumGradients(step, row, range) }
      return
    }
    // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
    StepProduct(
      start: .zero, a: gradients + step.row &* shape.gradientStride, inputStride: shape.gradientStride, packed: packed,
      depth: shape.units, c: carry, outputStride: shape.units, columns: shape.units, descending: step.descending
    ).run(share, rows: 0..<(wantsInitialState ? step.count : step.continuing), parts: parts)
  }

  private func sumGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      var dh = load(carry + sequence &* shape.units + unit)
      if let gradY { dh += load(gradY + row &* gradOutputStride + unit, first: width) }
      let h = load(y + row &* outputStride + unit, first: width)
      let slope =
        shape.rectifies ? dh.replacing(with: broadcast(0), where: h .<= broadcast(0)) : dh * (broadcast(1) - h * h)
      store(slope, gradients + row &* shape.gradientStride + unit)
      unit &+= laneCount
    }
  }
}

/// The gradients of `rnnForward`.
///
/// - Parameters:
///   - gradY: `(rows, hiddenSize)`, row stride `gradOutputStride`, or nil for zeros
///   - gradFinalState: `(batch, hiddenSize)` or nil for zeros
///   - x, y, outputStride, ragged, initialState, reverse: as in the forward call
///   - packed: from `packRNNBackward`, with W_ih if the input's gradient is wanted
///   - scratch: `shape.backwardScratchSize` floats
public func rnnBackward(
  _ shape: RNNShape, _ gradients: RecurrentGradients, gradY: UnsafePointer<Float>?, gradOutputStride: Int,
  gradFinalState: UnsafePointer<Float>?, x: UnsafePointer<Float>, y: UnsafePointer<Float>, outputStride: Int,
  ragged: RaggedBatch, initialState: UnsafePointer<Float>?, packed: UnsafePointer<Float>, reverse: Bool,
  scratch: UnsafeMutablePointer<Float>
) {
  let (batch, hidden, units) = (ragged.batch, shape.hiddenSize, shape.units)
  let schedule = Schedule(ragged, reverse: reverse, backward: true, scratch: scratch)
  let carry = scratch + Schedule.scratchSize(rows: ragged.rows)
  let sums = carry + roundedUp(batch &* units, to: 16)
  let loop = RNNBackward(
    shape: shape, packed: packed, gradY: gradY, gradOutputStride: gradOutputStride, y: y, outputStride: outputStride,
    gradients: sums, carry: carry, wantsInitialState: gradients.initialState != nil)
  copyStates(carry, width: units, gradFinalState, size: hidden, batch: batch)
  run(loop, schedule, RecurrentPlan(ragged, work: hidden &* hidden, parts: loop.parts(0), tileRows: tileRows))
  if let target = gradients.initialState {
    for sequence in 0..<batch {
      copyPadded(target + sequence &* hidden, carry + sequence &* units, hidden, width: hidden)
    }
  }
  if let gradX = gradients.x {
    product(
      gradX, outputStride: shape.inputSize, start: gradients.accumulateX ? .output : .zero, sums,
      inputStride: shape.gradientStride, packed: packed + shape.hiddenPackedSize, rows: ragged.rows, depth: units,
      columns: shape.inputSize)
  }
  let factors = RecurrentFactors(
    schedule, inputSize: shape.inputSize, hiddenSize: hidden, stateSize: hidden, cache: sums,
    cacheStride: shape.gradientStride, x: x, y: y, outputStride: outputStride, initialState: initialState,
    scratch: sums + ragged.rows &* shape.gradientStride)
  factors.add(gradients, gate: 0, gates: 1, column: 0, units: units)
}
