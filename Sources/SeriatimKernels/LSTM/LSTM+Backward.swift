// LSTM backward through time. With dh the gradient of o * tanh(c') and dc that of c':
//
//   do = dh * tanh(c')           dc += dh * o * (1 - tanh(c')^2)
//   di = dc * g    df = dc * c   dg = dc * i               dc (carried on) = dc * f
//   dx' = dx * x * (1 - x) for x = i, f, o;   dg' = dg * (1 - g^2)
//   dh (carried on) = W_hh^T [di' df' dg' do']
//
// With a projection the output's gradient dp comes first: dh = W_hr^T dp, and dp is kept for W_hr's gradient. tanh(c') is
// computed again rather than kept. FLOPs: 8 H S a frame in the loop, 8 H I for the input gradient, 8 H (I + S) for the
// weights; with a projection 4 H S more.

/// Where the time loop reads and writes.
private struct LSTMBackward: Recurrence {
  let shape: LSTMShape
  let packed: Input
  let gradY: Input?
  let gradOutputStride: Int
  let initialCell: Input?
  let gates: Output
  /// dh, or dp, of the step at hand, `stateUnits` a sequence; and dc, `units` a sequence.
  let carry: Output
  let cellCarry: Output
  /// With a projection: dp of every frame, and dh of the step at hand.
  let projected: Output
  let hidden: Output
  let wantsInitialState: Bool

  /// Gates' gradients and their product; with a projection dp before them.
  var passes: Int { shape.projects ? 3 : 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int {
    panelCount(shape.projects && pass == 1 ? shape.hiddenSize : shape.stateSize)
  }
  /// What the last pass wrote is read by its own part only.
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass < passes &- 1 }
}

/// What only an LSTM's backward pass has; nil for zeros, or where nobody asks.
public struct LSTMGradients {
  let all: RecurrentGradients
  let initialCell: Output?
  let weightHR: Output?

  /// - Parameters:
  ///   - initialCell: `(batch, hiddenSize)`: overwritten
  ///   - weightHR: `(projectionSize, hiddenSize)`: overwritten, or added to when `all.accumulate`
  public init(
    _ all: RecurrentGradients, initialCell: UnsafeMutablePointer<Float>?, weightHR: UnsafeMutablePointer<Float>?
  ) {
    self.all = all
    self.initialCell = initialCell
    self.weightHR = weightHR
  }
}

/// The gradients of `lstmForward`.
///
/// - Parameters:
///   - cache: of the forward call; overwritten
///   - gradY: `(rows, stateSize)`, row stride `gradOutputStride`, or nil for zeros
///   - gradFinalState: `(batch, stateSize)`, gradFinalCell: `(batch, hiddenSize)`, or nil for zeros
///   - x, y, outputStride, ragged, initialState, initialCell, reverse: as in the forward call
///   - packed: from `packLSTMBackward`, with W_ih if the input's gradient is wanted
///   - scratch: `shape.backwardScratchSize` floats
public func lstmBackward(
  _ shape: LSTMShape, _ gradients: LSTMGradients, gradY: UnsafePointer<Float>?, gradOutputStride: Int,
  gradFinalState: UnsafePointer<Float>?, gradFinalCell: UnsafePointer<Float>?, cache: UnsafeMutablePointer<Float>,
  x: UnsafePointer<Float>, y: UnsafePointer<Float>, outputStride: Int, ragged: RaggedBatch,
  initialState: UnsafePointer<Float>?, initialCell: UnsafePointer<Float>?, packed: UnsafePointer<Float>,
  reverse: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let (batch, hidden, units) = (ragged.batch, shape.hiddenSize, shape.units)
  let schedule = Schedule(ragged, reverse: reverse, backward: true, scratch: scratch)
  let carry = scratch + Schedule.scratchSize(rows: ragged.rows)
  let cellCarry = carry + roundedUp(batch &* shape.stateUnits, to: 16)
  let projected = cellCarry + roundedUp(batch &* units, to: 16)
  let hiddenCarry = projected + (shape.projects ? ragged.rows &* shape.stateUnits : 0)
  let loop = LSTMBackward(
    shape: shape, packed: packed, gradY: gradY, gradOutputStride: gradOutputStride, initialCell: initialCell,
    gates: cache, carry: carry, cellCarry: cellCarry, projected: projected, hidden: hiddenCarry,
    wantsInitialState: gradients.all.initialState != nil)
  copyStates(carry, width: shape.stateUnits, gradFinalState, size: shape.stateSize, batch: batch)
  copyStates(cellCarry, width: units, gradFinalCell, size: hidden, batch: batch)
  run(
    loop, schedule,
    RecurrentPlan(ragged, work: 4 &* hidden &* shape.stateSize, parts: loop.parts(0), tileRows: tileRows))
  for sequence in 0..<batch {
    if let target = gradients.all.initialState {
      let size = shape.stateSize
      copyPadded(target + sequence &* size, carry + sequence &* shape.stateUnits, size, width: size)
    }
    if let target = gradients.initialCell {
      copyPadded(target + sequence &* hidden, cellCarry + sequence &* units, hidden, width: hidden)
    }
  }
  if let gradX = gradients.all.x {
    product(
      gradX, outputStride: shape.inputSize, start: gradients.all.accumulateX ? .output : .zero, cache,
      inputStride: shape.gateStride, packed: packed + shape.inputPackedOffset, rows: ragged.rows, depth: 4 &* units,
      columns: shape.inputSize)
  }
  let factors = RecurrentFactors(
    schedule, inputSize: shape.inputSize, hiddenSize: hidden, stateSize: shape.stateSize, cache: cache,
    cacheStride: shape.gateStride, x: x, y: y, outputStride: outputStride, initialState: initialState,
    scratch: hiddenCarry + (shape.projects ? roundedUp(batch &* units, to: 16) : 0))
  factors.add(gradients.all, gate: 0, gates: 4, column: 0, units: units)
  if let weightHR = gradients.weightHR {
    weightGradient(
      weightHR, outputStride: hidden, accumulate: gradients.all.accumulate,
      RowSource(projected, stride: shape.stateUnits), RowSource(Input(cache) + 5 &* units, stride: shape.gateStride),
      rows: shape.projectionSize, columns: hidden, depth: ragged.rows, scratch: factors.space)
  }
}

