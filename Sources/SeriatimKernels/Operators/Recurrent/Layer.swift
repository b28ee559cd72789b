// One direction of one recurrent layer of any kind over a packed ragged batch: schedule, plan, input products, the loop
// over time, states, and what follows the loop backward. A new kind is one line in `withCell`.

import CSeriatim

/// Runs `use(cell)` for the kind that `cell` names, of narrow weights or not; nil for one that there is not.
private func withCell<Use: CellUse>(_ cell: srt_cell, _ use: Use) -> Use.Result? {
  #if WEB
    // A page loads these (Packaging/web.py): it has what estimators for pages are made of, and no more.
    switch (Int(cell.kind), cell.form, Int(cell.options) & Int(SRT_LAYER_NORM)) {
    case (Int(SRT_GRU), .float32, 0): return use.run(GRU(cell))
    case (Int(SRT_LSTM), .float32, 0): return use.run(LSTM(cell))
    default: return nil
    }
  #else
    return withAnyCell(cell, use)
  #endif
}

private func withAnyCell<Use: CellUse>(_ cell: srt_cell, _ use: Use) -> Use.Result? {
  if cell.form != .float32 {
    switch Int(cell.kind) {
    case Int(SRT_GRU): return use.run(NarrowGRU(cell))
    case Int(SRT_LSTM): return use.run(NarrowLSTM(cell))
    default: break
    }
  }
  return withTrainedCell(cell, use)
}

/// The same for kinds that have a backward pass.
private func withTrainedCell<Use: TrainedCellUse>(_ cell: srt_cell, _ use: Use) -> Use.Result? {
  let isNormalized = Int(cell.options) & Int(SRT_LAYER_NORM) != 0
  switch Int(cell.kind) {
  case Int(SRT_GRU): return isNormalized ? use.run(NormGRU(cell)) : use.run(GRU(cell))
  case Int(SRT_LSTM): return isNormalized ? use.run(NormLSTM(cell)) : use.run(LSTM(cell))
  case Int(SRT_RNN): return use.run(RNN(cell))
  case Int(SRT_MIN_GRU): return use.run(Scan<MinGRU>(cell))
  case Int(SRT_MIN_LSTM): return use.run(Scan<MinLSTM>(cell))
  case Int(SRT_IND_RNN): return use.run(Scan<IndRNN>(cell))
  default: return nil
  }
}

private protocol TrainedCellUse {
  associatedtype Result
  func run(_ cell: some TrainedCell) -> Result
}

private protocol CellUse: TrainedCellUse {
  func run(_ cell: some RecurrentCell) -> Result
}

/// The sizes of a layer's opaque memory; nil for a kind that there is not.
public func recurrentSizes(
  _ cell: srt_cell, batch: Int, rows: Int, steps: Int, training: Bool
) -> srt_recurrent_sizes? {
  struct Measure: CellUse {
    let batch: Int
    let rows: Int
    let steps: Int
    let training: Bool
    func run(_ cell: some RecurrentCell) -> srt_recurrent_sizes {
      cell.measure(batch: batch, rows: rows, steps: steps, training: training)
    }
  }
  return withCell(cell, Measure(batch: batch, rows: rows, steps: steps, training: training))
}

/// Packs a layer's weights for the forward pass.
public func packRecurrent(
  _ cell: srt_cell, _ packed: UnsafeMutablePointer<Float>, _ weights: srt_cell_weights, _ scales: srt_cell_scales
) {
  struct Pack: CellUse {
    let packed: Output
    let weights: srt_cell_weights
    let scales: srt_cell_scales
    func run(_ cell: some RecurrentCell) { cell.pack(packed, weights, scales) }
  }
  _ = withCell(cell, Pack(packed: packed, weights: weights, scales: scales))
}

/// Packs a layer's weights for the backward pass.
public func packRecurrentBackward(
  _ cell: srt_cell, _ packed: UnsafeMutablePointer<Float>, _ weights: srt_cell_weights
) {
  struct Pack: TrainedCellUse {
    let packed: Output
    let weights: srt_cell_weights
    func run(_ cell: some TrainedCell) { cell.packBackward(packed, weights) }
  }
  _ = withTrainedCell(cell, Pack(packed: packed, weights: weights))
}

