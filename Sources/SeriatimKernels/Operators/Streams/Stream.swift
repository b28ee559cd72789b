// A network over sequences whose frames come one by one, or some at a time: its stages one after another over the rows of
// a call, with what streams keep in between (include/seriatim.h, Streams). Each stage is the kernel that runs it over whole
// sequences, or does the same sums in the same order, so a frame gives the same bits however the frames are cut.
//
// A step of one stream reads every weight once: memory is the limit, of a level of the cache that the weights fit into.

import CSeriatim

/// Runs a call. Stages that look ahead only without a state.
public func streamRun(_ stages: StreamStages, _ call: srt_stream_call) {
  var run = StreamRun(stages, call)
  for index in 0..<stages.count { run.pass(stages[index], isLast: index == stages.count &- 1) }
}

/// One call, as far as it has come.
struct StreamRun {
  let call: srt_stream_call
  let ragged: RaggedBatch
  /// Rows of features.
  let gathered: Int
  let featureColumns: Int
  let room: StreamScratch
  private let scratch: Output
  /// The first packed row of every step.
  let firstRows: UnsafeMutablePointer<Int>
  /// What the stage before gave: so many rows of so many columns.
  private(set) var current: Input
  private var rows: Int
  /// Those of the last layer's second direction.
  private(set) var reverseColumns = 0
  private var isSecondBuffer = false
  /// Floats of state before those of the stage.
  private var before = 0
  let features: Output

  init(_ stages: StreamStages, _ call: srt_stream_call) {
    self.call = call
    ragged = RaggedBatch(batchSizes: call.batch_sizes, steps: call.steps)
    gathered = call.every != 0 ? ragged.rows : ragged.batch
    room = stages.scratch(
      batch: call.batch, rows: ragged.rows, capacity: call.capacity, every: call.every != 0)
    (firstRows, scratch) = takeIntegers(call.steps, from: call.scratch)
    var row = 0
    for step in 0..<call.steps {
      firstRows[step] = row
      row &+= ragged.size(step)
    }
    featureColumns = stages.features
    // Where nothing follows, they are the output.
    features = stages[stages.count &- 1].isGathered ? call.y : scratch + 2 &* room.flow
    current = call.x
    rows = ragged.rows
  }

  private var statesRoom: Output { scratch + (2 &* room.flow &+ room.features) }
  var attentionRoom: Output { statesRoom + room.states }
  var weightsRoom: Output { attentionRoom + 4 &* room.attention }
  var kernelRoom: Output { scratch + room.total }

  func stream(_ sequence: Int) -> Int { call.order.map { Int($0[sequence]) } ?? sequence }

  /// Frames that the stream of a sequence had seen before the call.
  func seen(_ sequence: Int) -> Int { call.frames.map { Int($0[stream(sequence)]) } ?? 0 }

  /// Steps of a sequence in this call.
  func length(_ sequence: Int) -> Int {
    var steps = ragged.steps
    while ragged.size(steps &- 1) <= sequence { steps &-= 1 }
    return steps
  }

  mutating func pass(_ stage: srt_stage, isLast: Bool) {
    let state = call.state.map { $0 + before }
    before &+= call.batch &* stage.stateSize
    switch Int(stage.kind) {
    case Int(SRT_LAST):
      return copyLast(stage, reverse: reverseColumns, to: features + stage.column, stride: featureColumns)
    case Int(SRT_POOL): return pool(stage, state)
    case Int(SRT_ATTENTION): return attend(stage)
    case Int(SRT_GATHERED):
      (current, rows) = (UnsafePointer(features), gathered)
      return
    default: break
    }
    let target = isLast ? call.y : scratch + (isSecondBuffer ? room.flow : 0)
    isSecondBuffer.toggle()
    switch Int(stage.kind) {
    case Int(SRT_WINDOW): window(stage, state, target)
    case Int(SRT_LINEAR):
      if let weights = stage.weights {
        linearForward(
          y: target, x: current, packed: weights, form: stage.form, bias: stage.bias, rows: rows, inFeatures: stage.in,
          outFeatures: stage.out)
      }
    case Int(SRT_BATCH_NORM):
      batchNormForward(
        y: target, mean: kernelRoom, inverse: kernelRoom + stage.in,
        runningMean: UnsafeMutablePointer(mutating: stage.mean),
        runningVariance: UnsafeMutablePointer(mutating: stage.variance), x: current, weight: stage.scale,
        bias: stage.shift, rows: rows, columns: stage.in, training: false, momentum: 0, epsilon: stage.number)
    case Int(SRT_ACTIVATION):
      let kind = Activation.Kind(rawValue: stage.option) ?? .identity
      activationForward(
        y: target, x: current, count: rows &* stage.in, activation: Activation(kind, slope: stage.number))
    case Int(SRT_SOFTMAX):
      softmaxForward(y: target, x: current, rows: rows, columns: stage.in, logarithm: stage.option != 0)
    default: layer(stage, state, target)
    }
    current = UnsafePointer(target)
  }

