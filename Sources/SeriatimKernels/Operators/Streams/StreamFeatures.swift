// What a network gathers of a sequence's frames, so far: last states, pools, attention.

import CSeriatim

extension StreamRun {
  /// The row of the features that a frame is the last one of; nil where they are not asked for behind it.
  private func featureRow(_ step: Int, _ sequence: Int, _ length: Int) -> Int? {
    if call.every != 0 { return firstRows[step] &+ sequence }
    return step == length &- 1 ? sequence : nil
  }

  /// The layer's states behind the frames that features are asked for: the rows themselves, or those of a sequence's last
  /// step, of a second direction its first.
  func copyLast(_ stage: srt_stage, reverse: Int, to target: Output, stride: Int) {
    let forward = stage.in &- reverse
    for sequence in 0..<ragged.batch {
      let length = length(sequence)
      for step in (call.every != 0 ? 0 : length &- 1)..<length {
        guard let row = featureRow(step, sequence, length) else { continue }
        let source = current + (firstRows[step] &+ sequence) &* stage.in
        copyPadded(target + row &* stride, source, forward, width: forward)
        if reverse > 0 {
          copyPadded(
            target + row &* stride + forward, current + sequence &* stage.in + forward, reverse, width: reverse)
        }
      }
    }
  }

  // MARK: Pools

  func pool(_ stage: srt_stage, _ state: Output?) {
    let size = stage.in
    let (wantsMean, wantsGreatest, wantsPositive) = (
      stage.option & 1 != 0, stage.option & 2 != 0, stage.option & 4 != 0
    )
    let greatestColumn = stage.column &+ (wantsMean ? size : 0)
    let positiveColumn = greatestColumn &+ (wantsGreatest ? size : 0)
    guard let state else {
      return sequencePoolForward(
        mean: wantsMean ? features + stage.column : nil, greatest: wantsGreatest ? features + greatestColumn : nil,
        positive: wantsPositive ? features + positiveColumn : nil, stride: featureColumns, h: current, ragged: ragged,
        size: size)
    }
    let block = call.batch &* size
    let greatest = state + (wantsMean ? 2 &* block : 0)
    let positive = greatest + (wantsGreatest ? block : 0)
    for sequence in 0..<ragged.batch {
      let (length, before, own) = (length(sequence), seen(sequence), stream(sequence) &* size)
      for step in 0..<length {
        let source = current + (firstRows[step] &+ sequence) &* size
        let isFirst = before &+ step == 0
        let target = featureRow(step, sequence, length).map { features + $0 &* featureColumns }
        let frames = Float(before &+ step &+ 1)
        if wantsMean {
          // The second sum is in another unit: for those that are too large for a float.
          addRow(state + own, source, 0..<size, first: isFirst, length: nil)
          addRow(state + (block &+ own), source, 0..<size, first: isFirst, length: nil, unit: largeUnit)
          if let target { divide(target + stage.column, state + own, state + (block &+ own), frames, size) }
        }
        if wantsGreatest {
          raiseRow(greatest + own, source, 0..<size, first: isFirst)
          if let target { copyPadded(target + greatestColumn, greatest + own, size, width: size) }
        }
        if wantsPositive {
          addRow(positive + own, source, 0..<size, first: isFirst, length: nil, signs: true)
          if let target { divide(target + positiveColumn, positive + own, nil, frames, size) }
        }
      }
    }
  }

  /// Sums, divided by the number of frames.
  private func divide(_ target: Output, _ sums: Input, _ large: Input?, _ frames: Float, _ size: Int) {
    var column = 0
    while column < size {
      let width = size &- column
      store(load(sums + column, first: width) / broadcast(frames), target + column, first: width)
      column &+= laneCount
    }
    guard let large else { return }
    for column in 0..<size where !sums[column].isFinite { target[column] = large[column] / frames / largeUnit }
  }

  // MARK: Attention

  func attend(_ stage: srt_stage) {
    guard let weights = stage.weights, let ofGRU = stage.second else { return }
    let size = stage.in
    let (query, last) = (attentionRoom, attentionRoom + room.attention)
    let (context, auxiliary) = (last + room.attention, last + 2 &* room.attention)
    copyLast(stage, reverse: reverseColumns, to: last, stride: size)
    linearForward(
      y: query, x: last, packed: weights, form: stage.form, bias: nil, rows: gathered, inFeatures: size,
      outFeatures: size)
    if let history = call.history {
      attendToHistory(history, stage, query, context)
    } else {
      attentionForward(context: context, weights: weightsRoom, query: query, h: current, ragged: ragged, size: size)
    }
    var sizes = Int64(gathered)
    withUnsafePointer(to: &sizes) { sizes in
      let step = srt_recurrent_call(
        y: auxiliary, output_stride: size, x: context, batch_sizes: sizes, steps: 1,
        states: srt_states(h: UnsafePointer(last), c: nil), packed: ofGRU, scratch: kernelRoom)
      recurrentForward(stage.cell, step)
    }
    for row in 0..<gathered {
      let target = features + (row &* featureColumns &+ stage.column)
      copyPadded(target, context + row &* size, size, width: size)
      copyPadded(target + size, auxiliary + row &* size, size, width: size)
    }
  }

  /// Keeps each frame, and attends to those that are kept wherever features are asked for.
  private func attendToHistory(_ history: Output, _ stage: srt_stage, _ query: Input, _ context: Output) {
    let (size, capacity) = (stage.in, call.capacity)
    parallel(tasks: min(ragged.batch, taskLimit(work: ragged.batch &* capacity &* size))) { task, tasks in
      var sequence = task
      while sequence < ragged.batch {
        let (length, before) = (length(sequence), seen(sequence))
        let frames = history + stream(sequence) &* capacity &* size
        for step in 0..<length {
          let frame = before &+ step
          let source = current + (firstRows[step] &+ sequence) &* size
          copyPadded(frames + frame % capacity &* size, source, size, width: size)
          guard let row = featureRow(step, sequence, length) else { continue }
          let count = stage.count > 0 ? min(frame &+ 1, stage.count) : frame &+ 1
          SeriatimKernels.attend(
            KeptFrames(first: frame &+ 1 &- count, count: count, capacity: capacity), context + row &* size,
            weightsRoom + sequence &* capacity, query + row &* size, frames, size)
        }
        sequence &+= tasks
      }
    }
  }
}

/// As of `sequencePoolForward`.
private let largeUnit: Float = 0x1p-24

/// The last frames of a stream, in a ring.
private struct KeptFrames: Frames {
  let first: Int
  let count: Int
  let capacity: Int

  @inline(__always)
  func forEach(work: Int, _ body: (Int) -> Void) {
    var row = first % capacity
    var lookout = Lookout(asksAtOnce: true)
    for _ in 0..<count {
      if lookout.isCancelled(after: work) { return }
      body(row)
      row = row &+ 1 == capacity ? 0 : row &+ 1
    }
  }
}
