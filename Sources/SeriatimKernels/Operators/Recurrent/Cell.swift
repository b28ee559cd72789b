// What a kind of recurrent layer is: its sizes, how its weights are packed, and what it does at a step, forward and
// backward. Layer.swift does the rest for all kinds. The calls and their pointers are those of the C ABI, Recurrent layers
// in Bindings/include/seriatim.h.

import CSeriatim

/// A kind of recurrent layer, with the sizes of one. One that is no `TrainedCell` serves inference alone.
protocol RecurrentCell {
  associatedtype Forward: ForwardLoop where Forward.Cell == Self

  /// Rows of a tile of the forward loop.
  static var tileRows: Int { get }

  init(_ cell: srt_cell)

  var inputSize: Int { get }
  var hiddenSize: Int { get }
  /// Of h and the output: hiddenSize, or a projection's size.
  var stateSize: Int { get }
  /// Blocks of `hiddenSize` rows in weights and biases.
  var gates: Int { get }
  /// Which parameters there are: SRT_HAS_*.
  var parameters: Int { get }
  /// Columns of weight_hh.
  var stateColumns: Int { get }
  /// Whether the input's product is multiplied for all rows before the loop, not only for steps with few.
  var multipliesAllInputs: Bool { get }
  /// Multiply-adds of a row in the time loop.
  var stepWork: Int { get }
  /// How packed weights are kept.
  var form: WeightForm { get }
  /// Bytes of weights that a row's step reads in the forward loop.
  var stateBytes: Int { get }
  /// hiddenSize, padded to whole registers.
  var units: Int { get }

  /// Floats of the packed weights; of those for the backward pass; and where these have W_ih, the last of them.
  var packedSize: Int { get }
  var packedBackwardSize: Int { get }
  var inputPackedOffset: Int { get }
  /// Floats of a cache row: what backward needs of a frame. 0: the output is enough.
  var cacheStride: Int { get }
  /// Floats of a row that has its input's product beforehand, where there is no cache.
  var inputStride: Int { get }
  /// Where c is in a cache row, in cells that have it.
  var cellColumn: Int? { get }
  /// Floats that the backward loop needs for itself.
  func backwardSpace(batch: Int, rows: Int) -> Int

  /// Writes `packedSize` floats. The scales are those of int8 weights.
  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales)
}

/// A cell with a backward pass.
protocol TrainedCell: RecurrentCell {
  associatedtype Backward: BackwardLoop where Backward.Cell == Self

  /// Writes `packedBackwardSize` floats, those of W_ih only if it is given.
  func packBackward(_ packed: Output, _ weights: srt_cell_weights)
}

extension RecurrentCell {
  static var tileRows: Int { SeriatimKernels.tileRows }

  var parameters: Int { Int(SRT_HAS_WEIGHT_HH) | Int(SRT_HAS_BIAS_HH) }
  var stateColumns: Int { stateSize }
  var multipliesAllInputs: Bool { false }
  var stateSize: Int { hiddenSize }
  var inputStride: Int { cacheStride }
  var cellColumn: Int? { nil }
  func backwardSpace(batch: Int, rows: Int) -> Int { 0 }

  /// stateSize, padded to whole registers.
  var stateUnits: Int { roundedUp(stateSize, to: laneCount) }
  /// Registers of units; of cells whose gates lie together, each has a panel of weights.
  var panels: Int { units / laneCount }

  var stepWork: Int { gates &* hiddenSize &* stateSize }
  var form: WeightForm { .float32 }
  var stateBytes: Int { form.bytes &* stepWork }
  /// Multiply-adds of a row in the input's product.
  var inputWork: Int { gates &* hiddenSize &* inputSize }

