// Layer-normalised recurrences (Ba et al., "Layer normalization", 2016): each of a step's two products is normalised on
// its own, over all gates of a row at once, then scaled and shifted,
//
//   a = N(W_ih x) * norm_ih + bias_ih      s = N(W_hh h) * norm_hh + bias_hh
//   N(v) = (v - mean(v)) / sqrt(var(v) + 1e-5)
//
// and a cell computes its gates and its new state from a and s: NormGRU, NormLSTM. A row's mean needs all of its units, so
// rows are never cut: the products are shared out by columns, everything else by rows. Sums run over whole registers in
// one order, so a row's bits depend neither on the batch nor on the threads.
//
// Packed weights, forward: W_ih and W_hh, each the right factor of a plain product with `width` columns, `units` a gate,
// then `NormVectors`. Backward: W_hh^T, `NormVectors`, W_ih^T.
//
// Cache, one row a frame: | N(W_ih x) | N(W_hh h) | blocks of the cell, `units` each | 1 / sqrt(var + 1e-5) of each norm |.
// Backward turns the cell's blocks into the gradients of a and s, and after the loop the normalised products into their
// products' gradients. Columns of units beyond the hidden size are zeros everywhere, and enter no sum.

import CSeriatim

private let epsilon: Float = 1e-5

/// A cell of two normalised products.
protocol NormalizedCell: TrainedCell {
  init(inputSize: Int, hiddenSize: Int)
  /// Blocks of `units` floats that the cell has in a cache row.
  var blocks: Int { get }
  /// Whether `gateGradients` leaves in the carry what of dh reaches the old state past the product.
  var carriesState: Bool { get }
  /// The block in which `gateGradients` leaves a gate's gradient of s; that of a is in block `gate`.
  func stateBlock(gate: Int) -> Int

  /// One row: the gates and the new states.
  func activate(_ row: NormRow, input: Input, _ vectors: NormVectors, h: Input?, c: Input?, y: Output)
  /// One row: the gates' gradients, and what is carried on.
  ///
  /// - Parameters:
  ///   - dh: the carried gradient, with the output's
  ///   - dc: of c'
  ///   - space: `units` floats
  func gateGradients(
    _ row: NormRow, _ vectors: NormVectors, h: Input?, c: Input?, dh: Output, dc: Output, space: Output)
}

extension NormalizedCell {
  init(_ cell: srt_cell) { self.init(inputSize: cell.input_size, hiddenSize: cell.hidden_size) }

  var parameters: Int { Int(SRT_HAS_WEIGHT_HH) | Int(SRT_HAS_BIAS_HH) | Int(SRT_HAS_NORM) | normParameters }
  var normParameters: Int { cellColumn == nil ? 0 : Int(SRT_HAS_NORM_C) }
  var multipliesAllInputs: Bool { true }
  var units: Int { roundedUp(hiddenSize, to: laneCount) }
  /// Floats of a product's row.
  var width: Int { gates &* units }
  /// Registers of the state's product, which is a plain one.
  var panels: Int { width / laneCount }

  var statePackedOffset: Int { SeriatimKernels.packedSize(depth: inputSize, columns: width) }
  var vectorsOffset: Int { statePackedOffset &+ SeriatimKernels.packedSize(depth: hiddenSize, columns: width) }
  var packedSize: Int { vectorsOffset &+ NormVectors.size(width: width, units: units) }
  var vectorsBackwardOffset: Int { SeriatimKernels.packedSize(depth: width, columns: hiddenSize) }
  var inputPackedOffset: Int { vectorsBackwardOffset &+ NormVectors.size(width: width, units: units) }
  var packedBackwardSize: Int { inputPackedOffset &+ SeriatimKernels.packedSize(depth: width, columns: inputSize) }
  /// Padded by a line: rows a power of two apart would fall into one set of the cache. The deviations are in it.
  var cacheStride: Int { 2 &* width &+ blocks &* units &+ 16 }
  var inputStride: Int { width &+ 16 }
  /// The gradients of a step's products W_hh h.
  func backwardSpace(batch: Int, rows: Int) -> Int { batch &* width }

  func vectors(_ packed: Input) -> NormVectors { NormVectors(base: packed, width: width, units: units) }
  func row(_ base: Output) -> NormRow { NormRow(base: base, width: width, units: units, blocks: blocks) }

  func pack(_ packed: Output, _ weights: srt_cell_weights, _ scales: srt_cell_scales) {
    packColumns(packed, weights.weight_ih.unsafelyUnwrapped, depth: inputSize)
    packColumns(packed + statePackedOffset, weights.weight_hh.unsafelyUnwrapped, depth: hiddenSize)
    packVectors(packed + vectorsOffset, weights)
  }

  func packBackward(_ packed: Output, _ weights: srt_cell_weights) {
    let rows = GateRows(hiddenSize: hiddenSize, units: units, gates: gates, first: 0, count: gates)
    rows.pack(packed, weights.weight_hh.unsafelyUnwrapped, columns: hiddenSize)
    packVectors(packed + vectorsBackwardOffset, weights)
    if let weightIH = weights.weight_ih { rows.pack(packed + inputPackedOffset, weightIH, columns: inputSize) }
  }

  /// Packs the transpose of a `(gates * hiddenSize, depth)` matrix, each gate's columns padded to `units`.
  private func packColumns(_ packed: Output, _ weight: Input, depth: Int) {
    let panels = panelCount(width)
    parallel(tasks: min(panels, taskLimit(work: depth &* width))) { task, tasks in
      for panel in untilCancelled(share(of: panels, task, tasks), work: depth &* panelWidth) {
        for register in 0..<panelRegisters {
          let column = panel &* panelWidth &+ register &* laneCount
          let (gate, unit) = (column / units, column % units)
          let count = column < width ? min(laneCount, hiddenSize &- unit) : 0
          packPanel(
            packed + panel &* panelWidth &* depth + register &* laneCount, stride: panelWidth, width: laneCount,
            count > 0 ? weight + (gate &* hiddenSize &+ unit) &* depth : weight, depthStride: 1, columnStride: depth,
            depth: depth, columns: count)
        }
      }
    }
  }

