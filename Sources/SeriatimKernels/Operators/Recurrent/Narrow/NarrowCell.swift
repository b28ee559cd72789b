// GRU and LSTM with packed weights of bfloat16 or int8, for inference. The equations, and the order of all sums, are those
// of GRU/ and LSTM/; but a step is plain products into a row of gates, and then a pass over its elements, so that one tile,
// that of NarrowWeights.swift, serves all cells. (RNN/ is made of plain products anyway.)

import CSeriatim

extension srt_cell {
  /// How the cell's packed weights are kept.
  var form: WeightForm {
    Int(options) & Int(SRT_BFLOAT16) != 0 ? .bfloat16 : Int(options) & Int(SRT_INT8) != 0 ? .int8 : .float32
  }
}

/// A product of a step, and what then becomes of its units.
struct NarrowStage {
  /// Where the left factor is: a block of the row, or -1 for the state.
  let source: Int
  let depth: Int
  /// Of the right factor, in the packed weights.
  let offset: Int
  /// Where the sums begin: a block of the row, or -1 for the output, which is not read.
  let target: Int
  let columns: Int
}

/// A cell whose step is made of stages. The input's product, which has all gates, fills the first blocks of the row; its
/// biases come first in the packed weights. The first stage's product begins at the first block, too.
protocol NarrowCell: RecurrentCell {
  var stages: Int { get }
  func stage(_ index: Int) -> NarrowStage
  /// Whether the sums of the last gate are kept in the block behind the gates, and the state's product of this gate starts
  /// from a bias of its own, which is behind the others.
  var partsLastGate: Bool { get }
  var inputOffset: Int { get }
  var blocks: Int { get }

  /// What follows a stage's product for the units of `range`.
  func activate(
    _ stage: Int, _ row: Output, _ range: Range<Int>, _ packed: Input, h: Input?, c: Input?, newCell: Output, y: Output)
}

extension NarrowCell {
  /// Of everything in a row, `units` each. Padded by a line: rows a power of two apart would fall into one set of the cache.
  var cacheStride: Int { blocks &* units &+ 16 }
  var panels: Int { panelCount(gates &* units) }
  var packedBackwardSize: Int { 0 }
  var inputPackedOffset: Int { 0 }
  var biasSize: Int { roundedUp((gates &+ (partsLastGate ? 1 : 0)) &* units, to: panelWidth) }
}

/// The time loop.
struct NarrowForward<Cell: NarrowCell>: ForwardLoop {
  let shape: Cell
  let call: srt_recurrent_call
  let gates: GateMemory

  init(_ cell: Cell, _ call: srt_recurrent_call, _ gates: GateMemory) {
    shape = cell
    self.call = call
    self.gates = gates
  }

  /// Panels: narrow weights are not cut within one.
  var partsTogether: Int { 1 }
  /// Of each stage the product, and the pass over its elements. With the first product goes the input's of rows that have
  /// none yet: its columns are those of the same parts.
  var passes: Int { 2 &* shape.stages }
  @inline(__always)
  func parts(_ pass: Int) -> Int {
    if pass == 0 { return shape.panels }
    return panelCount(pass & 1 == 0 ? shape.stage(pass / 2).columns : shape.units)
  }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  func multiplyInputs() {
    let first = gates.readyRows.lowerBound
    product(
      gates.ready + first &* gates.readyStride, outputStride: gates.readyStride,
      start: .bias(call.packed), call.x + first &* shape.inputSize, inputStride: shape.inputSize,
      packed: call.packed + shape.inputOffset, form: shape.form, rows: gates.readyRows.count, depth: shape.inputSize,
      columns: shape.gates &* shape.units)
  }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    let parts = parts.lowerBound &* panelRegisters..<parts.upperBound &* panelRegisters
    if pass & 1 != 0 {
      let range = unitRange(of: parts, units: shape.units)
      share.forEach(in: 0..<step.count) { activate(pass / 2, step, $0, range) }
      return
    }
    let stage = shape.stage(pass / 2)
    let row = gates.productRow(step, 0)
    if pass == 0 {
      if !gates.isReady(step) {
        multiply(
          step, share, parts, .bias(call.packed), call.x + step.row &* shape.inputSize, stride: shape.inputSize,
          depth: shape.inputSize, offset: shape.inputOffset, row, columns: shape.gates &* shape.units)
      }
      if shape.partsLastGate { partLastGate(step, share, parts) }
    }
    func product(_ rows: Range<Int>, _ a: Input, stride: Int) {
      multiply(
        step, share, parts, stage.target < 0 ? .zero : .output, a, stride: stride, depth: stage.depth,
        offset: stage.offset, stage.target < 0 ? nil : row + stage.target &* shape.units, columns: stage.columns,
        rows: rows)
    }
    if stage.source >= 0 { return product(0..<step.count, row + stage.source &* shape.units, stride: gates.stride) }
    product(0..<step.continuing, call.y + step.previousRow &* call.output_stride, stride: call.output_stride)
    if let h = call.initial_states.h { product(step.continuing..<step.count, h, stride: shape.stateSize) }
  }

  /// - Parameter target: nil: the output
  @inline(never)
  @_optimize(speed)
  private func multiply(
    _ step: Step, _ share: RowShare, _ parts: Range<Int>, _ start: ProductStart, _ a: Input, stride: Int, depth: Int,
    offset: Int, _ target: Output?, columns: Int, rows: Range<Int>? = nil
  ) {
    StepProduct(
      start: start, a: a, inputStride: stride, packed: call.packed + offset, depth: depth,
      c: target ?? call.y + step.row &* call.output_stride,
      outputStride: target == nil ? call.output_stride : gates.stride, columns: columns, descending: step.descending,
      form: shape.form
    ).run(share, rows: rows ?? 0..<step.count, parts: parts)
  }

  private func partLastGate(_ step: Step, _ share: RowShare, _ parts: Range<Int>) {
    let (first, end) = ((shape.gates &- 1) &* shape.units, shape.gates &* shape.units)
    let range = unitRange(of: parts, units: end)
    share.forEach(in: 0..<step.count) { sequence in
      let row = gates.productRow(step, sequence)
      var column = max(first, range.lowerBound)
      while column < range.upperBound {
        store(load(row + column), row + (column &+ shape.units))
        store(load(call.packed + (column &+ shape.units)), row + column)
        column &+= laneCount
      }
    }
  }

  @inline(__always)
  private func activate(_ index: Int, _ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let kept = gates.keptRow(step, sequence)
    var h = call.initial_states.h.map { $0 + sequence &* shape.stateSize }
    var c = call.initial_states.c.map { $0 + sequence &* shape.hiddenSize }
    if sequence < step.continuing {
      h = Input(call.y + (step.previousRow &+ sequence) &* call.output_stride)
      c = shape.cellColumn.map { Input(kept + $0) }
    }
    shape.activate(
      index, gates.productRow(step, sequence), range, call.packed, h: h, c: c, newCell: kept + (shape.cellColumn ?? 0),
      y: call.y + (step.row &+ sequence) &* call.output_stride)
  }
}

/// Writes the sums of a gate's two biases, padded.
func packBiasSum(_ target: Output, _ biasIH: Input?, _ biasHH: Input?, first: Int, count: Int, width: Int) {
  for unit in 0..<width {
    target[unit] = unit < count ? (biasIH?[first &+ unit] ?? 0) + (biasHH?[first &+ unit] ?? 0) : 0
  }
}
