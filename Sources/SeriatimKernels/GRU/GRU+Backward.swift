// GRU backward through time. With dh the gradient of the new state h':
//
//   dz = dh * (h - n)       dn = dh * (1 - z)         dh (carried on) = dh * z + ...
//   dn' = dn * (1 - n^2)    (before tanh)             dz' = dz * z * (1 - z)
//   reset after:   dr = dn' * q,  dq = dn' * r;       dr' = dr * r * (1 - r);   ... + W_hh^T [dr' dz' dq]
//   reset before:  dq = W_hn^T dn',  dr = dq * h;     dr' = dr * r * (1 - r);   ... + dq * r + [W_hr W_hz]^T [dr' dz']
//
// The cache row | n r z q | becomes | dn' dr' dz' dq |; with the reset before, q = r * h stays, for it is the right
// factor of W_hn's gradient. The time loop needs no barrier (a worker runs all steps of its rows); the input gradient and
// the weight gradients are products over all frames after the loop. FLOPs: 6 H H a frame in the loop, 6 H I for the input
// gradient, 6 H (I + H) for the weights.

/// What `gruBackward` writes; nil where nobody asks.
public struct GRUGradients {
  let x: Output?
  let initialState: Output?
  let weightIH: Output
  let weightHH: Output
  let biasIH: Output?
  let biasHH: Output?
  let accumulate: Bool

  /// - Parameters:
  ///   - x: `(rows, inputSize)`; initialState: `(batch, hiddenSize)`: overwritten
  ///   - weightIH, weightHH, biasIH, biasHH: shapes of the parameters; added to when `accumulate`
  public init(
    x: UnsafeMutablePointer<Float>?, initialState: UnsafeMutablePointer<Float>?,
    weightIH: UnsafeMutablePointer<Float>, weightHH: UnsafeMutablePointer<Float>,
    biasIH: UnsafeMutablePointer<Float>?, biasHH: UnsafeMutablePointer<Float>?, accumulate: Bool
  ) {
    self.x = x
    self.initialState = initialState
    self.weightIH = weightIH
    self.weightHH = weightHH
    self.biasIH = biasIH
    self.biasHH = biasHH
    self.accumulate = accumulate
  }
}

/// Where the time loop reads and writes.
private struct GRUBackward {
  let shape: GRUShape
  let packed: Input
  let gradY: Input?
  let gradOutputStride: Int
  let y: Input
  let outputStride: Int
  let initialState: Input?
  let gates: Output
  /// dh of the step at hand, one padded row a sequence; and with the reset before, dq.
  let carry: Output
  let resetCarry: Output
  let wantsInitialState: Bool
}

/// The gradients of `gruForward`.
///
/// - Parameters:
///   - cache: of the forward call; overwritten
///   - gradY: `(rows, hiddenSize)`, row stride `gradOutputStride`, or nil for zeros
///   - gradFinalState: `(batch, hiddenSize)` or nil for zeros
///   - x, y, outputStride, ragged, initialState, reverse: as in the forward call
///   - packed: from `packGRUBackward`, with W_ih if `gradients.x` is wanted
///   - scratch: `shape.backwardScratchSize` floats
public func gruBackward(
  _ shape: GRUShape, _ gradients: GRUGradients, gradY: UnsafePointer<Float>?, gradOutputStride: Int,
  gradFinalState: UnsafePointer<Float>?, cache: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>,
  y: UnsafePointer<Float>, outputStride: Int, ragged: RaggedBatch, initialState: UnsafePointer<Float>?,
  packed: UnsafePointer<Float>, reverse: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let (batch, hidden, units) = (ragged.batch, shape.hiddenSize, shape.units)
  let carrySize = roundedUp(batch &* units, to: 16)
  let loop = GRUBackward(
    shape: shape, packed: packed, gradY: gradY, gradOutputStride: gradOutputStride, y: y, outputStride: outputStride,
    initialState: initialState, gates: cache, carry: scratch, resetCarry: scratch + carrySize,
    wantsInitialState: gradients.initialState != nil)
  for sequence in 0..<batch {
    if let gradFinalState {
      copyPadded(scratch + sequence &* units, gradFinalState + sequence &* hidden, hidden, width: units)
    } else {
      fillZero(scratch + sequence &* units, units)
    }
  }
  parallel(tasks: min(batch, taskLimit(work: ragged.rows &* 3 &* hidden &* hidden))) { task, tasks in
    let share = RowShare(batch: batch, task: task, tasks: tasks)
    walk(ragged, reverse: reverse, backward: true) { step in loop.run(step, share) }
  }
  if let target = gradients.initialState {
    for sequence in 0..<batch {
      copyPadded(target + sequence &* hidden, scratch + sequence &* units, hidden, width: hidden)
    }
  }
  if let gradX = gradients.x {
    product(
      gradX, outputStride: shape.inputSize, start: .zero, cache, inputStride: shape.gateStride,
      packed: packed + shape.hiddenPackedSize, rows: ragged.rows, depth: 3 &* units, columns: shape.inputSize)
  }
  gruWeightGradients(
    shape, gradients, cache: cache, x: x, y: y, outputStride: outputStride, ragged: ragged,
    initialState: initialState, reverse: reverse, scratch: scratch + 2 &* carrySize)
}