  /// The sizes of opaque memory, in floats.
  func measure(batch: Int, rows: Int, steps: Int, training: Bool) -> srt_recurrent_sizes {
    let ready = multipliesAllInputs ? rows : mostReadyRows(rows: rows, batch: batch)
    let kept = training ? 0 : batch &* cacheStride &+ ready &* inputStride
    return srt_recurrent_sizes(
      gates: gates, state_size: stateSize, cell_size: cellColumn == nil ? 0 : hiddenSize,
      state_columns: stateColumns, parameters: Int32(parameters),
      packed: packedSize, packed_backward: packedBackwardSize, packed_state: inputPackedOffset,
      cache_stride: cacheStride,
      forward_scratch: Schedule.scratchSize(rows: rows) &+ kept,
      backward_scratch: Schedule.scratchSize(rows: rows) &+ carrySize(stateUnits, batch) &+ carrySize(units, batch)
        &+ roundedUp(backwardSpace(batch: batch, rows: rows), to: 16)
        &+ carrySize(stateUnits, batch) &+ RecurrentFactors.scratchSize(batch: batch, rows: rows))
  }

  func carrySize(_ width: Int, _ batch: Int) -> Int { roundedUp(batch &* width, to: 16) }
}

/// A cell's time loop, forward.
protocol ForwardLoop: Recurrence {
  associatedtype Cell
  init(_ cell: Cell, _ call: srt_recurrent_call, _ gates: GateMemory)
  /// Multiplies the input of `gates.readyRows`, before the loop.
  func multiplyInputs()
}

/// A cell's time loop, backward.
protocol BackwardLoop: Recurrence {
  associatedtype Cell
  /// - Parameters:
  ///   - carry: dh of the step at hand, `stateUnits` a sequence
  ///   - cellCarry: dc, `units` a sequence
  ///   - space: `backwardSpace` floats
  init(_ cell: Cell, _ call: srt_recurrent_gradient_call, carry: Output, cellCarry: Output, space: Output)
  /// After the loop, before anything else reads what it left.
  func finish(_ ragged: RaggedBatch)
  /// Then: the gates' gradients, one row a frame, those of the input's product in the first
  /// `gates * units` columns.
  var gateGradients: RowSource { get }
  /// Adds up the gradients of the parameters, after the loop.
  func addGradients(_ factors: RecurrentFactors)
}

extension BackwardLoop {
  func finish(_ ragged: RaggedBatch) {}
}

/// Where the gates of a row are: in its cache row, or, when there is none, in a scratch row of its sequence. `readyRows`
/// have their input's product already, each in a row of its own.
struct GateMemory {
  /// Whether there is a cache.
  let keeps: Bool
  let stride: Int
  let kept: Output
  /// As if it began at row 0.
  let ready: Output
  /// From one row of `ready` to the next.
  let readyStride: Int
  let readyRows: Range<Int>

  init(
    _ call: srt_recurrent_call, batch: Int, stride: Int, inputStride: Int, readyRows: Range<Int>, scratch: Output
  ) {
    keeps = call.cache != nil
    self.stride = stride
    readyStride = keeps ? stride : inputStride
    self.readyRows = readyRows
    kept = call.cache ?? scratch
    ready = call.cache ?? scratch + (batch &* stride &- readyRows.lowerBound &* inputStride)
  }

  @inline(__always)
  func isReady(_ step: Step) -> Bool { readyRows.contains(step.row) }

  /// The row that is kept of a sequence at a step.
  @inline(__always)
  func keptRow(_ step: Step, _ sequence: Int) -> Output { kept + (keeps ? step.row &+ sequence : sequence) &* stride }

  /// The row that has a sequence's products at a step.
  @inline(__always)
  func productRow(_ step: Step, _ sequence: Int) -> Output {
    isReady(step) ? ready + (step.row &+ sequence) &* readyStride : keptRow(step, sequence)
  }
}

extension Step {
  /// Runs `body(panel, panels, first, count, continues)` for a worker's tiles of this step: in each group of panels first
  /// the rows that have a state from the step before, then those that begin here.
  @inline(__always)
  func forEachTile(
    _ share: RowShare, parts: Range<Int>, limit: Int,
    _ body: (_ panel: Int, _ panels: Int, _ first: Int, _ count: Int, _ continues: Bool) -> Void
  ) {
    forEachPanelGroup(of: parts, rows: share.count(in: 0..<count), descending: descending) { panel, panels in
      share.forEachTile(in: 0..<continuing, limit: limit) { first, count in body(panel, panels, first, count, true) }
      share.forEachTile(in: continuing..<count, limit: limit) { first, count in body(panel, panels, first, count, false)
      }
    }
  }
}
