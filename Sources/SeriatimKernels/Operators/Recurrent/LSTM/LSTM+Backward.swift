// LSTM backward through time. With dh the gradient of o * tanh(c') and dc that of c':
//
//   do = dh * tanh(c')           dc += dh * o * (1 - tanh(c')^2)
//   di = dc * g    df = dc * c   dg = dc * i               dc (carried on) = dc * f
//   dx' = dx * x * (1 - x) for x = i, f, o;   dg' = dg * (1 - g^2)
//   dh (carried on) = W_hh^T [di' df' dg' do']
//   with peepholes   dc += do' * w_co before the gates, and dc (carried on) += di' * w_ci + df' * w_cf
//
// With a projection the output's gradient dp comes first: dh = W_hr^T dp, and dp is kept for W_hr's gradient. tanh(c') is
// computed again rather than kept. FLOPs: 8 H S a frame in the loop, 8 H I for the input gradient, 8 H (I + S) for the
// weights; with a projection 4 H S more.

import CSeriatim

/// The time loop.
struct LSTMBackward: BackwardLoop {
  let shape: LSTM
  let call: srt_recurrent_gradient_call
  let gates: Output
  /// dh, or dp, of the step at hand, `stateUnits` a sequence; and dc, `units` a sequence.
  let carry: Output
  let cellCarry: Output
  /// With a projection: dp of every frame, and dh of the step at hand.
  let projected: Output
  let hidden: Output

  init(_ cell: LSTM, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output) {
    shape = cell
    self.call = call
    gates = call.cache.unsafelyUnwrapped
    self.carry = carry
    self.cellCarry = cellCarry
    projected = space
    let rows = RaggedBatch(batchSizes: call.batch_sizes, steps: call.steps).rows
    hidden = space + (cell.projects ? rows &* cell.stateUnits : 0)
  }

  /// Gates' gradients and their product; with a projection dp before them.
  var passes: Int { shape.projects ? 3 : 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int {
    registerCount(shape.projects && pass == 1 ? shape.hiddenSize : shape.stateSize)
  }
  /// What the last pass wrote is read by its own part only.
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass < passes &- 1 }

  var gateGradients: RowSource { RowSource(gates, stride: shape.cacheStride) }

  func addGradients(_ factors: RecurrentFactors) {
    factors.add(gate: 0, gates: 4, column: 0, units: shape.units)
    if let weightHR = call.gradients.weight_hr {
      weightGradient(
        weightHR, outputStride: shape.hiddenSize, accumulate: call.accumulate != 0,
        RowSource(projected, stride: shape.stateUnits), gateGradients.offset(by: 5 &* shape.units),
        rows: shape.projectionSize, columns: shape.hiddenSize, depth: factors.schedule.ragged.rows,
        scratch: factors.space)
    }
    if let weightCH = call.gradients.weight_ch { addPeepholeGradients(weightCH, factors) }
  }

  /// The sums over all frames of di' * c, df' * c and do' * c', one chain a unit, in the order of the frames.
  private func addPeepholeGradients(_ target: Output, _ factors: RecurrentFactors) {
    let (units, hidden, rows) = (shape.units, shape.hiddenSize, factors.schedule.ragged.rows)
    parallel(tasks: min(shape.panels, taskLimit(work: rows &* units))) { task, tasks in
      for panel in untilCancelled(share(of: shape.panels, task, tasks), work: 16 &* rows &* laneCount) {
        let unit = panel &* laneCount
        let width = hidden &- unit
        var sums = (broadcast(0), broadcast(0), broadcast(0))
        for part in inParts(0..<rows, work: 16 &* laneCount) {
          for row in part {
            let gate = gates + row &* shape.cacheStride + unit
            sums.2 = multiplyAdd(sums.2, load(gate + 3 &* units), load(gate + 4 &* units))
            let previous = Int(factors.previousRows[row])
            guard previous >= 0 else { continue }
            let cell = load(gates + previous &* shape.cacheStride + unit + 4 &* units)
            sums.0 = multiplyAdd(sums.0, load(gate), cell)
            sums.1 = multiplyAdd(sums.1, load(gate + units), cell)
          }
        }
        if let initialCell = call.initial_states.c {
          for sequence in 0..<factors.schedule.ragged.batch {
            let gate = gates + Int(factors.firstRows[sequence]) &* shape.cacheStride + unit
            let cell = load(initialCell + sequence &* hidden + unit, first: width)
            sums.0 = multiplyAdd(sums.0, load(gate), cell)
            sums.1 = multiplyAdd(sums.1, load(gate + units), cell)
          }
        }
        add(sums.0, target + unit, first: width)
        add(sums.1, target + (hidden &+ unit), first: width)
        add(sums.2, target + (2 &* hidden &+ unit), first: width)
      }
    }
  }

