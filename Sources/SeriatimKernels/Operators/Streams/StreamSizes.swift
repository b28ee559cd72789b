// What a network of stages needs, and whether its stages fit together.

import CSeriatim

/// The parts of a call's scratch, one behind the other.
struct StreamScratch {
  /// Two buffers of what flows from stage to stage.
  var flow = 0
  var features = 0
  /// Packed states of a layer, where they do not lie as the call needs them.
  var states = 0
  /// Attention: query, last state, context, auxiliary context; a weight for each frame of each sequence.
  var attention = 0
  var weights = 0

  /// Floats before a kernel's own.
  var total: Int { 2 &* flow &+ features &+ states &+ 4 &* attention &+ weights }
}

/// A network's stages.
public struct StreamStages {
  let first: UnsafePointer<srt_stage>
  let count: Int

  /// - Parameter first: of `count` stages, which stay where they are
  public init(_ first: UnsafePointer<srt_stage>, count: Int) {
    self.first = first
    self.count = count
  }

  subscript(index: Int) -> srt_stage { first[index] }

  /// Whether the stages follow each other, one at least.
  public var areValid: Bool {
    var (columns, features, written) = (count > 0 ? first[0].in : 0, 0, 0)
    var (isGathered, hasLayer, attends) = (false, false, false)
    for index in 0..<count {
      let stage = first[index]
      guard stage.isValid, stage.in == columns else { return false }
      columns = stage.out
      let gathers = stage.featureColumns
      if isGathered && (gathers > 0 || stage.isRecurrent || stage.isWindow || stage.isGathered) { return false }
      if stage.isRecurrent { hasLayer = true }
      if stage.isAttention {
        if attends { return false }
        attends = true
      }
      if gathers > 0 {
        if !hasLayer { return false }
        features = max(features, stage.column &+ gathers)
        written &+= gathers
      }
      if stage.isGathered {
        guard features == columns, written == features else { return false }
        isGathered = true
      }
    }
    return count > 0 && (features == 0 || isGathered)
  }

  /// Whether it has a second direction, or windows of frames to come.
  public var looksAhead: Bool { (0..<count).contains { first[$0].looksAhead } }

  /// Columns of the features; 0 where rows are put out.
  var features: Int {
    for index in 0..<count where first[index].isGathered { return first[index].out }
    return 0
  }

  /// Columns of a frame that attention keeps; 0 for none.
  var history: Int {
    for index in 0..<count where first[index].isAttention { return first[index].in }
    return 0
  }

  /// - Parameters:
  ///   - batch: streams; rows, steps: the most of a call
  ///   - capacity: frames of a stream that attention may look back at
  ///   - every: whether features become outputs after every frame
  public func sizes(batch: Int, rows: Int, steps: Int, capacity: Int, every: Bool) -> srt_stream_sizes {
    var state = 0
    for index in 0..<count { state &+= batch &* first[index].stateSize }
    let gathered = every ? rows : batch
    // None of these has memory for each thread: what a stream holds is enough however many there are later.
    var kernel = 0
    for index in 0..<count {
      let stage = first[index]
      switch Int(stage.kind) {
      case Int(SRT_RECURRENT):
        let sizes = recurrentSizes(stage.cell, batch: batch, rows: rows, steps: steps, training: false)
        kernel = max(kernel, sizes?.forward_scratch ?? 0)
      case Int(SRT_BATCH_NORM): kernel = max(kernel, 2 &* stage.in)
      case Int(SRT_ATTENTION):
        let sizes = recurrentSizes(stage.cell, batch: gathered, rows: gathered, steps: 1, training: false)
        kernel = max(kernel, sizes?.forward_scratch ?? 0)
      default: break
      }
    }
    let room = scratch(batch: batch, rows: rows, capacity: capacity, every: every)
    return srt_stream_sizes(
      state: state, scratch: integersSize(steps) &+ room.total &+ kernel, features: features,
      outputs: first[count &- 1].out, history: history)
  }

  /// Of a call; cheap, for every call asks.
  func scratch(batch: Int, rows: Int, capacity: Int, every: Bool) -> StreamScratch {
    let gathered = every ? rows : batch
    var (found, flows) = (StreamScratch(), rows)
    for index in 0..<count {
      let stage = first[index]
      if stage.isGathered { flows = gathered }
      found.flow = max(found.flow, flows &* stage.out)
      if stage.isRecurrent { found.states = max(found.states, batch &* stage.stateSize) }
      if stage.isAttention {
        found.attention = gathered &* stage.in
        found.weights = max(rows, batch &* capacity)
      }
      if stage.isGathered { found.features = gathered &* stage.out }
    }
    return found
  }
}
