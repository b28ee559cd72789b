// GRU backward through time. With dh the gradient of the new state h':
//
//   dz = dh * (h - n)       dn = dh * (1 - z)         dh (carried on) = dh * z + ...
//   dn' = dn * (1 - n^2)    (before tanh)             dz' = dz * z * (1 - z)
//   reset after:   dr = dn' * q,  dq = dn' * r;       dr' = dr * r * (1 - r);   ... + W_hh^T [dr' dz' dq]
//   reset before:  dq = W_hn^T dn',  dr = dq * h;     dr' = dr * r * (1 - r);   ... + dq * r + [W_hr W_hz]^T [dr' dz']
//
// The cache row | n r z q | becomes | dn' dr' dz' dq |; with the reset before, q = r * h stays, for it is the right
// factor of W_hn's gradient. The input gradient and the weight gradients are products over all
// frames after the time loop. FLOPs: 6 H H a frame in the loop, 6 H I for the input
// gradient, 6 H (I + H) for the weights.

import CSeriatim

/// The time loop.
struct GRUBackward: BackwardLoop {
  let shape: GRU
  let call: srt_recurrent_gradient_call
  let gates: Output
  /// dh of the step at hand, one padded row a sequence; and with the reset before, dq.
  let carry: Output
  let resetCarry: Output

  init(_ cell: GRU, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output) {
    shape = cell
    self.call = call
    gates = call.cache.unsafelyUnwrapped
    self.carry = carry
    resetCarry = space
  }

  /// Gates' gradients and the product; with the reset before: dn', dq, then dr', then the product.
  var passes: Int { shape.resetAfter ? 2 : 3 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { registerCount(shape.hiddenSize) }
  /// What the last pass wrote is read by its own part only.
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass < passes &- 1 }

  var gateGradients: RowSource { RowSource(gates, stride: shape.cacheStride) }

  /// The rows of the weights are r, z, n; the input's gradients lie as | n r z |, the state's as | r z q |.
  func addGradients(_ factors: RecurrentFactors) {
    let units = shape.units
    factors.add(gate: 0, gates: 2, column: units, units: units)
    factors.addInput(gate: 2, column: 0)
    if shape.resetAfter {
      factors.addState(gate: 2, column: 3 &* units)
    } else {
      factors.addState(gate: 2, column: 0, right: 3 &* units)
    }
  }
}

extension GRUBackward {
  /// One pass of one step for one worker's rows and units.
  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 0 {
      let range = unitRange(of: parts, units: shape.units)
      forEachState(step, share) { sequence, previous in gateGradients(step, sequence, range, previous: previous) }
      return
    }
    // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
    let rows = call.grad_initial_states.h != nil ? step.count : step.continuing
    if shape.resetAfter {
      stateProduct(step, gate: 1, gates: 3, packed: call.packed, into: carry, .output).run(
        share, rows: 0..<rows, parts: parts)
    } else if pass == 1 {
      let candidates = call.packed + shape.resetPackedOffset
      stateProduct(step, gate: 0, gates: 1, packed: candidates, into: resetCarry, .zero)
        .run(share, rows: 0..<step.count, parts: parts)
      let range = unitRange(of: parts, units: shape.units)
      forEachState(step, share) { sequence, previous in resetGradients(step, sequence, range, previous: previous) }
    } else {
      stateProduct(step, gate: 1, gates: 2, packed: call.packed, into: carry, .output).run(
        share, rows: 0..<rows, parts: parts)
    }
  }

  /// `body(sequence, previous state)` for this worker's rows; nil for zeros.
  @inline(__always)
  private func forEachState(_ step: Step, _ share: RowShare, _ body: (_ sequence: Int, _ previous: Input?) -> Void) {
    share.forEach(in: 0..<step.continuing) { row in body(row, call.y + (step.previousRow &+ row) &* call.output_stride)
    }
    share.forEach(in: step.continuing..<step.count) { row in
      if let initialState = call.initial_states.h {
        body(row, initialState + row &* shape.hiddenSize)
      } else {
        body(row, nil)
      }
    }
  }

  /// One row: | n r z q | -> | dn' dr' dz' dq |, and carry = dh * z. With the reset before, r and q are left.
  private func gateGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>, previous: Input?) {
    let row = step.row &+ sequence
    let units = shape.units
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      let gate = gates + row &* shape.cacheStride + unit
      let target = carry + sequence &* units + unit
      var dh = load(target)
      if let gradY = call.grad_y { dh += load(gradY + row &* call.grad_output_stride + unit, first: width) }
      var h = broadcast(0)
      if let previous { h = load(previous + unit, first: width) }
      let one = broadcast(1)
      let n = load(gate)
      let z = load(gate + 2 &* units)
      let beforeTanh = dh * (one - z) * (one - n * n)
      store(beforeTanh, gate)
      store(dh * (h - n) * z * (one - z), gate + 2 &* units)
      store(dh * z, target)
      if shape.resetAfter {
        let r = load(gate + units)
        let q = load(gate + 3 &* units)
        store(beforeTanh * q * r * (one - r), gate + units)
        store(beforeTanh * r, gate + 3 &* units)
      }
      unit &+= laneCount
    }
  }

  /// One row, reset before: r -> dr', and carry += dq * r.
  private func resetGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>, previous: Input?) {
    let units = shape.units
    var unit = range.lowerBound
    while unit < range.upperBound {
      let gate = gates + (step.row &+ sequence) &* shape.cacheStride + unit
      let target = carry + sequence &* units + unit
      let dq = load(resetCarry + sequence &* units + unit)
      let r = load(gate + units)
      var h = broadcast(0)
      if let previous { h = load(previous + unit, first: shape.hiddenSize &- unit) }
      store(multiplyAdd(load(target), dq, r), target)
      store(dq * h * r * (broadcast(1) - r), gate + units)
      unit &+= laneCount
    }
  }

  /// `target (+)= [gates from gate on] times their weights`.
  @inline(__always)
  private func stateProduct(
    _ step: Step, gate: Int, gates count: Int, packed: Input, into target: Output, _ start: ProductStart
  ) -> StepProduct {
    StepProduct(
      start: start, a: gates + step.row &* shape.cacheStride + gate &* shape.units, inputStride: shape.cacheStride,
      packed: packed, depth: count &* shape.units, c: target, outputStride: shape.units, columns: shape.units,
      descending: step.descending)
  }
}
