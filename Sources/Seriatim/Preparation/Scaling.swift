// Center, Standardize and MinMaxScale: (x - shift) * scale, by the statistics of the training set or of each sequence, with
// the roundings of preprocessing/_scaling.py.

import SeriatimKernels

/// Scaling by what was learned from the training set.
struct FrameScaling: Transformer {
  let name: String
  let shift: [Double]
  let scale: [Double]
  /// The same in float32, where that holds them: else the sums are float64.
  let narrow: (shift: [Float], scale: [Float])?

  init(_ node: Node, _ features: Int) throws {
    let fitted = try node("fitted")
    self.init(
      name: try node("class").text, shift: try fitted("shift_").doubles(features),
      scale: try fitted("scale_").doubles(features))
  }

  init(name: String, shift: [Double], scale: [Double]) {
    (self.name, self.shift, self.scale) = (name, shift, scale)
    let fits = (shift + scale).allSatisfy { Double(Float($0)) == $0 }
    narrow = fits ? (shift.map(Float.init), scale.map(Float.init)) : nil
  }

  func transform(_ sequences: Sequences) throws -> Sequences {
    var found = [Float](repeating: 0, count: sequences.values.count)
    apply(sequences.values, to: &found, rows: sequences.frames)
    let scaled = Sequences(made: found, sequences.lengths, sequences.features)
    try scaled.checkFinite("sequences, behind \(name)")
    return scaled
  }

  func streaming() -> FrameScaling? { self }

  /// Scales rows; `y` may be `x`.
  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, rows: Int) {
    let features = shift.count
    // As the kernels do: one difference, one product, each rounded.
    if let narrow {
      return narrow.shift.withUnsafeBufferPointer { shift in
        narrow.scale.withUnsafeBufferPointer { scale in
          runningKernels(threads: 1) {
            for row in 0..<rows {
              for column in 0..<features {
                let place = row &* features &+ column
                y[place] = (x[place] - shift[column]) * scale[column]
              }
            }
          }
        }
      }
    }
    shift.withUnsafeBufferPointer { shift in
      scale.withUnsafeBufferPointer { scale in
        for row in 0..<rows {
          for column in 0..<features {
            let place = row &* features &+ column
            y[place] = Float((Double(x[place]) - shift[column]) * scale[column])
          }
        }
      }
    }
  }
}

/// Scaling by each sequence's own statistics.
struct SequenceScaling: Transformer {
  private enum Kind {
    case center, standardize
    case extrema(first: Double, last: Double)
  }

  let name: String
  private let kind: Kind

  init(_ node: Node) throws {
    name = try node("class").text
    switch name {
    case "Center": kind = .center
    case "Standardize": kind = .standardize
    default:
      let range = try node("parameters")("feature_range").items.map { try $0.number }
      guard range.count == 2, range[0] < range[1] else {
        throw try node("parameters")("feature_range").malformed("two growing numbers")
      }
      kind = .extrema(first: range[0], last: range[1])
    }
  }

  func transform(_ sequences: Sequences) throws -> Sequences {
    let (shift, scale) = statistics(sequences)
    let holds = zip(shift, scale).allSatisfy {
      $0.isFinite && abs($1) >= Float.leastNormalMagnitude && abs($1) <= Float.greatestFiniteMagnitude
    }
    if !holds {
      throw ModelError.unsupported(
        "\(name): the differences of a sequence are beyond float32: divide its values by a unit of their size")
    }
    let found = scaled(sequences, shift, scale)
    try found.checkFinite("sequences, behind \(name)")
    return found
  }