/// Runs a layer forward.
public func recurrentForward(_ cell: srt_cell, _ call: srt_recurrent_call) {
  struct Run: CellUse {
    let call: srt_recurrent_call
    func run(_ cell: some RecurrentCell) { forward(cell, call) }
  }
  _ = withCell(cell, Run(call: call))
}

/// Runs a layer backward through time.
public func recurrentBackward(_ cell: srt_cell, _ call: srt_recurrent_gradient_call) {
  struct Run: TrainedCellUse {
    let call: srt_recurrent_gradient_call
    func run(_ cell: some TrainedCell) { backward(cell, call) }
  }
  _ = withTrainedCell(cell, Run(call: call))
}

private func forward<Cell: RecurrentCell>(_ cell: Cell, _ call: srt_recurrent_call) {
  let ragged = RaggedBatch(batchSizes: call.batch_sizes, steps: call.steps)
  let schedule = Schedule(ragged, reverse: call.reverse != 0, backward: false, scratch: call.scratch)
  let scratch = call.scratch + Schedule.scratchSize(rows: ragged.rows)
  let zoneout = call.zoneout.rate != 0 ? ZoneoutPasses(call, size: cell.stateSize) : nil
  func gates(readyRows: Range<Int>) -> GateMemory {
    GateMemory(
      call, batch: ragged.batch, stride: cell.cacheStride, inputStride: cell.inputStride, readyRows: readyRows,
      scratch: scratch)
  }
  let all = Cell.Forward(cell, call, gates(readyRows: cell.multipliesAllInputs ? 0..<ragged.rows : 0..<0))
  if cell.multipliesAllInputs { all.multiplyInputs() }
  let plan = cell.plan(
    ragged, all, bytes: cell.stateBytes, inputBytes: cell.multipliesAllInputs ? 0 : cell.form.bytes &* cell.inputWork,
    exchanged: 4 &* cell.stateSize, parts: all.parts(0), tileRows: Cell.tileRows)
  plan.forEachStretch(schedule) { positions, split in
    guard split.multipliesAhead else { return run(all, schedule, positions, split, zoneout: zoneout) }
    let loop = Cell.Forward(cell, call, gates(readyRows: schedule.rows(at: positions)))
    loop.multiplyInputs()
    run(loop, schedule, positions, split, zoneout: zoneout)
  }
  if let h = call.final_states.h {
    copyFinalStates(
      h, y: call.y, outputStride: call.output_stride, size: cell.stateSize, ragged: ragged, reverse: call.reverse != 0)
  }
  guard let column = cell.cellColumn, let c = call.final_states.c else { return }
  let memory = gates(readyRows: 0..<0)
  if memory.keeps {
    copyFinalStates(
      c, y: memory.kept + column, outputStride: memory.stride, size: cell.hiddenSize, ragged: ragged,
      reverse: call.reverse != 0)
  } else {
    copyRows(
      c, stride: cell.hiddenSize, memory.kept + column, sourceStride: memory.stride, size: cell.hiddenSize,
      count: ragged.batch)
  }
}

