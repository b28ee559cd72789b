// Streams: the bits of whole sequences behind every frame, several side by side, states that go back; and what is refused.
import XCTest

@testable import Seriatim

final class StreamTests: XCTestCase {
  private func whole(_ model: Model, _ frames: [[Float]], logarithms: Bool = false) throws -> [Float] {
    if model.isByFrame {
      let found =
        try logarithms
        ? model.frameLogProbabilities(Sequences([frames])) : model.frameProbabilities(Sequences([frames]))
      return try XCTUnwrap(found[0].last)
    }
    if model.isClassifier, logarithms { return try model.logProbabilities(Sequences([frames]))[0] }
    guard model.isClassifier else { return try model.numbers([frames])[0].map { Float($0) } }
    return try model.probabilities([frames])[0]
  }

  /// Long enough for attention to need more room than it has at first.
  private func frames(_ count: Int, _ first: Int = 0) -> [[Float]] {
    (first..<first + count).map { t in (0..<3).map { 5 + 30 * sin(Float(3 * t + $0)) } }
  }

  func testTheBitsOfTheSequenceSoFar() throws {
    for name in modelNames.keys.sorted() where modelNames[name] == true {
      let model = try model(name)
      var stream = try model.stream()
      let frames = frames(150)
      for step in frames.indices {
        let found = try stream.step(frames[step])
        if step < 9 || step % 31 == 0 {
          XCTAssertEqual(found, try whole(model, Array(frames[...step])), "\(name) at \(step)")
        }
      }
      XCTAssertEqual(stream.frames, [150])
      stream.reset()
      XCTAssertEqual(try stream.push(frames).last, try whole(model, frames), "\(name), again")
      var plain = try model.stream(logarithms: true)
      XCTAssertEqual(try plain.push(frames).last, try whole(model, frames, logarithms: true), "\(name), logarithms")
    }
  }

  func testSeveralStreamsAreEachAlone() throws {
    for name in ["gru", "deepgru", "frames"] {
      let model = try model(name)
      var (both, first, second) = (try model.stream(count: 2), try model.stream(), try model.stream())
      for step in 0..<20 {
        if step == 7 {
          both.reset([1])
          second.reset()
        }
        let (a, b) = (frames(1, step)[0], frames(1, 100 + step)[0])
        let (one, other) = (try first.step(a), try second.step(b))
        XCTAssertEqual(try both.step(a + b), one + other, "\(name) at \(step)")
      }
      XCTAssertEqual(both.frames, [20, 13])
    }
  }

  func testStreamsMayBeAtDifferentPlaces() throws {
    for name in ["gru", "deepgru"] {
      let model = try model(name)
      var three = try model.stream(count: 3)
      var alone = [try model.stream(), try model.stream(), try model.stream()]
      for step in 0..<24 {
        let chosen = [[2, 0], [1], [0, 1, 2], [2]][step % 4]
        let given = chosen.map { frames(1, 50 * $0 + step)[0] }
        var wanted: [Float] = []
        for (place, stream) in chosen.enumerated() { wanted += try alone[stream].step(given[place]) }
        XCTAssertEqual(try three.step(given.flatMap { $0 }, of: chosen), wanted, "\(name) at \(step)")
      }
      XCTAssertEqual(three.frames, [12, 12, 18])
      for wrong in [[], [3], [-1], [0, 0]] {
        XCTAssertThrowsError(try three.step([1, 2, 3], of: wrong)) { XCTAssert("\($0)".contains("some of 0 to 2")) }
      }
    }
  }

  func testStatesAreTakenAndPutBack() throws {
    for name in ["gru", "deepgru", "regressor", "frames"] {
      let model = try model(name)
      var stream = try model.stream()
      _ = try stream.push(frames(70))
      let state = try JSONDecoder().decode(StreamState.self, from: JSONEncoder().encode(stream.state))
      var copy = stream
      let next = try stream.push(frames(70, 70))
      try stream.restore(state)
      XCTAssertEqual(try stream.push(frames(70, 70)), next, name)
      var other = try model.stream()
      try other.restore(state)
      XCTAssertEqual(try other.push(frames(70, 70)), next, name)
      XCTAssertEqual(copy.state, state, name)
      XCTAssertEqual(try copy.push(frames(70, 70)), next, name)
      var two = try model.stream(count: 2)
      XCTAssertThrowsError(try two.restore(state)) { XCTAssert("\($0)".contains("2 streams")) }
    }
    var (gru, deep) = (try model("gru").stream(), try model("deepgru").stream(window: 4))
    XCTAssertThrowsError(try gru.restore(deep.state))
    XCTAssertThrowsError(try deep.restore(model("deepgru").stream().state))
    _ = try gru.step([1, 2, 3])
    _ = try deep.step([1, 2, 3])
  }

  func testAWindowBoundsAttention() throws {
    let model = try model("deepgru")
    var (all, some) = (try model.stream(), try model.stream(window: 5))
    for step in 0..<30 {
      let (a, b) = (try all.step(frames(1, step)[0]), try some.step(frames(1, step)[0]))
      XCTAssertEqual(a == b, step < 5, "at \(step)")
    }
  }

  func testResultsIntoMemoryOfTheCallers() throws {
    var (one, other) = (try model("deepgru").stream(count: 2), try model("deepgru").stream(count: 2))
    var result = [Float](repeating: 0, count: 6)
    for step in 0..<5 {
      let frame = frames(2, step).flatMap { $0 }
      try frame.withUnsafeBufferPointer { frame in
        try result.withUnsafeMutableBufferPointer { try one.step(frame, into: $0) }
      }
      XCTAssertEqual(result, try other.step(frame))
    }
    var short: [Float] = [0]
    XCTAssertThrowsError(
      try [Float](repeating: 0, count: 6).withUnsafeBufferPointer { frame in
        try short.withUnsafeMutableBufferPointer { try one.step(frame, into: $0) }
      })
  }

  func testWhatIsRefused() throws {
    XCTAssertThrowsError(try model("lstm").stream()) {
      XCTAssert("\($0)".contains("bidirectional") && "\($0)".contains("predict"), "\($0)")
      guard case ModelError.unsupported = $0 else { return XCTFail("\($0)") }
    }
    XCTAssertThrowsError(try model("gru").stream(count: 0)) { XCTAssert("\($0)".contains("at least one stream")) }
    XCTAssertThrowsError(try model("gru").stream(window: 0)) { XCTAssert("\($0)".contains("at least one frame")) }
    var stream = try model("gru").stream()
    _ = try stream.push(frames(3))
    let state = stream.state
    for frame: [Float] in [[], [1, 2], [1, 2, 3, 4], [1, .nan, 3], [1, 2, -.infinity]] {
      XCTAssertThrowsError(try stream.step(frame)) { XCTAssert("\($0)".hasPrefix("frame: expected"), "\($0)") }
      XCTAssertThrowsError(try stream.push([[1, 2, 3], frame])) { XCTAssert("\($0)".hasPrefix("frame 1: "), "\($0)") }
    }
    XCTAssertEqual(stream.state, state)
    var two = try model("gru").stream(count: 2)
    XCTAssertThrowsError(try two.push([[1, 2, 3]]))
  }

}