extension LSTMBackward {
  /// One pass of one step for one worker's rows and panels.
  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if shape.projects, pass == 0 {
      let range = unitRange(of: parts, units: shape.stateUnits)
      share.forEach(in: 0..<step.count) { row in projectedGradients(step, row, range) }
    } else if pass < passes &- 1 {
      if shape.projects {
        StepProduct(
          start: .zero, a: projected + step.row &* shape.stateUnits, inputStride: shape.stateUnits,
          packed: packed + shape.projectionPackedOffset, depth: shape.projectionSize, c: hidden,
          outputStride: shape.units, columns: shape.units, descending: step.descending
        ).run(share, rows: 0..<step.count, parts: parts)
      }
      let range = unitRange(of: parts, units: shape.units)
      share.forEach(in: 0..<step.continuing) { row in
        let previous = gates + (step.previousRow &+ row) &* shape.gateStride + 4 &* shape.units
        gateGradients(step, row, range, previousCell: Input(previous))
      }
      share.forEach(in: step.continuing..<step.count) { row in
        gateGradients(step, row, range, previousCell: initialCell.map { $0 + row &* shape.hiddenSize })
      }
    } else {
      // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
      StepProduct(
        start: .zero, a: gates + step.row &* shape.gateStride, inputStride: shape.gateStride, packed: packed,
        depth: 4 &* shape.units, c: carry, outputStride: shape.stateUnits, columns: shape.stateUnits,
        descending: step.descending
      ).run(share, rows: 0..<(wantsInitialState ? step.count : step.continuing), parts: parts)
    }
  }

  /// One row: dp = the output's gradient and what is carried.
  private func projectedGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      var dp = load(carry + sequence &* shape.stateUnits + unit)
      if let gradY { dp += load(gradY + row &* gradOutputStride + unit, first: shape.stateSize &- unit) }
      store(dp, projected + row &* shape.stateUnits + unit)
      unit &+= laneCount
    }
  }

  /// One row: | i f g o | -> | di' df' dg' do' |, and dc.
  private func gateGradients(_ step: Step, _ sequence: Int, _ range: Range<Int>, previousCell: Input?) {
    let row = step.row &+ sequence
    let units = shape.units
    let one = broadcast(1)
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      let gate = gates + row &* shape.gateStride + unit
      var dh = load((shape.projects ? hidden : carry) + sequence &* units + unit)
      if !shape.projects, let gradY { dh += load(gradY + row &* gradOutputStride + unit, first: width) }
      let (i, f, g, o) = (load(gate), load(gate + units), load(gate + 2 &* units), load(gate + 3 &* units))
      let squashed = hyperbolicTangent(load(gate + 4 &* units))
      let target = cellCarry + sequence &* units + unit
      let dc = multiplyAdd(load(target), dh * o, one - squashed * squashed)
      var cell = broadcast(0)
      if let previousCell { cell = load(previousCell + unit, first: width) }
      store(dc * g * i * (one - i), gate)
      store(dc * cell * f * (one - f), gate + units)
      store(dc * i * (one - g * g), gate + 2 &* units)
      store(dh * squashed * o * (one - o), gate + 3 &* units)
      store(dc * f, target)
      unit &+= laneCount
    }
  }
}
