// Sequences whose frames arrive one at a time.

import CSeriatim
import SeriatimKernels

/// What streams have seen so far: a copy, to go back to it, or to go on with it elsewhere.
public struct StreamState: Equatable, Codable, Sendable {
  /// Of each network: what its layers and pools hold.
  var values: [[Float]]
  /// Of each network: frames that attention looks back at.
  var history: [[Float]]
  /// Frames that each stream has seen.
  public internal(set) var frames: [Int]
  var capacity: Int
}

/// One stream, or several side by side, through a model: a frame goes in, and probabilities come out.
///
/// ```swift
/// var stream = try model.stream()
/// let probabilities = try stream.step(frame)
/// ```
///
/// What comes out behind a frame has the bits that ``Model/probabilities(_:)`` has for the sequence so far. A step takes the
/// same time however long a stream is, but for DeepGRU's attention, which looks back at all frames, or at the last ones of a
/// `window`. A step that writes into memory of the caller's allocates nothing (but by attention without a window, whose room
/// doubles when it is full).
///
/// A stream is a value: a copy goes its own way.
public struct Stream: @unchecked Sendable {
  /// Streams side by side.
  public let count: Int
  /// Numbers of a frame.
  public let features: Int
  /// Probabilities, or a regressor's numbers, behind a frame.
  public let outputs: Int
  /// Whether a classifier's probabilities come out as their natural logarithms, which have Python's bits.
  public let givesLogarithms: Bool
  private let model: Model
  /// What changes, of this value alone once it has changed.
  private var storage: StreamStorage

  init(_ model: Model, count: Int, window: Int?, logarithms: Bool) throws {
    guard count > 0 else { throw ModelError.input("count: expected at least one stream, got \(count)") }
    if let window, window < 1 || window > 1 << 24 {
      throw ModelError.input("window: expected at least one frame, and at most \(1 << 24), got \(window)")
    }
    if model.networks.contains(where: \.looksAhead) {
      throw ModelError.unsupported(
        "the model is bidirectional: it reads a sequence from its end as well, which a stream has not. Train it with "
          + "bidirectional=False, or call predict(_:) with whole sequences")
    }
    if let other = model.preparation.first(where: { $0.streaming() == nil }) {
      throw ModelError.unsupported(
        "the model's \(other.name) looks at frames that a stream has not seen yet: train with preprocessing that does not, "
          + "such as scaling=Standardize(), preprocessing=None, or call predict(_:) with whole sequences")
    }
    (self.model, self.count, features, outputs) = (model, count, model.features, model.outputs)
    givesLogarithms = logarithms && model.isClassifier
    storage = StreamStorage(
      runs: model.networks.map { StreamRunner($0, count: count, window: window) }, frame: count * features,
      result: count * outputs)
  }

  /// Takes the next frame of every stream.
  ///
  /// - Parameter frame: `count * features` numbers, those of the first stream first
  /// - Returns: `count * outputs` probabilities, or a regressor's numbers in the unit of its targets
  /// - Throws: ``ModelError/input(_:)``: there are more or fewer numbers, or they are not finite. The stream is then as it was.
  public mutating func step(_ frame: [Float]) throws -> [Float] {
    try frame.withUnsafeBufferPointer { try advance($0, nil) }
    return results(storage.mean.count)
  }

  /// Takes the next frame of some streams; others wait.
  ///
  /// - Parameters:
  ///   - frame: `features` numbers of each
  ///   - streams: their numbers, from 0 on, each once, in the order of the frame
  /// - Returns: `outputs` probabilities of each, or a regressor's numbers in the unit of its targets
  /// - Throws: As ``step(_:)``; or there is no such stream, or one is named twice.
  public mutating func step(_ frame: [Float], of streams: [Int]) throws -> [Float] {
    guard !streams.isEmpty, Set(streams).count == streams.count, streams.allSatisfy({ $0 >= 0 && $0 < count }) else {
      throw ModelError.input("streams: expected some of 0 to \(count - 1), each once, got \(streams)")
    }
    try frame.withUnsafeBufferPointer { try advance($0, streams) }
    return results(streams.count * outputs)
  }

  /// Takes the next frame of every stream, and allocates nothing.
  ///
  /// - Parameters:
  ///   - frame: `count * features` numbers
  ///   - result: `count * outputs`, overwritten
  /// - Throws: As ``step(_:)``; or the result has another size.
  public mutating func step(_ frame: UnsafeBufferPointer<Float>, into result: UnsafeMutableBufferPointer<Float>) throws
  {
    guard result.count == storage.mean.count else {
      throw ModelError.input("result: expected room for \(storage.mean.count) numbers, got \(result.count)")
    }
    try advance(frame, nil)
    for place in 0..<storage.mean.count { result[place] = output(place) }
  }