  @inline(__always)
  private func add(_ sum: Lanes, _ target: Output, first width: Int) {
    store(call.accumulate != 0 ? load(target, first: width) + sum : sum, target, first: width)
  }
}

extension LSTMBackward {
  /// One pass of one step for one worker's rows and units.
  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if shape.projects, pass == 0 {
      let range = unitRange(of: parts, units: shape.stateUnits)
      share.forEach(in: 0..<step.count) { row in projectedGradients(step, row, range) }
    } else if pass < passes &- 1 {
      if shape.projects {
        StepProduct(
          start: .zero, a: projected + step.row &* shape.stateUnits, inputStride: shape.stateUnits,
          packed: call.packed + shape.projectionPackedOffset, depth: shape.projectionSize, c: hidden,
          outputStride: shape.units, columns: shape.units, descending: step.descending
        ).run(share, rows: 0..<step.count, parts: parts)
      }
      let range = unitRange(of: parts, units: shape.units)
      share.forEach(in: 0..<step.continuing) { row in
        let previous = gates + (step.previousRow &+ row) &* shape.cacheStride + 4 &* shape.units
        gateGradients(step, row, range, previousCell: Input(previous))
      }
      share.forEach(in: step.continuing..<step.count) { row in
        gateGradients(step, row, range, previousCell: call.initial_states.c.map { $0 + row &* shape.hiddenSize })
      }
    } else {
      // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
      StepProduct(
        start: .zero, a: gates + step.row &* shape.cacheStride, inputStride: shape.cacheStride, packed: call.packed,
        depth: 4 &* shape.units, c: carry, outputStride: shape.stateUnits, columns: shape.stateUnits,
        descending: step.descending
      ).run(share, rows: 0..<(call.grad_initial_states.h != nil ? step.count : step.continuing), parts: parts)
    }
  }

  /// One row: dp = the output's gradient and what is carried.
  private func projectedGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      var dp = load(carry + sequence &* shape.stateUnits + unit)
      if let gradY = call.grad_y {
        dp += load(gradY + row &* call.grad_output_stride + unit, first: shape.stateSize &- unit)
      }
      store(dp, projected + row &* shape.stateUnits + unit)
      unit &+= laneCount
    }
  }

  /// One row: | i f g o | -> | di' df' dg' do' |, and dc.
  private func gateGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>, previousCell: Input?) {
    let row = step.row &+ sequence
    let units = shape.units
    let one = broadcast(1)
    let peepholes = shape.hasPeepholes ? call.packed + shape.peepholePackedOffset : nil
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      let gate = gates + row &* shape.cacheStride + unit
      var dh = load((shape.projects ? hidden : carry) + sequence &* units + unit)
      if !shape.projects, let gradY = call.grad_y {
        dh += load(gradY + row &* call.grad_output_stride + unit, first: width)
      }
      let (i, f, g, o) = (load(gate), load(gate + units), load(gate + 2 &* units), load(gate + 3 &* units))
      let squashed = hyperbolicTangent(load(gate + 4 &* units))
      let target = cellCarry + sequence &* units + unit
      var dc = multiplyAdd(load(target), dh * o, one - squashed * squashed)
      var cell = broadcast(0)
      if let previousCell { cell = load(previousCell + unit, first: width) }
      let outputGate = dh * squashed * o * (one - o)
      if let peepholes { dc = multiplyAdd(dc, outputGate, load(peepholes + 2 &* units + unit)) }
      let (inputGate, forgetGate) = (dc * g * i * (one - i), dc * cell * f * (one - f))
      store(inputGate, gate)
      store(forgetGate, gate + units)
      store(dc * i * (one - g * g), gate + 2 &* units)
      store(outputGate, gate + 3 &* units)
      var before = dc * f
      if let peepholes {
        before = multiplyAdd(before, inputGate, load(peepholes + unit))
        before = multiplyAdd(before, forgetGate, load(peepholes + units + unit))
      }
      store(before, target)
      unit &+= laneCount
    }
  }
}
