// How whole sequences are run: prepared, sorted by length, packed, some at a time.

import SeriatimKernels

/// Sequences and frames that are run together at most: enough rows a step for the kernels, few enough for the cache.
private let (mostSequences, mostFrames) = (128, 4096)

extension Model {
  /// What the networks give for each sequence: a row, or a row a frame.
  func run(_ sequences: Sequences) throws -> [[Float]] {
    if sequences.count == 0 { throw ModelError.input("sequences: expected at least one, got none") }
    let ready = try prepared(sequences)
    let offsets = ready.offsets
    let order = ready.lengths.indices.sorted { (-ready.lengths[$0], $0) < (-ready.lengths[$1], $1) }
    var found = [[Float]](repeating: [], count: ready.count)
    var first = 0
    while first < order.count {
      var (end, frames) = (first, 0)
      while end < order.count, end - first < mostSequences,
        end == first || frames + ready.lengths[order[end]] <= mostFrames
      {
        frames += ready.lengths[order[end]]
        end += 1
      }
      runTogether(ready, offsets, Array(order[first..<end]), frames, &found)
      first = end
    }
    return found
  }

  /// Sequences as the networks take them.
  private func prepared(_ sequences: Sequences) throws -> Sequences {
    guard sequences.features == features else {
      throw ModelError.input(
        "sequences: expected frames of \(features) features, as in training, got \(sequences.features)")
    }
    try sequences.checkFinite("sequences")
    return try preparation.reduce(sequences) { try $1.transform($0) }
  }

  private func runTogether(
    _ sequences: Sequences, _ offsets: [Int64], _ order: [Int], _ frames: Int, _ found: inout [[Float]]
  ) {
    let lengths = order.map { sequences.lengths[$0] }
    var sizes: [Int64] = []
    sizes.reserveCapacity(lengths[0])
    var size = order.count
    for step in 0..<lengths[0] {
      while lengths[size - 1] <= step { size -= 1 }
      sizes.append(Int64(size))
    }
    let packed = Buffer(frames * sequences.features)
    sequences.values.withStart { values in
      let sources = order.map { UnsafeRawPointer(values + Int(offsets[$0]) * sequences.features) }
      sources.withStart { sources in
        sizes.withStart { first in
          runningKernels(threads: Kernels.threads) {
            collatePacked(
              packed.start,
              SequenceSources(sources, rowStride: sequences.features, isDouble: false, features: sequences.features),
              ragged: RaggedBatch(batchSizes: first, steps: sizes.count))
          }
        }
      }
    }
    let each = withExtendedLifetime(packed) { networks.map { $0.run(packed.input, batchSizes: sizes) } }
    let mean = Buffer((isByFrame ? frames : order.count) * outputs)
    withExtendedLifetime((each, mean)) {
      average(each.map(\.input), isLogarithm: isClassifier, into: mean.start, count: mean.count)
      func row(_ index: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: mean.start + index * outputs, count: outputs)
      }
      for (place, sequence) in order.enumerated() {
        if !isByFrame {
          found[sequence] = Array(row(place))
          continue
        }
        var first = 0
        for step in 0..<lengths[place] {
          found[sequence] += row(first + place)
          first += Int(sizes[step])
        }
      }
    }
  }
}
