// Stages of a file's modules: their tensors are looked at, packed as the kernels read them, and kept.

import CSeriatim
import SeriatimKernels

/// Stages, as far as they have been read.
struct StageBuilder {
  let file: ModelFile
  private(set) var stages: [srt_stage] = []
  private(set) var memory: [Buffer] = []
  /// Columns of the features that have been written.
  private(set) var features = 0
  /// Columns that the last stage gives.
  private(set) var columns: Int

  init(_ file: ModelFile, inputs: Int) {
    self.file = file
    columns = inputs
  }

  private mutating func keep(_ values: [Float]) -> UnsafePointer<Float> {
    let buffer = Buffer(values)
    memory.append(buffer)
    return buffer.input
  }

  private mutating func add(_ kind: SRTKind, out: Int? = nil, _ change: (inout srt_stage) -> Void = { _ in }) {
    var stage = srt_stage()
    stage.kind = kind.rawValue
    (stage.in, stage.out) = (columns, out ?? columns)
    change(&stage)
    stages.append(stage)
    columns = stage.out
  }

  // MARK: Layers

  /// `y = x W^T + b`, of the tensors `name.weight` and `name.bias`.
  mutating func linear(_ name: String, _ outputs: Int, hasBias: Bool = true) throws {
    let packed = try packedLinear(name, columns, outputs)
    let bias = hasBias ? keep(try file.floats("\(name).bias", [outputs])) : nil
    add(.linear, out: outputs) {
      $0.weights = packed
      $0.bias = bias
    }
  }

  private mutating func packedLinear(_ name: String, _ inputs: Int, _ outputs: Int) throws -> UnsafePointer<Float> {
    let weight = try file.floats("\(name).weight", [outputs, inputs])
    let packed = Buffer(packedSize(depth: inputs, columns: outputs))
    packLinear(packed.start, form: .float32, weight: weight, scales: nil, inFeatures: inputs, outFeatures: outputs)
    memory.append(packed)
    return packed.input
  }

  /// The last frames side by side, of which some are still to come.
  mutating func window(frames: Int, ahead: Int) {
    add(.window, out: frames * columns) { ($0.count, $0.ahead) = (frames, ahead) }
  }

  /// Batch normalisation in evaluation.
  mutating func batchNorm(_ name: String, epsilon: Float = 1e-5) throws {
    let parts = try ["running_mean", "running_var", "weight", "bias"].map {
      keep(try file.floats("\(name).\($0)", [columns]))
    }
    add(.batchNorm) {
      ($0.mean, $0.variance, $0.scale, $0.shift, $0.number) = (parts[0], parts[1], parts[2], parts[3], epsilon)
    }
  }

  mutating func relu() { add(.activation) { $0.option = Activation.Kind.relu.rawValue } }

  mutating func logSoftmax() { add(.softmax) { $0.option = 1 } }

  /// All layers of a recurrent stack.
  mutating func recurrent(_ stack: RecurrentStack, _ name: String) throws {
    for layer in 0..<stack.layers {
      let cell = stack.cell(inputs: columns)
      let packed = try packedCell(cell, "\(name).", "_l\(layer)", hasBias: stack.hasBias)
      let second =
        stack.isBidirectional ? try packedCell(cell, "\(name).", "_l\(layer)_reverse", hasBias: stack.hasBias) : nil
      add(.recurrent, out: (stack.isBidirectional ? 2 : 1) * stack.hiddenSize) {
        ($0.cell, $0.weights, $0.second, $0.number) = (cell, packed, second, -stack.zoneout)
      }
    }
  }

  private mutating func packedCell(_ cell: srt_cell, _ beginning: String, _ end: String, hasBias: Bool) throws
    -> UnsafePointer<Float>
  {
    guard let sizes = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false) else {
      throw ModelError.unsupported("\(beginning): holds a recurrent layer of an unknown kind")
    }
    let rows = sizes.gates * cell.hidden_size
    func read(_ name: String, _ shape: [Int]) throws -> Buffer {
      Buffer(try file.floats(beginning + name + end, shape))
    }
    let weights = [
      try read("weight_ih", [rows, cell.input_size]), try read("weight_hh", [rows, sizes.state_columns]),
    ]
    let biases = hasBias ? [try read("bias_ih", [rows]), try read("bias_hh", [rows])] : []
    var given = srt_cell_weights()
    (given.weight_ih, given.weight_hh) = (weights[0].input, weights[1].input)
    (given.bias_ih, given.bias_hh) = (biases.first?.input, biases.last?.input)
    let packed = Buffer(sizes.packed)
    withExtendedLifetime((weights, biases)) {
      runningKernels(threads: 1) { packRecurrent(cell, packed.start, given, srt_cell_scales()) }
    }
    memory.append(packed)
    return packed.input
  }

  // MARK: Features

  /// Each sequence's last states.
  mutating func last() { gather(.last, columns) }

  /// Pools over the frames.
  mutating func pool(_ kinds: Pooling) {
    gather(.pool, kinds.rawValue.nonzeroBitCount * columns) { $0.option = kinds.rawValue }
  }

  /// DeepGRU's attention, its results in columns that `claim` has given.
  mutating func attention(_ name: String, column: Int) throws {
    let size = columns
    let query = try packedLinear("\(name).query", size, size)
    let stack = RecurrentStack(kind: .gru, hiddenSize: size)
    let cell = stack.cell(inputs: size)
    let packed = try packedCell(cell, "\(name).gru.", "_l0", hasBias: true)
    add(.attention) { ($0.cell, $0.weights, $0.second, $0.column) = (cell, query, packed, column) }
  }

  /// Leaves room for so many features, and returns where it begins.
  mutating func claim(_ width: Int) -> Int {
    features += width
    return features - width
  }

  private mutating func gather(_ kind: SRTKind, _ width: Int, _ change: (inout srt_stage) -> Void = { _ in }) {
    let column = claim(width)
    add(kind) {
      $0.column = column
      change(&$0)
    }
  }

  /// From rows to features.
  mutating func gathered() { add(.gathered, out: features) }
}

/// Kinds of stages.
enum SRTKind {
  case window, linear, batchNorm, activation, softmax, recurrent, last, pool, attention, gathered

  var rawValue: Int32 {
    switch self {
    case .window: Int32(SRT_WINDOW)
    case .linear: Int32(SRT_LINEAR)
    case .batchNorm: Int32(SRT_BATCH_NORM)
    case .activation: Int32(SRT_ACTIVATION)
    case .softmax: Int32(SRT_SOFTMAX)
    case .recurrent: Int32(SRT_RECURRENT)
    case .last: Int32(SRT_LAST)
    case .pool: Int32(SRT_POOL)
    case .attention: Int32(SRT_ATTENTION)
    case .gathered: Int32(SRT_GATHERED)
    }
  }
}

/// What is pooled over frames.
struct Pooling: OptionSet {
  let rawValue: Int32
  static let mean = Pooling(rawValue: 1)
  static let greatest = Pooling(rawValue: 2)
  static let positive = Pooling(rawValue: 4)
}
