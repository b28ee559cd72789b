// A layer-normalised cell's time loop, forward: the state's product, then rows.

import CSeriatim

/// The time loop.
struct NormForward<Cell: NormalizedCell>: ForwardLoop {
  let shape: Cell
  let call: srt_recurrent_call
  let gates: GateMemory
  /// Parts into which the rows of a step are dealt, a panel's at a time.
  let rowParts: Int

  init(_ cell: Cell, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
    rowParts = threadLimit() &* panelRegisters
  }

  var passes: Int { 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { pass == 0 ? shape.width / laneCount : rowParts }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  func multiplyInputs() {
    product(
      gates.ready, outputStride: gates.readyStride, start: .zero, call.x, inputStride: shape.inputSize,
      packed: call.packed, rows: gates.readyRows.count, depth: shape.inputSize, columns: shape.width)
    let norm = RowNorm(shape, gates: shape.gates)
    parallel(tasks: min(gates.readyRows.count, taskLimit(work: 4 &* gates.readyRows.count &* shape.width))) {
      task, tasks in
      for row in untilCancelled(share(of: gates.readyRows.count, task, tasks), work: 8 &* shape.width) {
        let inverse = norm.normalize(gates.ready + row &* gates.readyStride)
        if gates.keeps { shape.row(gates.ready + row &* gates.stride).deviations[0] = inverse }
      }
    }
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 0 {
      stateProduct(step, call.y + step.previousRow &* call.output_stride, stride: call.output_stride)
        .run(share, rows: 0..<step.continuing, parts: parts)
      if let initialState = call.initial_states.h {
        stateProduct(step, initialState, stride: shape.hiddenSize)
          .run(share, rows: step.continuing..<step.count, parts: parts)
      }
      return
    }
    share.forEach(in: 0..<step.count) { sequence in
      if parts.contains(sequence &* panelRegisters % rowParts) { activate(step, sequence) }
    }
  }

  private func stateProduct(_ step: Step, _ state: Input, stride: Int) -> StepProduct {
    StepProduct(
      start: .zero, a: state, inputStride: stride, packed: call.packed + shape.statePackedOffset,
      depth: shape.hiddenSize, c: shape.row(gates.keptRow(step, 0)).state, outputStride: gates.stride,
      columns: shape.width, descending: step.descending)
  }

  private func activate(_ step: Step, _ sequence: Int) {
    let row = shape.row(gates.keptRow(step, sequence))
    var h = call.initial_states.h.map { $0 + sequence &* shape.hiddenSize }
    var c = call.initial_states.c.map { $0 + sequence &* shape.hiddenSize }
    if sequence < step.continuing {
      h = Input(call.y + (step.previousRow &+ sequence) &* call.output_stride)
      let previous = gates.keeps ? gates.kept + (step.previousRow &+ sequence) &* gates.stride : row.base
      c = shape.cellColumn.map { Input(previous + $0) }
    }
    if h == nil { fillZero(row.state, shape.width) }
    row.deviations[1] = RowNorm(shape, gates: shape.gates).normalize(row.state)
    shape.activate(
      row, input: gates.productRow(step, sequence), shape.vectors(call.packed + shape.vectorsOffset), h: h, c: c,
      y: call.y + (step.row &+ sequence) &* call.output_stride)
  }
}
