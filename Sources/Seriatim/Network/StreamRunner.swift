// One network's part of streams: what it keeps of them, and a step of the kernels.

import CSeriatim
import SeriatimKernels

/// What a network keeps of streams, all of whose frames come together.
final class StreamRunner {
  /// Frames that attention has room for at first.
  private static let room = 64

  private let network: Network
  private let count: Int
  private let stages: UnsafeMutablePointer<srt_stage>
  private let threads: Int
  private let batchSizes: UnsafeMutablePointer<Int64>
  private let frames: UnsafeMutablePointer<Int64>
  private let order: UnsafeMutablePointer<Int64>
  private let window: Int
  private let sizes: srt_stream_sizes
  private let state: Buffer
  private var scratch: Buffer
  private var history: Buffer?
  private(set) var capacity = 0
  /// What the last step gave, `(count, outputs)`.
  let y: Buffer

  init(_ network: Network, count: Int, window: Int?) {
    (self.network, self.count, self.window, threads) = (network, count, window ?? 0, Kernels.threads)
    stages = .allocate(capacity: network.stages.count)
    for (index, stage) in network.stages.enumerated() { (stages + index).initialize(to: stage) }
    let attention = network.stages.firstIndex { $0.kind == Int32(SRT_ATTENTION) }
    if let attention { stages[attention].count = self.window }
    (batchSizes, frames, order) = (.allocate(capacity: 1), .allocate(capacity: count), .allocate(capacity: count))
    order.initialize(repeating: 0, count: count)
    batchSizes.initialize(to: Int64(count))
    frames.initialize(repeating: 0, count: count)
    let read = StreamStages(stages, count: network.stages.count)
    capacity = attention == nil ? 0 : window ?? Self.room
    let most = capacity
    sizes = runningKernels(threads: threads) {
      read.sizes(batch: count, rows: count, steps: 1, capacity: most, every: false)
    }
    (state, scratch, y) = (Buffer(sizes.state), Buffer(sizes.scratch), Buffer(count * network.outputs))
    if attention != nil { history = Buffer(count * capacity * sizes.history) }
  }

  /// Another one that has seen the same.
  func copy() -> StreamRunner {
    let made = StreamRunner(network, count: count, window: window > 0 ? window : nil)
    made.put(values, keptHistory, framesSeen, capacity)
    return made
  }

  deinit {
    stages.deallocate()
    batchSizes.deallocate()
    frames.deallocate()
    order.deallocate()
  }

  /// Takes a frame of every stream, `(count, inputs)`, or of some, in their order.
  func step(_ x: UnsafePointer<Float>, _ streams: [Int]? = nil) {
    if history != nil, window == 0 { makeRoom() }
    if let streams {
      for (place, stream) in streams.enumerated() { order[place] = Int64(stream) }
    }
    batchSizes.pointee = Int64(streams?.count ?? count)
    runningKernels(threads: threads) {
      streamRun(
        StreamStages(stages, count: network.stages.count),
        srt_stream_call(
          y: y.start, x: x, batch_sizes: batchSizes, steps: 1, batch: count,
          order: streams == nil ? nil : UnsafePointer(order), every: 0, state: state.start,
          frames: frames, history: history?.start, capacity: capacity, scratch: scratch.start))
    }
    if let streams {
      for stream in streams { frames[stream] += 1 }
    } else {
      for stream in 0..<count { frames[stream] += 1 }
    }
  }

  /// Twice as much room for attention once it is full.
  private func makeRoom() {
    var most: Int64 = 0
    for stream in 0..<count { most = max(most, frames[stream]) }
    if most >= Int64(capacity) { reserve(2 * capacity) }
  }

  private func reserve(_ wanted: Int) {
    guard let old = history else { return }
    let made = Buffer(count * wanted * sizes.history)
    for stream in 0..<count {
      let kept = min(Int(frames[stream]), capacity) * sizes.history
      made.start.advanced(by: stream * wanted * sizes.history)
        .update(from: old.start + stream * capacity * sizes.history, count: kept)
    }
    (history, capacity) = (made, wanted)
    let read = StreamStages(stages, count: network.stages.count)
    scratch = Buffer(
      runningKernels(threads: threads) {
        read.sizes(batch: count, rows: count, steps: 1, capacity: wanted, every: false).scratch
      })
  }

  // MARK: State

  var framesSeen: [Int] { (0..<count).map { Int(frames[$0]) } }
  var values: [Float] { [Float](UnsafeBufferPointer(start: state.start, count: sizes.state)) }
  var keptHistory: [Float] { history.map { [Float](UnsafeBufferPointer(start: $0.start, count: $0.count)) } ?? [] }
  var stateCount: Int { sizes.state }

  /// Whether frames that were kept in so much room are such as it keeps.
  func accepts(_ kept: [Float], _ room: Int, _ seen: [Int]) -> Bool {
    guard history != nil else { return kept.isEmpty }
    guard room > 0, room <= kept.count, kept.count == count * room * sizes.history else { return false }
    return window == 0 ? seen.allSatisfy { $0 <= room } : room == capacity
  }

  func put(_ values: [Float], _ kept: [Float], _ seen: [Int], _ room: Int) {
    state.start.update(from: values, count: values.count)
    for stream in 0..<count { frames[stream] = Int64(seen[stream]) }
    if history == nil { return }
    if room > capacity { reserve(room) }
    guard let history else { return }
    let (width, from) = (capacity * sizes.history, room * sizes.history)
    kept.withStart { kept in
      for stream in 0..<count { (history.start + stream * width).update(from: kept + stream * from, count: from) }
    }
  }

  /// Forgets what some streams have seen.
  func reset(_ streams: [Int]) {
    for stream in streams where stream >= 0 && stream < count { frames[stream] = 0 }
    // Blocks of `count` rows each, stage by stage: those of a stream are zeros again.
    var block = state.start
    for stage in network.stages {
      for width in stage.stateBlocks {
        for stream in streams where stream >= 0 && stream < count {
          (block + stream * width).update(repeating: 0, count: width)
        }
        block += count * width
      }
    }
  }
}

extension srt_stage {
  /// Numbers of a stream in each of the blocks that the stage keeps (`state` of `srt_stream_call`).
  fileprivate var stateBlocks: [Int] {
    switch Int(kind) {
    case Int(SRT_WINDOW): return [(count - 1) * `in`]
    case Int(SRT_RECURRENT):
      let sizes = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false)
      return [sizes?.state_size ?? 0, sizes?.cell_size ?? 0]
    case Int(SRT_POOL):
      return [Int](repeating: `in`, count: Int(option & 1) + option.nonzeroBitCount)
    default: return []
    }
  }
}
