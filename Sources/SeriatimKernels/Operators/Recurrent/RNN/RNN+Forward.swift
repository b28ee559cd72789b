// RNN forward. FLOPs: 2 H (I + H) a frame.

import CSeriatim

/// The time loop.
struct RNNForward: ForwardLoop {
  let shape: RNN
  let call: srt_recurrent_call
  let gates: GateMemory

  init(_ cell: RNN, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
  }

  var passes: Int { 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { panelCount(shape.hiddenSize) }
  /// Panels: narrow weights are not cut within one.
  var partsTogether: Int { 1 }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  /// Of all frames, straight into the output.
  func multiplyInputs() {
    product(
      call.y, outputStride: call.output_stride, start: .bias(call.packed), call.x, inputStride: shape.inputSize,
      packed: call.packed + shape.biasSize, form: shape.form, rows: gates.readyRows.count, depth: shape.inputSize,
      columns: shape.hiddenSize)
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    let parts = parts.lowerBound &* panelRegisters..<parts.upperBound &* panelRegisters
    stateProduct(step, call.y + step.previousRow &* call.output_stride, stride: call.output_stride)
      .run(share, rows: 0..<step.continuing, parts: parts)
    if let initialState = call.initial_states.h {
      stateProduct(step, initialState, stride: shape.hiddenSize)
        .run(share, rows: step.continuing..<step.count, parts: parts)
    }
    let range = unitRange(of: parts, units: shape.hiddenSize)
    share.forEach(in: 0..<step.count) { row in activate(call.y + (step.row &+ row) &* call.output_stride, range) }
  }

  @inline(__always)
  private func stateProduct(_ step: Step, _ state: Input, stride: Int) -> StepProduct {
    StepProduct(
      start: .output, a: state, inputStride: stride, packed: call.packed + shape.statePackedOffset,
      depth: shape.hiddenSize,
      c: call.y + step.row &* call.output_stride, outputStride: call.output_stride, columns: shape.hiddenSize,
      descending: step.descending, form: shape.form)
  }

  private func activate(_ row: Output, _ range: Range<Int>) {
    var unit = range.lowerBound
    while unit < range.upperBound {
      let value = load(row + unit, first: range.upperBound &- unit)
      let active = shape.isReLU ? value.atLeast(broadcast(0)) : hyperbolicTangent(value)
      store(active, row + unit, first: range.upperBound &- unit)
      unit &+= laneCount
    }
  }
}
