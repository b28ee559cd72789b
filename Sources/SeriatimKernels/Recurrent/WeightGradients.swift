// The sums over all frames that give a recurrent layer's weight gradients, after the time loop: the same for every kind
// of layer, once its cache holds the gates' gradients.

/// The gradients of one direction of one recurrent layer; nil where nobody asks.
public struct RecurrentGradients {
  let x: Output?
  let accumulateX: Bool
  let initialState: Output?
  let weightIH: Output
  let weightHH: Output
  let biasIH: Output?
  let biasHH: Output?
  let accumulate: Bool

  /// - Parameters:
  ///   - x: `(rows, inputSize)`: overwritten, or added to when `accumulateX` (the other direction's gradient)
  ///   - initialState: `(batch, size of the state)`: overwritten
  ///   - weightIH, weightHH, biasIH, biasHH: shapes of the parameters; added to when `accumulate`
  public init(
    x: UnsafeMutablePointer<Float>?, accumulateX: Bool = false, initialState: UnsafeMutablePointer<Float>?,
    weightIH: UnsafeMutablePointer<Float>, weightHH: UnsafeMutablePointer<Float>,
    biasIH: UnsafeMutablePointer<Float>?, biasHH: UnsafeMutablePointer<Float>?, accumulate: Bool
  ) {
    self.x = x
    self.accumulateX = accumulateX
    self.initialState = initialState
    self.weightIH = weightIH
    self.weightHH = weightHH
    self.biasIH = biasIH
    self.biasHH = biasHH
    self.accumulate = accumulate
  }
}

/// Where the factors of the weight gradients are.
struct RecurrentFactors {
  let schedule: Schedule
  let inputSize: Int
  let hiddenSize: Int
  /// Of the layer's output and recurrent state: hiddenSize, but for an LSTM with projection.
  let stateSize: Int
  /// `(rows, cacheStride)`; each gate's gradient is a column block of it.
  let cache: Input
  let cacheStride: Int
  let x: Input
  let y: Input
  let outputStride: Int
  let initialState: Input?
  /// `(rows + batch,)` Int32: for every frame the packed row of its sequence's previous state, -1 where it begins; and for
  /// every sequence the row where it begins.
  let previousRows: UnsafeMutablePointer<Int32>
  let space: Output

  /// Floats of scratch for `previousRows` and `space`.
  static func scratchSize(batch: Int, rows: Int) -> Int {
    roundedUp(rows &+ batch, to: 16) &+ weightGradientScratchSize()
  }

  init(
    _ schedule: Schedule, inputSize: Int, hiddenSize: Int, stateSize: Int, cache: Input, cacheStride: Int, x: Input,
    y: Input, outputStride: Int, initialState: Input?, scratch: Output
  ) {
    self.schedule = schedule
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.stateSize = stateSize
    self.cache = cache
    self.cacheStride = cacheStride
    self.x = x
    self.y = y
    self.outputStride = outputStride
    self.initialState = initialState
    let ragged = schedule.ragged
    previousRows = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
    space = scratch + roundedUp(ragged.rows &+ ragged.batch, to: 16)
    listPreviousRows(previousRows, first: previousRows + ragged.rows, schedule)
  }

  /// What the sums of some gates go to: the rows of the parameters from `gate * hiddenSize` on.
  private func input(_ gradients: RecurrentGradients, gate: Int) -> GradientTarget {
    let row = gate &* hiddenSize
    return GradientTarget(
      c: gradients.weightIH + row &* inputSize, outputStride: inputSize, b: RowSource(x, stride: inputSize),
      columns: inputSize, sums: gradients.biasIH.map { $0 + row })
  }

  private func state(_ gradients: RecurrentGradients, gate: Int, right: Int?) -> GradientTarget {
    let row = gate &* hiddenSize
    var states = RowSource(y, stride: outputStride, index: UnsafePointer(previousRows))
    if let right { states = RowSource(cache + right, stride: cacheStride) }
    return GradientTarget(
      c: gradients.weightHH + row &* stateSize, outputStride: stateSize, b: states, columns: stateSize,
      sums: gradients.biasHH.map { $0 + row })
  }

  /// The sums for `gates` gates from `gate` on, of both the input's and the state's weights and biases, where both
  /// products have the same gradients: those in the cache from `column` on, `units` apart.
  func add(_ gradients: RecurrentGradients, gate: Int, gates: Int, column: Int, units: Int) {
    let groups = RowGroups(count: gates, rows: hiddenSize, stride: units)
    weightGradient(
      input(gradients, gate: gate), state(gradients, gate: gate, right: nil), accumulate: gradients.accumulate,
      RowSource(cache + column, stride: cacheStride), groups: groups, depth: schedule.ragged.rows, scratch: space)
    addInitialState(gradients, gate: gate, groups: groups, column: column)
  }

  /// The input's sums of one gate.
  func addInput(_ gradients: RecurrentGradients, gate: Int, column: Int) {
    weightGradient(
      input(gradients, gate: gate), nil, accumulate: gradients.accumulate,
      RowSource(cache + column, stride: cacheStride), groups: RowGroups(count: 1, rows: hiddenSize, stride: 0),
      depth: schedule.ragged.rows, scratch: space)
  }

  /// The state's sums of one gate.
  ///
  /// - Parameter right: a column block of the cache, where the product's other factor is not the previous state
  func addState(_ gradients: RecurrentGradients, gate: Int, column: Int, right: Int? = nil) {
    let groups = RowGroups(count: 1, rows: hiddenSize, stride: 0)
    weightGradient(
      state(gradients, gate: gate, right: right), nil, accumulate: gradients.accumulate,
      RowSource(cache + column, stride: cacheStride), groups: groups, depth: schedule.ragged.rows, scratch: space)
    if right == nil { addInitialState(gradients, gate: gate, groups: groups, column: column) }
  }

  /// What the steps that begin with a given state add.
  private func addInitialState(_ gradients: RecurrentGradients, gate: Int, groups: RowGroups, column: Int) {
    guard let initialState else { return }
    let ragged = schedule.ragged
    let target = GradientTarget(
      c: gradients.weightHH + gate &* hiddenSize &* stateSize, outputStride: stateSize,
      b: RowSource(initialState, stride: stateSize), columns: stateSize, sums: nil)
    weightGradient(
      target, nil, accumulate: true,
      RowSource(cache + column, stride: cacheStride, index: UnsafePointer(previousRows) + ragged.rows), groups: groups,
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
