// Whole sequences, an answer for every frame.

extension Model {
  /// The most probable label of each frame of each sequence, of a model that gives one for every frame.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: ``ModelError/input(_:)``: the sequences do not fit; ``ModelError/unsupported(_:)``: the model gives numbers, or
  ///   one answer for a sequence.
  public func predictFrames(_ sequences: Sequences) throws -> [[Label]] {
    try frameLogProbabilities(sequences).map { $0.map(label) }
  }

  /// Probabilities of the ``classes`` for each frame of each sequence, rounded as ``probabilities(_:)-(Sequences)``.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: As of ``predictFrames(_:)``.
  public func frameProbabilities(_ sequences: Sequences) throws -> [[[Float]]] {
    try frameLogProbabilities(sequences).map { $0.map { $0.map(power) } }
  }

  /// Natural logarithms of the probabilities of the ``classes`` for each frame of each sequence: Python's bits.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: As of ``predictFrames(_:)``.
  public func frameLogProbabilities(_ sequences: Sequences) throws -> [[[Float]]] {
    try check(isClassifier: true, isByFrame: true)
    return try run(sequences).map { frames(of: $0).map(Array.init) }
  }

  /// What a regressor gives for each frame of each sequence, in the unit of its targets: Python's bits.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: ``ModelError/input(_:)``: the sequences do not fit; ``ModelError/unsupported(_:)``: the model gives classes, or
  ///   one answer for a sequence.
  public func frameNumbers(_ sequences: Sequences) throws -> [[[Double]]] {
    try check(isClassifier: false, isByFrame: true)
    return try run(sequences).map { frames(of: $0).map(inUnits) }
  }

  private func frames(of rows: [Float]) -> [ArraySlice<Float>] {
    stride(from: 0, to: rows.count, by: outputs).map { rows[$0..<$0 + outputs] }
  }
}
