// Whole sequences, one answer each.

extension Model {
  /// The most probable label of each sequence.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: ``ModelError/input(_:)``: the sequences do not fit; ``ModelError/unsupported(_:)``: the model gives numbers, or
  ///   answers for every frame.
  public func predict(_ sequences: Sequences) throws -> [Label] { try logProbabilities(sequences).map(label) }

  /// The most probable label of each sequence, given as arrays of frames of numbers.
  public func predict(_ sequences: [[[Float]]]) throws -> [Label] { try predict(Sequences(sequences)) }

  /// Probabilities of the ``classes`` for each sequence.
  ///
  /// They are powers of e of ``logProbabilities(_:)``, rounded once; NumPy's, which Python has, are up to 3 units in the last
  /// place of float32 away from that, and differ by processor.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: As of ``predict(_:)-(Sequences)``.
  public func probabilities(_ sequences: Sequences) throws -> [[Float]] {
    try logProbabilities(sequences).map { $0.map(power) }
  }

  /// Probabilities of the ``classes`` for each sequence, given as arrays of frames of numbers.
  public func probabilities(_ sequences: [[[Float]]]) throws -> [[Float]] { try probabilities(Sequences(sequences)) }

  /// Natural logarithms of the probabilities of the ``classes`` for each sequence: Python's bits.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: As of ``predict(_:)-(Sequences)``.
  public func logProbabilities(_ sequences: Sequences) throws -> [[Float]] {
    try check(isClassifier: true, isByFrame: false)
    return try run(sequences)
  }

  /// What a regressor gives for each sequence, in the unit of its targets: Python's bits.
  ///
  /// - Parameter sequences: frames of ``features`` finite numbers each
  /// - Throws: ``ModelError/input(_:)``: the sequences do not fit; ``ModelError/unsupported(_:)``: the model gives classes, or
  ///   answers for every frame.
  public func numbers(_ sequences: Sequences) throws -> [[Double]] {
    try check(isClassifier: false, isByFrame: false)
    return try run(sequences).map { inUnits($0[...]) }
  }

  /// What a regressor gives for each sequence, given as arrays of frames of numbers.
  public func numbers(_ sequences: [[[Float]]]) throws -> [[Double]] { try numbers(Sequences(sequences)) }

  /// The label of the greatest of some probabilities, or of their logarithms; of equal ones the first.
  public func label(_ probabilities: [Float]) -> Label {
    var best = 0
    for index in probabilities.indices where probabilities[index] > probabilities[best] { best = index }
    return classes[best]
  }

  /// A regressor's numbers in the unit of its targets.
  func inUnits(_ row: ArraySlice<Float>) -> [Double] {
    guard let targets else { return row.map(Double.init) }
    return zip(row, zip(targets.scale, targets.mean)).map { Double($0) * $1.0 + $1.1 }
  }

  /// Refuses a question that the model has no answer to.
  func check(isClassifier wanted: Bool, isByFrame: Bool) throws {
    if wanted == isClassifier && isByFrame == self.isByFrame { return }
    let functions =
      switch (isClassifier, self.isByFrame) {
      case (true, false): "predict(_:), probabilities(_:) or logProbabilities(_:)"
      case (true, true): "predictFrames(_:), frameProbabilities(_:) or frameLogProbabilities(_:)"
      case (false, false): "numbers(_:)"
      case (false, true): "frameNumbers(_:)"
      }
    throw ModelError.unsupported(
      "a \(kind) gives \(isClassifier ? "classes" : "numbers") for \(self.isByFrame ? "every frame" : "a sequence"): call "
        + functions)
  }
}
