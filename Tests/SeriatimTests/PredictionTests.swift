// What models predict: Python's numbers, whatever else is in a call, on any number of threads; and what is refused.
import XCTest

@testable import Seriatim

final class PredictionTests: XCTestCase {
  func testPythonsNumbers() throws {
    let expected = try Expected()
    for name in modelNames.keys.sorted() {
      let model = try SeriatimTests.model(name)
      let given = try expected.sequences
      if let rows = try expected.rows(name, "numbers") {
        XCTAssertFalse(model.isClassifier)
        assertClose(try model.numbers(given), rows, name)
      } else if model.isByFrame {
        let logarithms = try model.frameLogProbabilities(Sequences(given))
        XCTAssertEqual(logarithms.map(\.count), given.map(\.count))
        assertClose(
          logarithms.flatMap { $0.map { $0.map(Double.init) } }, try XCTUnwrap(expected.rows(name, "log_probs")), name)
        let labels = try model.predictFrames(Sequences(given))
        XCTAssertEqual(labels.flatMap { $0.map(\.description) }, try expected.labels(name), name)
      } else {
        let logarithms = try model.logProbabilities(Sequences(given))
        assertClose(logarithms.map { $0.map(Double.init) }, try XCTUnwrap(expected.rows(name, "log_probs")), name)
        XCTAssertEqual(try model.predict(given).map(\.description), try expected.labels(name), name)
        for row in try model.probabilities(given) { XCTAssertEqual(row.reduce(0, +), 1, accuracy: 1e-5, name) }
      }
    }
  }

  private func assertClose(_ found: [[Double]], _ wanted: [[Double]], _ name: String) {
    XCTAssertEqual(found.count, wanted.count, name)
    for (a, b) in zip(found, wanted) {
      XCTAssertEqual(a.count, b.count, name)
      for (x, y) in zip(a, b) { XCTAssertEqual(x, y, accuracy: 1e-6 * max(1, abs(y)), name) }
    }
  }

  func testLabelsOfEveryKind() throws {
    XCTAssertEqual(try model("gru").classes, ["left", "right", "über"])
    XCTAssertEqual(try model("deepgru").classes, [-1, 0, 1])
    XCTAssertEqual(try model("reservoir").classes, [.truth(false), .truth(true)])
    XCTAssertEqual(try model("reservoir").classes.map(\.description), ["False", "True"])
    XCTAssertEqual(try model("regressor").classes, [])
    XCTAssertEqual(try model("regressor").outputs, 2)
  }

  /// Many sequences, of which most are run with others, in parts.
  func testTheSameBitsAloneAndAmongOthersOnAnyNumberOfThreads() throws {
    let given = try Expected().sequences
    let many = (0..<300).map { index in Array(given[index % 3].dropFirst(index % 4)) }
    let before = Kernels.threads
    defer { Kernels.threads = before }
    for name in modelNames.keys.sorted() {
      let model = try SeriatimTests.model(name)
      Kernels.threads = 1
      let alone = try many.map { try model.run(Sequences([$0]))[0] }
      XCTAssertEqual(try model.run(Sequences(many)), alone, name)
      Kernels.threads = 2
      XCTAssertEqual(try model.run(Sequences(many)), alone, name)
    }
  }

  func testWhatIsRefused() throws {
    let model = try SeriatimTests.model("gru")
    for (sequences, words) in [
      ([], "at least one, got none"), ([[]], "at least one frame"), ([[[1, 2, 3]], []], "got 0 at index 1"),
      ([[[1, 2, 3], [1, 2]]], "expected frames of 3 features"),
      ([[[1, 2]]], "expected frames of 3 features, as in training, got 2"),
      ([[[1, 2, 3]], [[1, 2, 3], [1, .nan, 3]]], "got nan in feature 1 of frame 1 of sequence 1"),
      ([[[1, 2, .infinity]]], "got inf in feature 2"),
    ] as [([[[Float]]], String)] {
      XCTAssertThrowsError(try model.predict(sequences)) {
        XCTAssert("\($0)".contains(words), "no '\(words)': \($0)")
        guard case ModelError.input = $0 else { return XCTFail("\($0)") }
      }
    }
    XCTAssertThrowsError(try Sequences(values: [1, 2, 3], lengths: [2], features: 2)) {
      XCTAssert("\($0)".contains("expected 2 frames"))
    }
    XCTAssertThrowsError(try Sequences(values: [], lengths: [.max, .max], features: 2))
    XCTAssertThrowsError(try model.numbers([[[1, 2, 3]]])) { XCTAssert("\($0)".contains("call predict")) }
    XCTAssertThrowsError(try SeriatimTests.model("regressor").predict([[[1, 2, 3]]])) {
      XCTAssert("\($0)".contains("call numbers"), "\($0)")
    }
  }
}