  private func packVectors(_ packed: Output, _ weights: srt_cell_weights) {
    var target = packed
    for (vector, count) in [
      (weights.norm_ih, gates), (weights.bias_ih, gates), (weights.norm_hh, gates), (weights.bias_hh, gates),
      (weights.norm_c, 1), (weights.bias_c, 1),
    ] {
      for gate in 0..<count {
        if let vector {
          copyPadded(target, vector + gate &* hiddenSize, hiddenSize, width: units)
        } else {
          fillZero(target, units)
        }
        target += units
      }
    }
  }
}

/// Gains and shifts of the norms, padded with zeros.
struct NormVectors {
  let base: Input
  let width: Int
  let units: Int

  static func size(width: Int, units: Int) -> Int { 4 &* width &+ 2 &* units }

  var normIH: Input { base }
  var normHH: Input { base + 2 &* width }
  var normC: Input { base + 4 &* width }

  /// a of some units of a gate, `unit` counted over all gates.
  @inline(__always)
  func input(_ normalized: Input, _ unit: Int) -> Lanes {
    multiplyAdd(load(base + width + unit), load(normalized + unit), load(base + unit))
  }

  /// s of some units.
  @inline(__always)
  func state(_ normalized: Input, _ unit: Int) -> Lanes {
    multiplyAdd(load(base + 3 &* width + unit), load(normalized + unit), load(base + 2 &* width + unit))
  }

  /// What is under the tanh of the output, of an LSTM.
  @inline(__always)
  func cell(_ normalized: Input, _ unit: Int) -> Lanes {
    multiplyAdd(load(normC + units + unit), load(normalized + unit), load(normC + unit))
  }
}

/// A cache row.
struct NormRow {
  let base: Output
  let width: Int
  let units: Int
  let blocks: Int

  var input: Output { base }
  var state: Output { base + width }
  @inline(__always)
  func block(_ index: Int) -> Output { base + 2 &* width + index &* units }
  /// 1 / sqrt(var + epsilon) of the input's product, of the state's, and of c.
  var deviations: Output { block(blocks) }
}

/// The norm of rows of `gates` blocks, `units` each, of which `count` are not padding.
struct RowNorm {
  let gates: Int
  let count: Int
  let units: Int

  init(_ cell: some RecurrentCell, gates: Int) {
    self.gates = gates
    (count, units) = (cell.hiddenSize, cell.units)
  }

  private var mean: Float { 1 / Float(gates &* count) }

  /// `body(block, place in the row, columns that are left)` for every register.
  @inline(__always)
  private func forEach(_ body: (_ gate: Int, _ place: Int, _ width: Int) -> Void) {
    for gate in 0..<gates {
      var unit = 0
      while unit < units {
        body(gate, gate &* units &+ unit, count &- unit)
        unit &+= laneCount
      }
    }
  }

  /// Replaces v, zeros in its padding, by N(v).
  ///
  /// - Returns: 1 / sqrt(var(v) + epsilon)
  @inline(never)
  func normalize(_ row: Output) -> Float {
    var unit: Float = 1
    var squares = center(row)
    if squares - squares != 0 {
      // Squares that a float does not hold: N(v) is the same in any unit, and epsilon nothing beside them.
      unit = 0x1p-80
      forEach { _, place, _ in store(load(row + place) * broadcast(unit), row + place) }
      squares = center(row)
    }
    let inverse = 1 / (squares * mean + (unit == 1 ? epsilon : 0)).squareRoot()
    forEach { _, place, _ in store(load(row + place) * broadcast(inverse), row + place) }
    return inverse * unit
  }

  /// Takes the mean off v, if it is finite.
  ///
  /// - Returns: the sum of the squares
  private func center(_ row: Output) -> Float {
    var total = broadcast(0)
    forEach { _, place, _ in total += load(row + place) }
    let center = broadcast(sum(total) * mean)
    if center[0] - center[0] != 0 { return .infinity }
    var squares = broadcast(0)
    forEach { _, place, width in
      let value = first(width, of: load(row + place) - center)
      squares = multiplyAdd(squares, value, value)
      store(value, row + place)
    }
    return sum(squares)
  }

  /// `target` = the gradient of v, from that of N(v) * gain: `block(gate)` has a gate's. Target may be `normalized`.
  @inline(__always)
  func gradient(
    _ target: Output, gain: Input, normalized: Input, inverse: Float, _ block: (_ gate: Int) -> Output
  ) {
    var (total, product) = (broadcast(0), broadcast(0))
    forEach { gate, place, _ in
      let slope = load(block(gate) + (place &- gate &* units)) * load(gain + place)
      total += slope
      product = multiplyAdd(product, slope, load(normalized + place))
    }
    let (center, along) = (broadcast(sum(total) * mean), broadcast(sum(product) * mean))
    forEach { gate, place, width in
      let slope = load(block(gate) + (place &- gate &* units)) * load(gain + place)
      let across = slope - center - load(normalized + place) * along
      store(first(width, of: across * broadcast(inverse)), target + place)
    }
  }

  /// The first `width` lanes, zeros behind them.
  @inline(__always)
  private func first(_ width: Int, of value: Lanes) -> Lanes {
    if width >= laneCount { return value }
    var value = value
    for lane in max(0, width)..<laneCount { value[lane] = 0 }
    return value
  }
}
