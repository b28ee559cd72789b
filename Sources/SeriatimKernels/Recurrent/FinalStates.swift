// Each sequence's last state.

/// Copies each sequence's state after its own last step (reverse: after its first) out of the outputs.
func copyFinalStates(
  _ finalState: Output, y: Input, outputStride: Int, size: Int, ragged: RaggedBatch, reverse: Bool
) {
  if reverse {
    for sequence in 0..<ragged.batch {
      copyPadded(finalState + sequence &* size, y + sequence &* outputStride, size, width: size)
    }
    return
  }
  var row = 0
  for step in 0..<ragged.steps {
    for sequence in ragged.size(step &+ 1)..<ragged.size(step) {
      copyPadded(finalState + sequence &* size, y + (row &+ sequence) &* outputStride, size, width: size)
    }
    row &+= ragged.size(step)
  }
}

/// The final states' gradients, one padded row a sequence.
func copyStates(_ target: Output, width: Int, _ source: Input?, size: Int, batch: Int) {
  for sequence in 0..<batch {
    if let source {
      copyPadded(target + sequence &* width, source + sequence &* size, size, width: width)
    } else {
      fillZero(target + sequence &* width, width)
    }
  }
}