  /// Takes several frames of a single stream.
  ///
  /// - Parameter frames: of `features` numbers each
  /// - Returns: what ``step(_:)`` gives, behind every frame
  /// - Throws: As ``step(_:)``, before any frame is taken; or there are several streams.
  public mutating func push(_ frames: [[Float]]) throws -> [[Float]] {
    guard count == 1 else {
      throw ModelError.input("push: is for a single stream, got \(count): call step(_:) with a frame of each")
    }
    for (index, frame) in frames.enumerated() {
      do { try frame.withUnsafeBufferPointer { try check($0, 1) } } catch let error as ModelError {
        throw error.of("frame \(index)")
      }
    }
    return try frames.map { try step($0) }
  }

  // MARK: State

  /// Forgets what all streams have seen, or some.
  ///
  /// - Parameter streams: their numbers, from 0 on; all by default
  public mutating func reset(_ streams: [Int]? = nil) {
    own()
    for index in storage.runs.indices { storage.runs[index].reset(streams ?? Array(0..<count)) }
  }

  /// What the streams have seen so far.
  public var state: StreamState {
    StreamState(
      values: storage.runs.map(\.values), history: storage.runs.map(\.keptHistory), frames: storage.runs[0].framesSeen,
      capacity: storage.runs[0].capacity)
  }

  /// Puts a state back, of these streams or of others of the same model.
  ///
  /// - Throws: ``ModelError/input(_:)``: it is of another model, of another number of streams or of another window.
  public mutating func restore(_ state: StreamState) throws {
    guard state.frames.count == count, state.frames.allSatisfy({ $0 >= 0 }), state.values.count == storage.runs.count,
      zip(storage.runs, state.values).allSatisfy({ $0.stateCount == $1.count }),
      zip(storage.runs, state.history).allSatisfy({ $0.accepts($1, state.capacity, state.frames) })
    else {
      throw ModelError.input("state: expected one of \(count) streams of this model with the same window")
    }
    own()
    for index in storage.runs.indices {
      storage.runs[index].put(state.values[index], state.history[index], state.frames, state.capacity)
    }
  }

  /// Frames that each stream has seen.
  public var frames: [Int] { storage.runs[0].framesSeen }

  // MARK: Running

  /// Before a change: what another value has as well is copied.
  @inline(__always)
  private mutating func own() {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy() }
  }

  private func check(_ frame: UnsafeBufferPointer<Float>, _ rows: Int) throws {
    guard frame.count == rows * features else {
      throw ModelError.input(
        "frame: expected \(rows * features) numbers, \(features) for each of \(rows) streams, got \(frame.count)")
    }
    var sum: Float = 0
    for value in frame { sum += value * 0 }
    if sum == 0 { return }
    let place = frame.firstIndex { !$0.isFinite } ?? 0
    throw ModelError.input(
      "frame: expected finite numbers, got \(frame[place]) in feature \(place % features) of stream \(place / features): "
        + "leave the frame out, or put a number in its place")
  }

  @inline(__always)
  private mutating func advance(_ frame: UnsafeBufferPointer<Float>, _ streams: [Int]?) throws {
    let rows = streams?.count ?? count
    try check(frame, rows)
    guard var x = frame.baseAddress else { return }
    own()
    for step in model.preparation {
      guard let scaling = step.streaming() else { continue }
      scaling.apply(x, to: storage.scaled.start, rows: rows)
      x = storage.scaled.input
    }
    for index in storage.runs.indices { storage.runs[index].step(x, streams) }
    average(storage.results, isLogarithm: model.isClassifier, into: storage.mean.start, count: rows * outputs)
  }

  private func results(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { target, initialized in
      for place in 0..<count { target[place] = output(place) }
      initialized = count
    }
  }

  /// A number as it is given out.
  @inline(__always)
  private func output(_ place: Int) -> Float {
    if givesLogarithms { return storage.mean.start[place] }
    guard let targets = model.targets else { return power(storage.mean.start[place]) }
    let column = place % outputs
    return Float(Double(storage.mean.start[place]) * targets.scale[column] + targets.mean[column])
  }
}

/// What a stream's steps change.
private final class StreamStorage {
  let runs: [StreamRunner]
  /// What each of them gave last.
  let results: [UnsafePointer<Float>]
  let scaled: Buffer
  let mean: Buffer

  init(runs: [StreamRunner], frame: Int, result: Int) {
    (self.runs, scaled, mean) = (runs, Buffer(frame), Buffer(result))
    results = runs.map(\.y.input)
  }

  func copy() -> StreamStorage {
    StreamStorage(runs: runs.map { $0.copy() }, frame: scaled.count, result: mean.count)
  }
}

extension Model {
  /// Starts streams: frames go in as they arrive, and probabilities come out behind each.
  ///
  /// - Parameters:
  ///   - count: streams side by side, whose frames come together
  ///   - window: how many of the last frames DeepGRU's attention looks back at; all by default. Other networks need none.
  ///   - logarithms: whether natural logarithms of probabilities come out
  /// - Throws: ``ModelError/unsupported(_:)``: the model is bidirectional, or its preprocessing needs the whole sequence.
  public func stream(count: Int = 1, window: Int? = nil, logarithms: Bool = false) throws -> Stream {
    try Stream(self, count: count, window: window, logarithms: logarithms)
  }
}
