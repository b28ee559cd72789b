// Sequences of different lengths, as models take them.

/// Sequences behind each other: frame after frame, of `features` numbers each.
public struct Sequences: Equatable, Sendable {
  /// `(sum of lengths, features)`: the frames of the first sequence, then those of the second, ...
  public let values: [Float]
  /// Frames of each sequence, at least one.
  public let lengths: [Int]
  /// Numbers of a frame.
  public let features: Int

  /// Takes values as they are: nothing is copied.
  ///
  /// - Throws: `ModelError.input`: the lengths are not of all values, or a sequence has no frame.
  public init(values: [Float], lengths: [Int], features: Int) throws {
    guard features > 0 else { throw ModelError.input("features: expected a number above 0, got \(features)") }
    if let short = lengths.firstIndex(where: { $0 < 1 }) {
      throw ModelError.input("lengths: expected at least one frame a sequence, got \(lengths[short]) at index \(short)")
    }
    var total = 0
    for length in lengths {
      let (sum, overflows) = total.addingReportingOverflow(length)
      total = overflows ? .max : sum
    }
    guard values.count % features == 0, values.count / features == total else {
      throw ModelError.input(
        "values: expected \(total) frames of \(features) numbers, as the lengths say, got \(values.count) numbers")
    }
    (self.values, self.lengths, self.features) = (values, lengths, features)
  }

  /// Copies sequences of frames of features.
  ///
  /// - Throws: `ModelError.input`: there is none, one has no frame, or frames have different numbers of features.
  public init(_ sequences: [[[Float]]]) throws {
    guard let features = sequences.first?.first?.count else {
      throw ModelError.input(
        sequences.isEmpty
          ? "sequences: expected at least one, got none"
          : "sequences: expected at least one frame each, got none at index 0")
    }
    var values: [Float] = []
    values.reserveCapacity(sequences.reduce(0) { $0 + $1.count } * features)
    for (index, sequence) in sequences.enumerated() {
      for (step, frame) in sequence.enumerated() {
        guard frame.count == features else {
          throw ModelError.input(
            "sequences: expected frames of \(features) features, as the first has, got \(frame.count) in frame \(step) of "
              + "sequence \(index)")
        }
        values += frame
      }
    }
    try self.init(values: values, lengths: sequences.map(\.count), features: features)
  }

  /// Sequences.
  public var count: Int { lengths.count }
  /// Frames of all of them.
  public var frames: Int { lengths.reduce(0, +) }

  /// Where they begin, and the last ends.
  var offsets: [Int64] {
    var found: [Int64] = [0]
    found.reserveCapacity(lengths.count + 1)
    for length in lengths { found.append((found.last ?? 0) + Int64(length)) }
    return found
  }

  /// Without checks, of what a transformer has made.
  init(made values: [Float], _ lengths: [Int], _ features: Int) {
    (self.values, self.lengths, self.features) = (values, lengths, features)
  }

  /// Refuses numbers that are not finite, named by their place.
  func checkFinite(_ what: String) throws {
    // A sum of zeros times each is zero unless one is not finite: no branch a number.
    var sum: Float = 0
    values.withUnsafeBufferPointer { for value in $0 { sum += value * 0 } }
    if sum == 0 { return }
    guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
    var (frame, sequence) = (place / features, 0)
    while frame >= lengths[sequence] {
      frame -= lengths[sequence]
      sequence += 1
    }
    throw ModelError.input(
      "\(what): expected finite numbers, got \(values[place]) in feature \(place % features) of frame \(frame) of "
        + "sequence \(sequence): leave the frame out, or put a number in its place")
  }
}