  /// Shift and scale of every sequence.
  private func statistics(_ sequences: Sequences) -> (shift: [Float], scale: [Float]) {
    switch kind {
    case .extrema(let first, let last):
      let (least, greatest) = extrema(of: sequences)
      let scale = zip(least, greatest).map { least, greatest in
        // A float32 array and two of Python's numbers are float32.
        Float(last - first) / (greatest > least ? greatest - least : 1)
      }
      return (zip(least, scale).map { $0 - Float(first) / $1 }, scale)
    case .center:
      let (mean, _) = moments(of: sequences, spread: false)
      return (mean, [Float](repeating: 1, count: mean.count))
    case .standardize:
      let (mean, spread) = moments(of: sequences, spread: true)
      return (mean, inverse(mean, spread, otherwise: 1))
    }
  }
}

/// `(x - shift) * scale`, each sequence by its own.
func scaled(_ sequences: Sequences, _ shift: [Float], _ scale: [Float]) -> Sequences {
  var found = [Float](repeating: 0, count: sequences.values.count)
  sequences.onKernels {
    raggedScale(y: &found, x: sequences.values, sequences: $0, shift: shift, scale: scale)
  }
  return Sequences(made: found, sequences.lengths, sequences.features)
}

/// 1 / spread, `otherwise` where a feature does not vary as far as float32 can tell.
func inverse(_ mean: [Float], _ spread: [Float], otherwise: Float) -> [Float] {
  zip(mean, spread).map { mean, spread in
    spread <= 8 * Float.ulpOfOne * abs(mean) + Float.leastNormalMagnitude ? otherwise : 1 / spread
  }
}

// MARK: Statistics, as functional/_ragged.py has them

/// What is farther from 0 than the first keeps a deviation that float32 can see above the second.
private let (leastMean, leastSpread): (Float, Float) = (1e-8, 1e-15)
/// A mean that far from 0 has roundings that are no small numbers.
private let (greatMean, roundings): (Float, Float) = (1e3, 1e-6)

/// Mean and deviation of every sequence; where float32 loses them, in float64.
func moments(of sequences: Sequences, spread wantsSpread: Bool) -> (mean: [Float], spread: [Float]) {
  let (count, features) = (sequences.count, sequences.features)
  var mean = [Float](repeating: 0, count: count * features)
  var spread = mean
  sequences.onKernels { read in
    spread.withUnsafeMutableBufferPointer {
      raggedMoments(mean: &mean, spread: wantsSpread ? $0.baseAddress : nil, x: sequences.values, sequences: read)
    }
  }
  let lost = mean.indices.map { place in
    let size = abs(mean[place])
    if !mean[place].isFinite { return true }
    if !wantsSpread { return false }
    return !spread[place].isFinite || (spread[place] < leastSpread && size < leastMean)
      || (spread[place] <= roundings * size && size > greatMean)
  }
  let columns = (0..<features).filter { column in (0..<count).contains { lost[$0 * features + column] } }
  if columns.isEmpty { return (mean, spread) }
  let chosen = (0..<sequences.frames).flatMap { row in columns.map { sequences.values[row * features + $0] } }
  let wide = chosen.map(Double.init)
  var means = [Double](repeating: 0, count: count * columns.count)
  var spreads = means
  Sequences(made: chosen, sequences.lengths, columns.count).onKernels { read in
    spreads.withUnsafeMutableBufferPointer {
      raggedMomentsDouble(mean: &means, spread: wantsSpread ? $0.baseAddress : nil, x: wide, sequences: read)
    }
  }
  for sequence in 0..<count {
    for (index, column) in columns.enumerated() where lost[sequence * features + column] {
      mean[sequence * features + column] = Float(means[sequence * columns.count + index])
      if wantsSpread { spread[sequence * features + column] = Float(spreads[sequence * columns.count + index]) }
    }
  }
  return (mean, spread)
}

private func extrema(of sequences: Sequences) -> (least: [Float], greatest: [Float]) {
  var least = [Float](repeating: 0, count: sequences.count * sequences.features)
  var greatest = least
  sequences.onKernels { raggedExtrema(least: &least, greatest: &greatest, x: sequences.values, sequences: $0) }
  return (least, greatest)
}
