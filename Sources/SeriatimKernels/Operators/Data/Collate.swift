// Collation: sequences that lie anywhere in memory become one batch, packed or padded, in one pass: every element is read
// once, converted if it is float64, and written once. Memory is the limit.

/// The sequences of a batch, in the order of the batch: row t of sequence b is at
/// `pointers[b] + t * rowStride` elements.
public struct SequenceSources {
  let pointers: UnsafePointer<UnsafeRawPointer>
  let rowStride: Int
  let isDouble: Bool
  let features: Int

  /// Rows of `features` float32, or float64, elements.
  public init(_ pointers: UnsafePointer<UnsafeRawPointer>, rowStride: Int, isDouble: Bool, features: Int) {
    self.pointers = pointers
    self.rowStride = rowStride
    self.isDouble = isDouble
    self.features = features
  }

  @inline(__always)
  func copyRow(_ sequence: Int, _ step: Int, to target: Output) {
    if isDouble {
      let source = pointers[sequence].assumingMemoryBound(to: Double.self) + step &* rowStride
      for index in 0..<features { target[index] = Float(source[index]) }
    } else {
      let source = pointers[sequence].assumingMemoryBound(to: Float.self) + step &* rowStride
      copyPadded(target, source, features, width: features)
    }
  }
}

/// Steps that are packed together: so many rows of one sequence lie behind each other where they are read.
private let stepBlock = 8

/// Writes a packed batch.
///
/// - Parameters:
///   - packed: `(rows, features)`
///   - sources: sorted by length, descending
public func collatePacked(_ packed: UnsafeMutablePointer<Float>, _ sources: SequenceSources, ragged: RaggedBatch) {
  let size = sources.features
  let blocks = (ragged.steps &+ stepBlock &- 1) / stepBlock
  parallel(tasks: min(blocks, taskLimit(work: ragged.rows &* size))) { task, tasks in
    // Blocks shrink with the batch: they are shared out by rows.
    let mine = share(of: ragged.rows, task, tasks)
    var row = 0
    var lookout = Lookout(asksAtOnce: true)
    for block in 0..<blocks {
      let first = block &* stepBlock
      let last = min(ragged.steps, first &+ stepBlock)
      if mine.contains(row) {
        for sequence in 0..<ragged.size(first) {
          if lookout.isCancelled(after: 2 &* stepBlock &* size) { return }
          var target = row &+ sequence
          var step = first
          while step < last, ragged.size(step) > sequence {
            sources.copyRow(sequence, step, to: packed + target &* size)
            target &+= ragged.size(step)
            step &+= 1
          }
        }
      }
      for step in first..<last { row &+= ragged.size(step) }
    }
  }
}

/// Where the rows of a padded batch are: row (b, t) is at `base + b * batchStride + t * stepStride`, so that
/// `(B, T, D)` and `(T, B, D)` are one case.
public struct PaddedBatch {
  let base: Output
  let batchStride: Int
  let stepStride: Int
  /// Steps of every sequence, padding included.
  let length: Int
  /// What is written into the padding.
  let padding: Float

  /// See the fields.
  public init(
    _ base: UnsafeMutablePointer<Float>, batchStride: Int, stepStride: Int, length: Int, padding: Float
  ) {
    self.base = base
    self.batchStride = batchStride
    self.stepStride = stepStride
    self.length = length
    self.padding = padding
  }

  @inline(__always)
  func row(_ sequence: Int, _ step: Int) -> Output { base + sequence &* batchStride + step &* stepStride }

  @inline(__always)
  func pad(_ sequence: Int, from step: Int, features: Int) {
    for part in inParts(step..<max(step, length), work: features) {
      for step in part {
        let target = row(sequence, step)
        for index in 0..<features { target[index] = padding }
      }
    }
  }
}

/// Writes a padded batch, in the order of the sources.
///
/// - Parameters:
///   - lengths: `(batch,)`, each at most `padded.length`
public func collatePadded(
  _ padded: PaddedBatch, _ sources: SequenceSources, lengths: UnsafePointer<Int64>, batch: Int
) {
  let work = batch &* padded.length &* sources.features
  parallel(tasks: min(batch, taskLimit(work: work))) { task, tasks in
    for sequence in untilCancelled(share(of: batch, task, tasks), work: 2 &* padded.length &* sources.features) {
      let length = Int(lengths[sequence])
      for part in inParts(0..<length, work: 2 &* sources.features) {
        for step in part { sources.copyRow(sequence, step, to: padded.row(sequence, step)) }
      }
      padded.pad(sequence, from: length, features: sources.features)
    }
  }
}

/// Writes a packed batch as a padded one.
///
/// - Parameters:
///   - packed: `(rows, features)`
///   - order: `(batch,)`: sequence b of the packed batch becomes sequence `order[b]` of the padded one
public func unpack(
  _ padded: PaddedBatch, packed: UnsafePointer<Float>, ragged: RaggedBatch, order: UnsafePointer<Int64>,
  features: Int
) {
  parallel(tasks: min(ragged.batch, taskLimit(work: ragged.rows &* features))) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for sequence in share(of: ragged.batch, task, tasks) {
      let target = Int(order[sequence])
      var row = sequence
      var step = 0
      while step < ragged.steps, ragged.size(step) > sequence, !lookout.isCancelled(after: 2 &* features) {
        copyPadded(padded.row(target, step), packed + row &* features, features, width: features)
        row &+= ragged.size(step)
        step &+= 1
      }
      padded.pad(target, from: step, features: features)
    }
  }
}