  // MARK: Stages with a state

  private mutating func layer(_ stage: srt_stage, _ state: Output?, _ target: Output) {
    guard let weights = stage.weights else { return }
    let (h, c) = (stage.hiddenColumns, stage.cellColumns)
    reverseColumns = stage.second == nil ? 0 : h
    var forward = srt_recurrent_call(
      y: target, output_stride: stage.out, x: current, batch_sizes: call.batch_sizes, steps: call.steps,
      states: srt_states(), packed: weights, scratch: kernelRoom)
    forward.zoneout.rate = stage.number
    guard let state else {
      recurrentForward(stage.cell, forward)
      if let second = stage.second {
        forward.y = target + h
        forward.packed = second
        forward.reverse = 1
        recurrentForward(stage.cell, forward)
      }
      return
    }
    let cells = state + call.batch &* h
    let isInPlace = call.order == nil && ragged.batch == call.batch
    let (hHere, cHere) = isInPlace ? (state, cells) : (statesRoom, statesRoom + ragged.batch &* h)
    if !isInPlace {
      gather(state, h, into: hHere)
      gather(cells, c, into: cHere)
    }
    forward.initial_states = srt_states(h: UnsafePointer(hHere), c: c > 0 ? UnsafePointer(cHere) : nil)
    forward.final_states = srt_new_states(h: hHere, c: c > 0 ? cHere : nil)
    recurrentForward(stage.cell, forward)
    if !isInPlace {
      scatter(hHere, h, into: state)
      scatter(cHere, c, into: cells)
    }
  }

  /// Rows of streams, in the order of the call's sequences.
  private func gather(_ state: Input, _ columns: Int, into here: Output) {
    for sequence in 0..<ragged.batch {
      copyPadded(here + sequence &* columns, state + stream(sequence) &* columns, columns, width: columns)
    }
  }

  private func scatter(_ here: Input, _ columns: Int, into state: Output) {
    for sequence in 0..<ragged.batch {
      copyPadded(state + stream(sequence) &* columns, here + sequence &* columns, columns, width: columns)
    }
  }

  /// The last frames side by side, oldest first.
  private func window(_ stage: srt_stage, _ state: Output?, _ target: Output) {
    let (columns, kept) = (stage.in, stage.count &- 1)
    for sequence in 0..<ragged.batch {
      let last = state.map { $0 + stream(sequence) &* kept &* columns }
      let length = length(sequence)
      for step in 0..<length {
        let row = target + (firstRows[step] &+ sequence) &* stage.out
        for place in 0..<stage.count {
          let frame = step &- kept &+ place &+ stage.ahead
          copyFrame(frame, of: sequence, length, last.map { $0 + kept &* columns }, columns, to: row + place &* columns)
        }
      }
      guard let last else { continue }
      for place in 0..<kept {
        // Places that are read are never before the one that is written.
        copyFrame(
          length &- kept &+ place, of: sequence, length, last + kept &* columns, columns, to: last + place &* columns)
      }
    }
  }

  /// A frame of this call, or one before it, of those that end at `past`; zeros where there is none.
  private func copyFrame(
    _ frame: Int, of sequence: Int, _ length: Int, _ past: Input?, _ columns: Int, to target: Output
  ) {
    if frame >= 0, frame < length {
      copyPadded(target, current + (firstRows[frame] &+ sequence) &* columns, columns, width: columns)
    } else if frame < 0, let past {
      copyPadded(target, past + frame &* columns, columns, width: columns)
    } else {
      fillZero(target, columns)
    }
  }
}

extension srt_recurrent_call {
  /// A call in evaluation, forward.
  init(
    y: Output, output_stride: Int, x: Input, batch_sizes: UnsafePointer<Int64>, steps: Int, states: srt_states,
    packed: Input, scratch: Output
  ) {
    self.init(
      y: y, output_stride: output_stride, final_states: srt_new_states(), cache: nil, x: x, batch_sizes: batch_sizes,
      steps: steps, initial_states: states, packed: packed, reverse: 0, training: 0, zoneout: srt_zoneout(),
      scratch: scratch)
  }
}
