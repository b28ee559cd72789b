// A network as the stages that kernels run (Streams in Bindings/include/seriatim.h), with the memory that they point to.

import CSeriatim
import SeriatimKernels

/// One network, which nothing changes once it is there: calls of several threads may run it at once.
final class Network: @unchecked Sendable {
  let name: String
  /// Columns of a frame, and of what is put out.
  let inputs: Int
  let outputs: Int
  /// Whether what is put out are logarithms of probabilities.
  let isLogarithm: Bool
  /// Whether a row is put out a frame, not a sequence.
  let isByFrame: Bool
  let stages: [srt_stage]
  private let memory: [Buffer]

  init(_ name: String, _ builder: StageBuilder, isLogarithm: Bool) {
    (self.name, self.isLogarithm) = (name, isLogarithm)
    (stages, memory) = (builder.stages, builder.memory)
    inputs = stages.first?.in ?? 0
    outputs = stages.last?.out ?? 0
    isByFrame = !stages.contains { $0.kind == Int32(SRT_GATHERED) }
  }

  /// Whether it needs frames that a stream has not seen yet.
  var looksAhead: Bool { stages.withStart { StreamStages($0, count: stages.count).looksAhead } }

  /// Runs whole sequences.
  ///
  /// - Parameters:
  ///   - packed: `(rows, inputs)`, time-major, the longest first
  /// - Returns: a row a sequence, in the order of the packed batch; of a network that puts out a row a frame those, packed.
  func run(_ packed: UnsafePointer<Float>, batchSizes: [Int64]) -> Buffer {
    let (steps, batch, rows) = (batchSizes.count, Int(batchSizes[0]), Int(batchSizes.reduce(0, +)))
    let threads = Kernels.threads
    return stages.withStart { first in
      batchSizes.withStart { batchSizes in
        runningKernels(threads: threads) {
          let read = StreamStages(first, count: stages.count)
          let sizes = read.sizes(batch: batch, rows: rows, steps: steps, capacity: 0, every: false)
          let (y, scratch) = (Buffer((isByFrame ? rows : batch) * outputs), Buffer(sizes.scratch))
          withExtendedLifetime(scratch) {
            streamRun(
              read,
              srt_stream_call(
                y: y.start, x: packed, batch_sizes: batchSizes, steps: steps, batch: batch, order: nil,
                every: 0, state: nil, frames: nil, history: nil, capacity: 0, scratch: scratch.start))
          }
          return y
        }
      }
    }
  }
}
