// Recurrent layers whose gates see the input alone, and whose state meets nothing but itself, unit by unit (MinGRU.swift,
// MinLSTM.swift, IndRNN.swift: the equations). So the only product is the input's: it is multiplied for all frames at
// once, and what is left of the recurrence is a loop over elements, a scan, in which no worker waits for another.
//
// Packed weights, forward: biases and then W_ih, one column a unit of a gate, gates `units` apart; then u, the weights of
// the state, in cells that have them. Backward: u, then W_ih.
//
// Cache, one row a frame: the gates' products, `units` each. Forward puts what backward needs in their place, and
// backward the gradients of the products.
//
// FLOPs a frame: 2 G H I forward, twice that backward. The scan reads G H floats a frame and writes H, or backward
// G H + H: for small I its time is that of the memory, for others it is small beside the product's.

import CSeriatim

/// What one unit does at a step. Gates of a frame are `units` floats apart; `gate` is the first one's.
protocol ScanRule {
  /// Blocks of rows in weights and biases.
  static var gates: Int { get }
  /// Whether the state has weights: u, one a unit.
  static var hasStateWeight: Bool { get }

  init(options: Int)

  /// The new state from the products and the state before. `keeps`: puts what backward needs in the products' place.
  func step(_ gate: Output, units: Int, u: Lanes, h: Lanes, keeps: Bool) -> Lanes
  /// The gradient of the state before, from that of the new one; puts the products' gradients in place of what was kept.
  func backward(_ gate: Output, units: Int, u: Lanes, h: Lanes, dh: Lanes) -> Lanes
}

/// The sizes of one direction of one layer.
struct Scan<Rule: ScanRule>: TrainedCell {
  typealias Forward = ScanForward<Rule>
  typealias Backward = ScanBackward<Rule>

  let inputSize: Int
  let hiddenSize: Int
  let units: Int
  let rule: Rule

  init(_ cell: srt_cell) {
    inputSize = cell.input_size
    hiddenSize = cell.hidden_size
    units = roundedUp(hiddenSize, to: laneCount)
    rule = Rule(options: Int(cell.options))
  }

  var gates: Int { Rule.gates }
  var parameters: Int { Rule.hasStateWeight ? Int(SRT_HAS_WEIGHT_HH) : 0 }
  var stateColumns: Int { 1 }
  var multipliesAllInputs: Bool { true }
  /// An exponential and a division are worth some sixteen multiply-adds.
  var stepWork: Int { 16 &* gates &* hiddenSize }
  var stateBytes: Int { 4 &* inputPackedOffset }

  /// Columns of the product, the padding's too.
  var columns: Int { gates &* units }
  var biasSize: Int { roundedUp(columns, to: panelWidth) }
  var statePackedOffset: Int { biasSize &* (1 &+ inputSize) }
  var packedSize: Int { statePackedOffset &+ inputPackedOffset }
  var packedBackwardSize: Int { inputPackedOffset &+ SeriatimKernels.packedSize(depth: columns, columns: inputSize) }
  var inputPackedOffset: Int { Rule.hasStateWeight ? units : 0 }
  /// Padded by a line: rows a power of two apart would fall into one set of the cache.
  var cacheStride: Int { columns &+ 16 }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    let registers = biasSize / laneCount
    let weightIH = weights.weight_ih.unsafelyUnwrapped
    parallel(tasks: min(registers, taskLimit(work: packedSize))) { task, tasks in
      for register in untilCancelled(share(of: registers, task, tasks), work: inputSize &* laneCount) {
        let column = register &* laneCount
        let (gate, unit) = (column / units, column % units)
        // Past the last gate is nothing.
        let count = gate < gates ? min(laneCount, hiddenSize &- unit) : 0
        let row = count > 0 ? gate &* hiddenSize &+ unit : 0
        for lane in 0..<laneCount { packed[column &+ lane] = lane < count ? weights.bias_ih?[row &+ lane] ?? 0 : 0 }
        let target = packed + biasSize + column / panelWidth &* panelWidth &* inputSize + column % panelWidth
        packPanel(
          target, stride: panelWidth, width: laneCount, weightIH + row &* inputSize, depthStride: 1,
          columnStride: inputSize, depth: inputSize, columns: count)
      }
    }
    packStateWeight(packed + statePackedOffset, weights)
  }

  func packBackward(_ packed: Output, _ weights: srt_cell_weights) {
    packStateWeight(packed, weights)
    if let weightIH = weights.weight_ih {
      GateRows(hiddenSize: hiddenSize, units: units, gates: gates, first: 0, count: gates)
        .pack(packed + inputPackedOffset, weightIH, columns: inputSize)
    }
  }

  private func packStateWeight(_ target: Output, _ weights: srt_cell_weights) {
    if Rule.hasStateWeight { copyPadded(target, weights.weight_hh.unsafelyUnwrapped, hiddenSize, width: units) }
  }
}

