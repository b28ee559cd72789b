// The models that make_models.py has written, and files that are made of theirs.

import Foundation
import XCTest

@testable import Seriatim

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Models")

/// Names of the models, and whether streams can run them.
let modelNames = ["gru": true, "deepgru": true, "regressor": true, "frames": true, "lstm": false, "reservoir": false]

func content(_ name: String) throws -> Data {
  try Data(contentsOf: folder.appendingPathComponent("\(name).safetensors"))
}

func model(_ name: String) throws -> Model {
  try Model(contentsOf: folder.appendingPathComponent("\(name).safetensors"))
}

/// What Python makes of a few sequences.
struct Expected {
  private let all: [String: Any]

  init() throws {
    let text = try Data(contentsOf: folder.appendingPathComponent("expected.json"))
    all = try XCTUnwrap(JSONSerialization.jsonObject(with: text) as? [String: Any])
  }

  var sequences: [[[Float]]] {
    get throws {
      try XCTUnwrap(all["sequences"] as? [[[Double]]]).map { $0.map { $0.map(Float.init) } }
    }
  }

  func rows(_ name: String, _ key: String) throws -> [[Double]]? {
    try XCTUnwrap(all[name] as? [String: Any])[key] as? [[Double]]
  }

  func labels(_ name: String) throws -> [String]? { try XCTUnwrap(all[name] as? [String: Any])["labels"] as? [String] }
}

/// A file of safetensors, taken apart.
struct Parts {
  var header: [String: Any]
  var tensors: Data

  init(_ content: Data) throws {
    let length = content.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let found = try JSONSerialization.jsonObject(with: content[8..<8 + length])
    header = try XCTUnwrap(found as? [String: Any])
    tensors = Data(content[(8 + length)...])
  }

  /// Changes the text of what the library says of the model, and takes the checksum away, which would say so.
  mutating func edit(_ change: (String) -> String) throws {
    var texts = try XCTUnwrap(header["__metadata__"] as? [String: String])
    let before = try XCTUnwrap(texts["seriatim"])
    let after = change(before)
    XCTAssertNotEqual(before, after, "nothing was changed")
    texts["seriatim"] = after
    texts["sha256"] = nil
    header["__metadata__"] = texts
  }

  /// The same for what the header says of a tensor.
  mutating func edit(_ name: String, _ key: String, _ value: Any) throws {
    var entry = try XCTUnwrap(header[name] as? [String: Any])
    entry[key] = value
    header[name] = entry
    try edit { $0 + " " }
  }

  var whole: Data {
    get throws { Parts.file(try JSONSerialization.data(withJSONObject: header), tensors) }
  }

  static func file(_ header: Data, _ tensors: Data) -> Data {
    Data((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }) + header + tensors
  }
}

/// Fails unless reading throws an error of a case whose text has all of some words.
func assertRefused(
  _ content: Data, _ words: String..., of wanted: (ModelError) -> Bool, file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertThrowsError(try Model(content, name: "m.safetensors"), file: file, line: line) { error in
    guard let error = error as? ModelError else {
      XCTFail("expected a ModelError, got \(error)", file: file, line: line)
      return
    }
    XCTAssert(wanted(error), "another case: \(error)", file: file, line: line)
    XCTAssert(error.description.hasPrefix("m.safetensors: "), error.description, file: file, line: line)
    for word in words { XCTAssert(error.description.contains(word), "no '\(word)': \(error)", file: file, line: line) }
  }
}
