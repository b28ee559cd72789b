// Transformers along time, as preprocessing/_time.py has them: fewer, smoother, more, or as many frames as wanted.

import SeriatimKernels

/// Slopes beside the features.
struct Deltas: Transformer {
  let name = "Deltas"
  let order: Int
  let reach: Int
  let appends: Bool

  func outputs(_ features: Int) -> Int { (appends ? order + 1 : order) * features }

  func transform(_ sequences: Sequences) throws -> Sequences {
    let (rows, features, columns) = (sequences.frames, sequences.features, outputs(sequences.features))
    var found = [Float](repeating: 0, count: rows * columns)
    if appends { copy(sequences.values, to: &found, first: 0, features, columns) }
    var before = sequences.values
    for number in 1...order {
      var slopes = [Float](repeating: 0, count: rows * features)
      sequences.onKernels { raggedDeltas(y: &slopes, stride: features, x: before, sequences: $0, reach: reach) }
      copy(slopes, to: &found, first: (appends ? number : number - 1) * features, features, columns)
      before = slopes
    }
    return Sequences(made: found, sequences.lengths, columns)
  }

  private func copy(_ source: [Float], to target: inout [Float], first: Int, _ features: Int, _ columns: Int) {
    for row in 0..<(source.count / features) {
      for column in 0..<features { target[row * columns + first + column] = source[row * features + column] }
    }
  }
}

/// Means or medians of windows.
struct Filter: Transformer {
  let name = "Filter"
  let width: Int
  let isMedian: Bool

  func transform(_ sequences: Sequences) throws -> Sequences {
    let most = min(width, 2 * (sequences.lengths.max() ?? 0) + width % 2)
    var found = [Float](repeating: 0, count: sequences.values.count)
    sequences.onKernels {
      let kind = isMedian ? WindowKind.median : .mean
      let scratch = Buffer(raggedFilterScratchSize(width: most, kind: kind))
      let read = $0
      withExtendedLifetime(scratch) {
        raggedFilter(y: &found, x: sequences.values, sequences: read, width: most, kind: kind, scratch: scratch.start)
      }
    }
    return Sequences(made: found, sequences.lengths, sequences.features)
  }
}

/// Neighbouring frames joined to one.
struct Stack: Transformer {
  let name = "Stack"
  let factor: Int

  func outputs(_ features: Int) -> Int { factor * features }

  func transform(_ sequences: Sequences) throws -> Sequences {
    let features = sequences.features
    var found: [Float] = []
    found.reserveCapacity((sequences.frames + sequences.count * factor) * features)
    forEachSequence(sequences) { first, length in
      for frame in 0..<shortened(length) * factor {
        let row = first + min(frame, length - 1)
        found += sequences.values[row * features..<(row + 1) * features]
      }
    }
    return Sequences(made: found, sequences.lengths.map(shortened), factor * features)
  }

  private func shortened(_ length: Int) -> Int { (length - 1) / factor + 1 }
}

/// Every so many frames one, or their mean.
struct Downsample: Transformer {
  let name = "Downsample"
  let factor: Int
  let takesMean: Bool

  func transform(_ sequences: Sequences) throws -> Sequences {
    let features = sequences.features
    let lengths = sequences.lengths.map { ($0 - 1) / factor + 1 }
    if takesMean {
      var parts: [Int] = []
      for length in sequences.lengths {
        for first in stride(from: 0, to: length, by: factor) { parts.append(min(factor, length - first)) }
      }
      let (mean, _) = moments(of: Sequences(made: sequences.values, parts, features), spread: false)
      return Sequences(made: mean, lengths, features)
    }
    var found: [Float] = []
    forEachSequence(sequences) { first, length in
      for frame in stride(from: 0, to: length, by: factor) {
        found += sequences.values[(first + frame) * features..<(first + frame + 1) * features]
      }
    }
    return Sequences(made: found, lengths, features)
  }
}

/// Cuts off frames at both ends whose features all have one value.
struct TrimConstants: Transformer {
  let name = "TrimConstants"
  let constant: Float
  let tolerance: Double

  func transform(_ sequences: Sequences) throws -> Sequences {
    let features = sequences.features
    // NumPy compares float32 with one of Python's numbers in float32.
    let limit = Float(tolerance)
    func varies(_ row: Int) -> Bool {
      sequences.values[row * features..<(row + 1) * features].contains { abs($0 - constant) > limit }
    }
    var (found, lengths): ([Float], [Int]) = ([], [])
    forEachSequence(sequences) { start, length in
      let first = (start..<start + length).first(where: varies) ?? start
      let last = (start..<start + length).last(where: varies) ?? start
      found += sequences.values[first * features..<(last + 1) * features]
      lengths.append(last - first + 1)
    }
    return Sequences(made: found, lengths, features)
  }
}

/// The same length for every sequence, by linear interpolation.
struct Resample: Transformer {
  let name = "Resample"
  let length: Int

  func transform(_ sequences: Sequences) throws -> Sequences {
    let features = sequences.features
    var (index, weight): ([Int64], [Float]) = ([], [])
    forEachSequence(sequences) { first, count in
      let step = Double(count - 1) / Double(max(length - 1, 1))
      for place in 0..<length {
        let position = min(Double(first) + Double(place) * step, Double(first + count - 1))
        index.append(Int64(position))
        weight.append(Float(position - position.rounded(.down)))
      }
    }
    var found = [Float](repeating: 0, count: index.count * features)
    runningKernels(threads: Kernels.threads) {
      interpolateRows(
        y: &found, x: sequences.values, features: features, index: index, weight: weight, rows: index.count)
    }
    return Sequences(made: found, [Int](repeating: length, count: sequences.count), features)
  }
}

/// The same length for every sequence, by cutting off and padding.
struct Pad: Transformer {
  let name = "Pad"
  let length: Int
  let value: Float
  let atBeginning: Bool

  func transform(_ sequences: Sequences) throws -> Sequences {
    let features = sequences.features
    var found: [Float] = []
    forEachSequence(sequences) { first, count in
      let kept = min(count, length)
      let padding = [Float](repeating: value, count: (length - kept) * features)
      let start = atBeginning ? first + count - kept : first
      let frames = sequences.values[start * features..<(start + kept) * features]
      found += atBeginning ? padding + frames : frames + padding
    }
    return Sequences(made: found, [Int](repeating: length, count: sequences.count), features)
  }
}

private func forEachSequence(_ sequences: Sequences, _ body: (_ first: Int, _ length: Int) -> Void) {
  var first = 0
  for length in sequences.lengths {
    body(first, length)
    first += length
  }
}
