// The sums over all frames that give a recurrent layer's weight gradients, after the time loop: the same for every kind
// of layer, once the loop has left the gates' gradients.

import CSeriatim

/// Where the factors of the weight gradients are, and what their sums go to.
struct RecurrentFactors {
  let schedule: Schedule
  let inputSize: Int
  let hiddenSize: Int
  let stateSize: Int
  /// `(rows, ...)`: each gate's gradient is a column block.
  let sums: RowSource
  var call: srt_recurrent_gradient_call
  /// `(rows + batch,)` Int32: for every frame the packed row of its sequence's previous state, -1 where it begins; and for
  /// every sequence the row where it begins.
  let previousRows: UnsafeMutablePointer<Int32>
  let space: Output

  /// Floats of scratch for `previousRows` and `space`.
  static func scratchSize(batch: Int, rows: Int) -> Int {
    roundedUp(rows &+ batch, to: 16) &+ weightGradientScratchSize()
  }

  init(
    _ schedule: Schedule, _ cell: some RecurrentCell, _ call: srt_recurrent_gradient_call, _ sums: RowSource,
    scratch: Output
  ) {
    self.schedule = schedule
    (inputSize, hiddenSize, stateSize) = (cell.inputSize, cell.hiddenSize, cell.stateSize)
    self.sums = sums
    self.call = call
    let ragged = schedule.ragged
    previousRows = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
    space = scratch + roundedUp(ragged.rows &+ ragged.batch, to: 16)
    listPreviousRows(previousRows, first: previousRows + ragged.rows, schedule)
  }

  /// `(batch,)`: the packed row where each sequence begins.
  var firstRows: UnsafePointer<Int32> { UnsafePointer(previousRows) + schedule.ragged.rows }

  private var accumulate: Bool { call.accumulate != 0 }

  /// What the sums of some gates go to: the rows of the parameters from `gate * hiddenSize` on.
  private func input(gate: Int) -> GradientTarget {
    let row = gate &* hiddenSize
    return GradientTarget(
      c: call.gradients.weight_ih.unsafelyUnwrapped + row &* inputSize, outputStride: inputSize,
      b: RowSource(call.x, stride: inputSize), columns: inputSize, sums: call.gradients.bias_ih.map { $0 + row })
  }

  private func state(gate: Int, right: Int?) -> GradientTarget {
    let row = gate &* hiddenSize
    var states = RowSource(call.y, stride: call.output_stride, index: UnsafePointer(previousRows))
    if let right { states = sums.offset(by: right) }
    return GradientTarget(
      c: call.gradients.weight_hh.unsafelyUnwrapped + row &* stateSize, outputStride: stateSize, b: states,
      columns: stateSize, sums: call.gradients.bias_hh.map { $0 + row })
  }

  /// The sums for `gates` gates from `gate` on, of both the input's and the state's weights and biases, where both
  /// products have the same gradients: those of `sums` from `column` on, `units` apart.
  func add(gate: Int, gates: Int, column: Int, units: Int) {
    let groups = RowGroups(count: gates, rows: hiddenSize, stride: units)
    weightGradient(
      input(gate: gate), state(gate: gate, right: nil), accumulate: accumulate,
      sums.offset(by: column), groups: groups, depth: schedule.ragged.rows, scratch: space)
    addInitialState(gate: gate, groups: groups, column: column)
  }

  /// The input's sums for `gates` gates from `gate` on: those of `sums` from `column` on, `units` apart.
  func addInput(gate: Int, gates: Int = 1, column: Int, units: Int = 0) {
    weightGradient(
      input(gate: gate), nil, accumulate: accumulate,
      sums.offset(by: column), groups: RowGroups(count: gates, rows: hiddenSize, stride: units),
      depth: schedule.ragged.rows, scratch: space)
  }

  /// The sums of a state's weights, one a unit, by the gradients from `column` on: one chain a unit, in the order of the
  /// frames.
  func addElementwise(_ target: Output, column: Int) {
    let rows = schedule.ragged.rows
    let registers = roundedUp(hiddenSize, to: laneCount) / laneCount
    parallel(tasks: min(registers, taskLimit(work: rows &* hiddenSize))) { task, tasks in
      for register in untilCancelled(share(of: registers, task, tasks), work: 4 &* rows &* laneCount) {
        let unit = register &* laneCount
        let width = hiddenSize &- unit
        let source = sums.base + column + unit
        var total = broadcast(0)
        for part in inParts(0..<rows, work: 4 &* laneCount) {
          for row in part where previousRows[row] >= 0 {
            let state = load(call.y + Int(previousRows[row]) &* call.output_stride + unit, first: width)
            total = multiplyAdd(total, load(source + row &* sums.stride), state)
          }
        }
        if let initialState = call.initial_states.h {
          for sequence in 0..<schedule.ragged.batch {
            let state = load(initialState + sequence &* hiddenSize + unit, first: width)
            total = multiplyAdd(total, load(source + Int(firstRows[sequence]) &* sums.stride), state)
          }
        }
        store(accumulate ? load(target + unit, first: width) + total : total, target + unit, first: width)
      }
    }
  }

  /// The state's sums of some gates.
  ///
  /// - Parameter right: a column block of `sums`, where the product's other factor is not the previous state
  func addState(gate: Int, gates: Int = 1, column: Int, units: Int = 0, right: Int? = nil) {
    let groups = RowGroups(count: gates, rows: hiddenSize, stride: units)
    weightGradient(
      state(gate: gate, right: right), nil, accumulate: accumulate,
      sums.offset(by: column), groups: groups, depth: schedule.ragged.rows, scratch: space)
    if right == nil { addInitialState(gate: gate, groups: groups, column: column) }
  }

  /// What the steps that begin with a given state add.
  private func addInitialState(gate: Int, groups: RowGroups, column: Int) {
    guard let initialState = call.initial_states.h else { return }
    let ragged = schedule.ragged
    let target = GradientTarget(
      c: call.gradients.weight_hh.unsafelyUnwrapped + gate &* hiddenSize &* stateSize, outputStride: stateSize,
      b: RowSource(initialState, stride: stateSize), columns: stateSize, sums: nil)
    weightGradient(
      target, nil, accumulate: true,
      RowSource(sums.base + column, stride: sums.stride, index: firstRows),
      groups: groups,
      depth: ragged.batch, scratch: space)
  }
}

/// - Parameters:
///   - previous: `(rows,)`
///   - first: `(batch,)`
private func listPreviousRows(
  _ previous: UnsafeMutablePointer<Int32>, first: UnsafeMutablePointer<Int32>, _ schedule: Schedule
) {
  for position in 0..<schedule.ragged.steps {
    let step = schedule.step(at: position)
    for sequence in 0..<step.continuing {
      previous[step.row &+ sequence] = Int32(truncatingIfNeeded: step.previousRow &+ sequence)
    }
    for sequence in step.continuing..<step.count {
      previous[step.row &+ sequence] = -1
      first[sequence] = Int32(truncatingIfNeeded: step.row &+ sequence)
    }
  }
}