/// The time loop, forward.
struct ScanForward<Rule: ScanRule>: ForwardLoop {
  let shape: Scan<Rule>
  let call: srt_recurrent_call
  let gates: GateMemory

  init(_ cell: Scan<Rule>, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
  }

  var passes: Int { 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { registerCount(shape.hiddenSize) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { false }

  /// Of all frames.
  func multiplyInputs() {
    product(
      gates.ready, outputStride: gates.stride, start: .bias(call.packed), call.x, inputStride: shape.inputSize,
      packed: call.packed + shape.biasSize, rows: gates.readyRows.count, depth: shape.inputSize, columns: shape.columns)
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    let range = unitRange(of: parts, units: shape.units)
    share.forEach(in: 0..<step.continuing) { row in
      advance(step, row, range, previous: Input(call.y + (step.previousRow &+ row) &* call.output_stride))
    }
    share.forEach(in: step.continuing..<step.count) { row in
      advance(step, row, range, previous: call.initial_states.h.map { $0 + row &* shape.hiddenSize })
    }
  }

  private func advance(_ step: Step, _ sequence: Int, _ range: Range<Int>, previous: Input?) {
    let gate = gates.productRow(step, sequence)
    let y = call.y + (step.row &+ sequence) &* call.output_stride
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      var h = broadcast(0)
      if let previous { h = load(previous + unit, first: width) }
      let u = Rule.hasStateWeight ? load(call.packed + shape.statePackedOffset + unit) : broadcast(0)
      let new = shape.rule.step(gate + unit, units: shape.units, u: u, h: h, keeps: gates.keeps)
      store(new, y + unit, first: width)
      unit &+= laneCount
    }
  }
}

/// The time loop, backward.
struct ScanBackward<Rule: ScanRule>: BackwardLoop {
  let shape: Scan<Rule>
  let call: srt_recurrent_gradient_call
  let gates: Output
  /// dh of the step at hand, `units` a sequence.
  let carry: Output

  init(_ cell: Scan<Rule>, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output) {
    shape = cell
    self.call = call
    gates = call.cache.unsafelyUnwrapped
    self.carry = carry
  }

  var passes: Int { 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { registerCount(shape.hiddenSize) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { false }

  var gateGradients: RowSource { RowSource(gates, stride: shape.cacheStride) }

  func addGradients(_ factors: RecurrentFactors) {
    factors.addInput(gate: 0, gates: Rule.gates, column: 0, units: shape.units)
    if Rule.hasStateWeight { factors.addElementwise(call.gradients.weight_hh.unsafelyUnwrapped, column: 0) }
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    let range = unitRange(of: parts, units: shape.units)
    share.forEach(in: 0..<step.continuing) { row in
      goBack(step, row, range, previous: call.y + (step.previousRow &+ row) &* call.output_stride)
    }
    share.forEach(in: step.continuing..<step.count) { row in
      goBack(step, row, range, previous: call.initial_states.h.map { $0 + row &* shape.hiddenSize })
    }
  }

  private func goBack(_ step: Step, _ sequence: Int, _ range: Range<Int>, previous: Input?) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = shape.hiddenSize &- unit
      let target = carry + sequence &* shape.units + unit
      var dh = load(target)
      if let gradY = call.grad_y { dh += load(gradY + row &* call.grad_output_stride + unit, first: width) }
      var h = broadcast(0)
      if let previous { h = load(previous + unit, first: width) }
      let u = Rule.hasStateWeight ? load(call.packed + unit) : broadcast(0)
      let gate = gates + row &* shape.cacheStride + unit
      store(shape.rule.backward(gate, units: shape.units, u: u, h: h, dh: dh), target)
      unit &+= laneCount
    }
  }
}