extension GRUBackward {
  /// One step for one worker's rows.
  func run(_ step: Step, _ share: RowShare) {
    share.forEach(in: 0..<step.continuing) { first, count in
      let previous = y + (step.previousRow &+ first) &* outputStride
      for row in 0..<count { gateGradients(step, first &+ row, previous: previous + row &* outputStride) }
    }
    share.forEach(in: step.continuing..<step.count) { first, count in
      for row in 0..<count {
        if let initialState {
          gateGradients(step, first &+ row, previous: initialState + (first &+ row) &* shape.hiddenSize)
        } else {
          gateGradients(step, first &+ row, previous: nil)
        }
      }
    }
    // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
    let rows = wantsInitialState ? step.count : step.continuing
    if shape.resetAfter {
      carryOn(step, share, rows: rows, gate: 1, gates: 3, packed: packed, into: carry, .output)
    } else {
      carryOn(
        step, share, rows: step.count, gate: 0, gates: 1,
        packed: packed + packedSize(depth: 2 &* shape.units, columns: shape.hiddenSize), into: resetCarry, .zero)
      share.forEach(in: 0..<step.continuing) { first, count in
        for row in first..<(first &+ count) {
          resetGradients(step, row, previous: y + (step.previousRow &+ row) &* outputStride)
        }
      }
      share.forEach(in: step.continuing..<step.count) { first, count in
        for row in first..<(first &+ count) {
          resetGradients(step, row, previous: initialState.map { $0 + row &* shape.hiddenSize })
        }
      }
      carryOn(step, share, rows: rows, gate: 1, gates: 2, packed: packed, into: carry, .output)
    }
  }

  /// One row: | n r z q | -> | dn' dr' dz' dq |, and carry = dh * z. With the reset before, r and q are left.
  private func gateGradients(_ step: Step, _ sequence: Int, previous: Input?) {
    let row = step.row &+ sequence
    let units = shape.units
    var unit = 0
    while unit < units {
      let width = shape.hiddenSize &- unit
      let gate = gates + row &* shape.gateStride + unit
      let target = carry + sequence &* units + unit
      var dh = load(target)
      if let gradY { dh += load(gradY + row &* gradOutputStride + unit, first: width) }
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
  private func resetGradients(_ step: Step, _ sequence: Int, previous: Input?) {
    let units = shape.units
    var unit = 0
    while unit < units {
      let gate = gates + (step.row &+ sequence) &* shape.gateStride + unit
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

  /// `target (+)= [gates from gate on] times their weights`, for this worker's part of the first `rows` sequences.
  @inline(__always)
  private func carryOn(
    _ step: Step, _ share: RowShare, rows: Int, gate: Int, gates count: Int, packed: Input, into target: Output,
    _ start: ProductStart
  ) {
    let depth = count &* shape.units
    var column = 0
    while column < shape.hiddenSize {
      share.forEach(in: 0..<rows) { first, rows in
        productTile(
          rows: rows,
          ProductTile(
            start: start, a: gates + (step.row &+ first) &* shape.gateStride + gate &* shape.units,
            rowStride: shape.gateStride, depthStride: 1, b: packed + column &* depth, depth: depth,
            c: target + first &* shape.units + column, outputStride: shape.units, width: shape.units &- column))
      }
      column &+= panelWidth
    }
  }
}

/// The sums over all frames, gate by gate, for the gates' rows lie `units` apart in the cache and `hiddenSize` in the
/// weights.
private func gruWeightGradients(
  _ shape: GRUShape, _ gradients: GRUGradients, cache: Output, x: Input, y: Input, outputStride: Int,
  ragged: RaggedBatch, initialState: Input?, reverse: Bool, scratch: Output
) {
  let (hidden, units, stride) = (shape.hiddenSize, shape.units, shape.gateStride)
  let previous = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  let first = previous + ragged.rows
  listPreviousRows(previous, first: first, ragged, reverse: reverse)
  let space = scratch + roundedUp(ragged.rows &+ ragged.batch, to: 16)
  for gate in 0..<3 {
    // Cache columns of this gate for the input's product (| n r z |) and for the state's (| r z q |).
    let inputGate = Input(cache) + (gate &+ 1) % 3 &* units
    let afterReset = shape.resetAfter || gate < 2
    let stateGate = afterReset ? Input(cache) + (gate &+ 1) &* units : Input(cache)
    weightGradient(
      gradients.weightIH + gate &* hidden &* shape.inputSize, outputStride: shape.inputSize,
      accumulate: gradients.accumulate, RowSource(inputGate, stride: stride), RowSource(x, stride: shape.inputSize),
      rows: hidden, columns: shape.inputSize, depth: ragged.rows, scratch: space)
    let weightHH = gradients.weightHH + gate &* hidden &* hidden
    weightGradient(
      weightHH, outputStride: hidden, accumulate: gradients.accumulate, RowSource(stateGate, stride: stride),
      afterReset
        ? RowSource(y, stride: outputStride, index: previous) : RowSource(Input(cache) + 3 &* units, stride: stride),
      rows: hidden, columns: hidden, depth: ragged.rows, scratch: space)
    if let initialState, afterReset {
      weightGradient(
        weightHH, outputStride: hidden, accumulate: true, RowSource(stateGate, stride: stride, index: first),
        RowSource(initialState, stride: hidden), rows: hidden, columns: hidden, depth: ragged.batch, scratch: space)
    }
    if let bias = gradients.biasIH {
      columnSums(
        bias + gate &* hidden, accumulate: gradients.accumulate, inputGate, stride: stride, depth: ragged.rows,
        columns: hidden)
    }
    if let bias = gradients.biasHH {
      columnSums(
        bias + gate &* hidden, accumulate: gradients.accumulate, stateGate, stride: stride, depth: ragged.rows,
        columns: hidden)
    }
  }
}
