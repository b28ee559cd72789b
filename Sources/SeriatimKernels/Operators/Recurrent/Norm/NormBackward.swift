// A layer-normalised cell backward through time. With g = da * gain, the gradient of N(v), and v^ = N(v):
//
//   dv = (g - mean(g) - v^ * mean(g * v^)) / sqrt(var(v) + 1e-5)
//
// for v = W_hh h in the loop, where dh = W_hh^T dv is carried on. The gradients of a and s stay in the cache: after the
// loop their sums over all frames are the biases' gradients, those of their products with v^ the gains', and then both v^
// give way to dv, the gradients that the weights' and the input's products are made of.

import CSeriatim

/// The time loop.
struct NormBackward<Cell: NormalizedCell>: BackwardLoop {
  let shape: Cell
  let call: srt_recurrent_gradient_call
  let cache: Output
  let carry: Output
  let cellCarry: Output
  /// dv of W_hh h, one row a sequence.
  let products: Output
  let rowParts: Int

  init(_ cell: Cell, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output) {
    shape = cell
    self.call = call
    cache = call.cache.unsafelyUnwrapped
    self.carry = carry
    self.cellCarry = cellCarry
    products = space
    rowParts = threadLimit() &* panelRegisters
  }

  var passes: Int { 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { pass == 0 ? rowParts : registerCount(shape.hiddenSize) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  private var vectors: NormVectors { shape.vectors(call.packed + shape.vectorsBackwardOffset) }
  private func row(_ index: Int) -> NormRow { shape.row(cache + index &* shape.cacheStride) }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass == 0 {
      share.forEach(in: 0..<step.count) { sequence in
        if parts.contains(sequence &* panelRegisters % rowParts) { rowGradients(step, sequence) }
      }
      return
    }
    // Sequences that begin here need their dh only if someone asked for the initial state's gradient.
    StepProduct(
      start: shape.carriesState ? .output : .zero, a: products, inputStride: shape.width, packed: call.packed,
      depth: shape.width, c: carry, outputStride: shape.units, columns: shape.units, descending: step.descending
    ).run(share, rows: 0..<(call.grad_initial_states.h != nil ? step.count : step.continuing), parts: parts)
  }

  private func rowGradients(_ step: Step, _ sequence: Int) {
    let index = step.row &+ sequence
    let row = row(index)
    var h = call.initial_states.h.map { $0 + sequence &* shape.hiddenSize }
    var c = call.initial_states.c.map { $0 + sequence &* shape.hiddenSize }
    if sequence < step.continuing {
      h = call.y + (step.previousRow &+ sequence) &* call.output_stride
      c = shape.cellColumn.map { Input(cache + (step.previousRow &+ sequence) &* shape.cacheStride + $0) }
    }
    let dh = carry + sequence &* shape.units
    if let gradY = call.grad_y {
      let source = gradY + index &* call.grad_output_stride
      var unit = 0
      while unit < shape.units {
        store(load(dh + unit) + load(source + unit, first: shape.hiddenSize &- unit), dh + unit)
        unit &+= laneCount
      }
    }
    let target = products + sequence &* shape.width
    shape.gateGradients(
      row, vectors, h: h, c: c, dh: dh, dc: cellCarry + sequence &* shape.units, space: target)
    stateGradient(row, target)
  }

  private func stateGradient(_ row: NormRow, _ target: Output) {
    RowNorm(shape, gates: shape.gates).gradient(
      target, gain: vectors.normHH, normalized: row.state, inverse: row.deviations[1]
    ) { row.block(shape.stateBlock(gate: $0)) }
  }

  func finish(_ ragged: RaggedBatch) {
    for gate in 0..<shape.gates {
      let first = gate &* shape.hiddenSize
      let (input, state) = (gate &* shape.units, shape.width &+ gate &* shape.units)
      let blocks = 2 &* shape.width
      addSums(
        call.gradients.bias_ih.map { $0 + first }, call.gradients.norm_ih.map { $0 + first },
        gradient: blocks &+ gate &* shape.units, normalized: input, rows: ragged.rows)
      addSums(
        call.gradients.bias_hh.map { $0 + first }, call.gradients.norm_hh.map { $0 + first },
        gradient: blocks &+ shape.stateBlock(gate: gate) &* shape.units, normalized: state, rows: ragged.rows)
    }
    if let cell = shape.cellColumn {
      addSums(
        call.gradients.bias_c, call.gradients.norm_c, gradient: cell, normalized: cell &+ shape.units,
        rows: ragged.rows)
    }
    parallel(tasks: min(ragged.rows, taskLimit(work: 8 &* ragged.rows &* shape.width))) { task, tasks in
      for index in untilCancelled(share(of: ragged.rows, task, tasks), work: 16 &* shape.width) {
        let row = row(index)
        stateGradient(row, row.state)
        RowNorm(shape, gates: shape.gates).gradient(
          row.input, gain: vectors.normIH, normalized: row.input, inverse: row.deviations[0]
        ) { row.block($0) }
      }
    }
  }

  /// The sums over all frames of a gradient and of its product with what was normalised, `units` columns of the cache
  /// each: one chain a unit, in the order of the frames.
  private func addSums(_ bias: Output?, _ gain: Output?, gradient: Int, normalized: Int, rows: Int) {
    let registers = shape.units / laneCount
    parallel(tasks: min(registers, taskLimit(work: 2 &* rows &* shape.units))) { task, tasks in
      for register in untilCancelled(share(of: registers, task, tasks), work: 8 &* rows &* laneCount) {
        let unit = register &* laneCount
        let width = shape.hiddenSize &- unit
        var (shift, scale) = (broadcast(0), broadcast(0))
        for part in inParts(0..<rows, work: 8 &* laneCount) {
          for row in part {
            let source = cache + row &* shape.cacheStride + unit
            let value = load(source + gradient)
            shift += value
            scale = multiplyAdd(scale, value, load(source + normalized))
          }
        }
        if let bias { add(shift, bias + unit, first: width) }
        if let gain { add(scale, gain + unit, first: width) }
      }
    }
  }

  @inline(__always)
  private func add(_ sum: Lanes, _ target: Output, first width: Int) {
    store(call.accumulate != 0 ? load(target, first: width) + sum : sum, target, first: width)
  }

  var gateGradients: RowSource { RowSource(cache, stride: shape.cacheStride) }

  /// The biases have theirs from `finish`: they follow the norms.
  func addGradients(_ factors: RecurrentFactors) {
    var weights = factors
    (weights.call.gradients.bias_ih, weights.call.gradients.bias_hh) = (nil, nil)
    weights.addInput(gate: 0, gates: shape.gates, column: 0, units: shape.units)
    weights.addState(gate: 0, gates: shape.gates, column: shape.width, units: shape.units)
  }
}
