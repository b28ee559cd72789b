// Where sequences end, and which rows hold their states: shared by all recurrent layers.

/// Copies each sequence's state after its own last step (reverse: after its first) out of the outputs.
func copyFinalStates(
  _ finalState: Output, y: Output, outputStride: Int, hiddenSize: Int, ragged: RaggedBatch, reverse: Bool
) {
  if reverse {
    for sequence in 0..<ragged.batch {
      copyPadded(finalState + sequence &* hiddenSize, y + sequence &* outputStride, hiddenSize, width: hiddenSize)
    }
    return
  }
  var row = 0
  for step in 0..<ragged.steps {
    for sequence in ragged.size(step &+ 1)..<ragged.size(step) {
      copyPadded(
        finalState + sequence &* hiddenSize, y + (row &+ sequence) &* outputStride, hiddenSize, width: hiddenSize)
    }
    row &+= ragged.size(step)
  }
}

/// For every frame the packed row of its sequence's previous state, -1 where the sequence begins; and for every sequence
/// the row where it begins.
///
/// - Parameters:
///   - previous: `(rows,)`
///   - first: `(batch,)`
func listPreviousRows(
  _ previous: UnsafeMutablePointer<Int32>, first: UnsafeMutablePointer<Int32>, _ ragged: RaggedBatch, reverse: Bool
) {
  walk(ragged, reverse: reverse, backward: false) { step in
    for sequence in 0..<step.continuing {
      previous[step.row &+ sequence] = Int32(truncatingIfNeeded: step.previousRow &+ sequence)
    }
    for sequence in step.continuing..<step.count {
      previous[step.row &+ sequence] = -1
      first[sequence] = Int32(truncatingIfNeeded: step.row &+ sequence)
    }
  }
}