private func backward<Cell: TrainedCell>(_ cell: Cell, _ call: srt_recurrent_gradient_call) {
  let ragged = RaggedBatch(batchSizes: call.batch_sizes, steps: call.steps)
  let (batch, units, stateUnits) = (ragged.batch, cell.units, cell.stateUnits)
  let schedule = Schedule(ragged, reverse: call.reverse != 0, backward: true, scratch: call.scratch)
  let carry = call.scratch + Schedule.scratchSize(rows: ragged.rows)
  let cellCarry = carry + cell.carrySize(stateUnits, batch)
  let held = cellCarry + cell.carrySize(units, batch)
  let space = held + cell.carrySize(stateUnits, batch)
  var inner = call
  // Zoneout hands on what of the output's gradient is the new state's.
  if call.zoneout.rate != 0 { inner.grad_y = nil }
  let loop = Cell.Backward(cell, inner, carry: carry, cellCarry: cellCarry, space: space)
  copyStates(carry, width: stateUnits, call.grad_final_states.h, size: cell.stateSize, batch: batch)
  if cell.cellColumn != nil {
    copyStates(cellCarry, width: units, call.grad_final_states.c, size: cell.hiddenSize, batch: batch)
  }
  let zoneout =
    call.zoneout.rate != 0 ? ZoneoutPasses(call, size: cell.stateSize, carry: carry, held: held) : nil
  cell.plan(
    ragged, loop, bytes: 4 &* cell.inputPackedOffset, inputBytes: 0, exchanged: 4 &* cell.gates &* cell.units,
    parts: loop.parts(0),
    tileRows: SeriatimKernels.tileRows
  ).forEachStretch(schedule) { positions, split in run(loop, schedule, positions, split, zoneout: zoneout) }
  if let h = call.grad_initial_states.h {
    copyRows(h, stride: cell.stateSize, carry, sourceStride: stateUnits, size: cell.stateSize, count: batch)
  }
  if let c = call.grad_initial_states.c {
    copyRows(c, stride: cell.hiddenSize, cellCarry, sourceStride: units, size: cell.hiddenSize, count: batch)
  }
  loop.finish(ragged)
  let sums = loop.gateGradients
  if let gradX = call.grad_x {
    product(
      gradX, outputStride: cell.inputSize, start: call.accumulate_x != 0 ? .output : .zero, sums.base,
      inputStride: sums.stride, packed: call.packed + cell.inputPackedOffset, rows: ragged.rows,
      depth: cell.gates &* units, columns: cell.inputSize)
  }
  // Frozen parameters have no sums.
  if call.gradients.weight_ih == nil { return }
  loop.addGradients(
    RecurrentFactors(
      schedule, cell, call, sums,
      scratch: space + roundedUp(cell.backwardSpace(batch: batch, rows: ragged.rows), to: 16))
  )
}

/// Copies each sequence's state after its own last step (reverse: after its first) out of the outputs.
private func copyFinalStates(
  _ finalState: Output, y: Input, outputStride: Int, size: Int, ragged: RaggedBatch, reverse: Bool
) {
  if reverse {
    copyRows(finalState, stride: size, y, sourceStride: outputStride, size: size, count: ragged.batch)
    return
  }
  var row = 0
  for step in 0..<ragged.steps {
    for sequence in ragged.size(step &+ 1)..<ragged.size(step) {
      copyPadded(finalState + sequence &* size, y + (row &+ sequence) &* outputStride, size, width: size)
    }
    row &+= ragged.size(step)
  }
}

/// Copies `count` rows of `size` floats.
private func copyRows(_ target: Output, stride: Int, _ source: Input, sourceStride: Int, size: Int, count: Int) {
  for row in 0..<count { copyPadded(target + row &* stride, source + row &* sourceStride, size, width: size) }
}

/// The final states' gradients, one padded row a sequence.
private func copyStates(_ target: Output, width: Int, _ source: Input?, size: Int, batch: Int) {
  for sequence in 0..<batch {
    if let source {
      copyPadded(target + sequence &* width, source + sequence &* size, size, width: width)
    } else {
      fillZero(target + sequence &* width, width)
    }
  }
}

extension RecurrentCell {
  /// The plan of one of the two loops.
  ///
  /// - Parameters:
  ///   - bytes: of the weights that a step reads
  ///   - inputBytes: of the input's weights, if the loop multiplies it
  ///   - exchanged: bytes of a row that the products of a step read
  ///   - parts: of the first pass
  fileprivate func plan(
    _ ragged: RaggedBatch, _ loop: some Recurrence, bytes: Int, inputBytes: Int, exchanged: Int, parts: Int,
    tileRows: Int
  ) -> RecurrentPlan {
    var waits = 0
    for pass in 0..<loop.passes where loop.isShared(pass) { waits &+= 1 }
    return RecurrentPlan(
      work: stepWork, stateBytes: bytes, inputBytes: inputBytes,
      productBytes: 4 &* gates &* units, exchangedBytes: exchanged, parts: parts,
      partsTogether: loop.partsTogether, waits: waits, tileRows: tileRows,
      workers: taskLimit(work: ragged.rows &* stepWork), kept: RecurrentPlan.kept(machineCaches))
  }
}
