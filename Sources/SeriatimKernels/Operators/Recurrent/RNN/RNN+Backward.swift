// RNN backward through time. With dh the gradient of h', and a' that of the sum under the activation:
//
//   a' = dh * (1 - h'^2)   (relu: dh where h' > 0)        dh (carried on) = W_hh^T a'
//
// FLOPs: 2 H H a frame in the loop, 2 H I for the input gradient, 2 H (I + H) for the weights.

import CSeriatim

/// The time loop.
struct RNNBackward: BackwardLoop {
  let shape: RNN
  let call: srt_recurrent_gradient_call
  /// a' of every frame; dh of the step at hand, `units` a sequence.
  let gradients: Output
  let carry: Output

  init(_ cell: RNN, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output) {
    shape = cell
    self.call = call
    gradients = space
    self.carry = carry
  }

  /// a' and the product.
  var passes: Int { 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { shape.panels }
  /// What the last pass wrote is read by its own part only.
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass == 0 }

  var gateGradients: RowSource { RowSource(gradients, stride: shape.gradientStride) }

  func addGradients(_ factors: RecurrentFactors) { factors.add(gate: 0, gates: 1, column: 0, units: shape.units) }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 0 {
      let range = unitRange(of: parts, units: shape.units)
      share.forEach(in: 0..<step.count) { row in sumGradients(step, row, range) }
      return
    }
    // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
    StepProduct(
      start: .zero, a: gradients + step.row &* shape.gradientStride, inputStride: shape.gradientStride,
      packed: call.packed,
      depth: shape.units, c: carry, outputStride: shape.units, columns: shape.units, descending: step.descending
    ).run(share, rows: 0..<(call.grad_initial_states.h != nil ? step.count : step.continuing), parts: parts)
  }

  private func sumGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      var dh = load(carry + sequence &* shape.units + unit)
      if let gradY = call.grad_y { dh += load(gradY + row &* call.grad_output_stride + unit, first: width) }
      let h = load(call.y + row &* call.output_stride + unit, first: width)
      let slope =
        shape.isReLU ? dh.replacing(with: broadcast(0), where: h .<= broadcast(0)) : dh * (broadcast(1) - h * h)
      store(slope, gradients + row &* shape.gradientStride + unit)
      unit &+= laneCount
    }
  }
}
