// Files that are damaged, cut, of another kind or from somebody else: each is refused by the case that says so.
import XCTest

@testable import Seriatim

final class FileTests: XCTestCase {
  private func isIncomplete(_ error: ModelError) -> Bool { if case .incomplete = error { true } else { false } }
  private func isMalformed(_ error: ModelError) -> Bool { if case .malformed = error { true } else { false } }
  private func isUnsupported(_ error: ModelError) -> Bool { if case .unsupported = error { true } else { false } }

  private func edited(_ name: String, _ change: (inout Parts) throws -> Void) throws -> Data {
    var parts = try Parts(content(name))
    try change(&parts)
    return try parts.whole
  }

  private func replaced(_ name: String, _ text: String, _ other: String) throws -> Data {
    try edited(name) { try $0.edit { $0.replacingOccurrences(of: text, with: other) } }
  }

  func testEveryCutIsRefused() throws {
    let whole = try content("gru")
    for count in stride(from: 0, to: whole.count, by: 61) { assertRefused(whole.prefix(count), of: isIncomplete) }
    assertRefused(whole + Data([0]), "bytes", of: isIncomplete)
  }

  func testEveryFlipIsRefused() throws {
    let whole = try content("gru")
    for place in stride(from: 0, to: whole.count, by: 37) {
      var flipped = whole
      flipped[place] ^= 1 << UInt8(place % 8)
      XCTAssertThrowsError(try Model(flipped), "byte \(place)") { XCTAssert($0 is ModelError, "\($0)") }
    }
  }

  func testDamageIsNamed() throws {
    var damaged = try content("gru")
    damaged[damaged.count - 3] ^= 1
    assertRefused(damaged, "damaged", "checksum", "Take another copy") { if case .damaged = $0 { true } else { false } }
  }

  func testUnreadable() throws {
    let nowhere = URL(fileURLWithPath: "/nowhere/model.safetensors")
    XCTAssertThrowsError(try Model(contentsOf: nowhere)) {
      XCTAssertEqual($0 as? ModelError, .unreadable("/nowhere/model.safetensors: no such file"))
    }
    XCTAssertThrowsError(try Model(contentsOf: URL(fileURLWithPath: "/"))) {
      XCTAssertEqual($0 as? ModelError, .unreadable("/: expected the path of a file, got that of a folder"))
    }
  }

  func testHeaderOfSafetensors() throws {
    for (header, words) in [
      ("[1]", "no JSON object"), ("{\"a\": 1}", "expected dtype, shape and data_offsets"),
      (#"{"a": {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}}"#, "has the type 'F31'"),
      (#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#, "has the shape"),
      (#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#, "is not what F32 of [2] takes"),
      (#"{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 4]}}"#, "is not what"),
      (#"{"a": {"dtype": "F32", "shape": [0], "data_offsets": [4, 4]}}"#, "begins at 4, where 0"),
      (
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
        "where 4 is expected"
      ),
      (#"{"a": {"dtype": "I8", "shape": [3], "data_offsets": [0, 3]}}"#, "have 3 bytes, and it has 4"),
      (#"{"a": {}, "a": {}}"#, "has 'a' twice"), (#"{"__metadata__": {"a": 1}}"#, "metadata other than texts"),
      (#"{"a": NaN}"#, "no JSON"), ("{\"a\": " + String(repeating: "[", count: 2000), "more than 1000 brackets"),
    ] {
      assertRefused(Parts.file(Data(header.utf8), Data(count: 4)), words, of: isIncomplete)
    }
  }

  func testFilesOfOthers() throws {
    let foreign = Parts.file(
      Data(#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#.utf8), Data(count: 4))
    assertRefused(foreign, "not one of seriatim.save's") { if case .foreign = $0 { true } else { false } }
    let newer = try replaced("gru", #""format": 3"#, #""format": 9"#)
    assertRefused(newer, "in format 9", "a newer version reads it") { if case .format = $0 { true } else { false } }
    assertRefused(try replaced("gru", #""format": 3"#, #""format": 2"#), "save it again") {
      if case .format = $0 { true } else { false }
    }
    assertRefused(try replaced("gru", #""format": 3"#, #""format": 4"#), "quantised", of: isUnsupported)
    assertRefused(try replaced("gru", #""format": 3, "#, ""), "has no format", of: isMalformed)
    assertRefused(try replaced("gru", #""format": 3"#, #""format": 3, "format": 3"#), "twice", of: isMalformed)
  }

  func testTensors() throws {
    let name = "module_.classifier.1.bias"
    assertRefused(
      try edited("gru") { try $0.edit(name, "shape", [1, 3]) }, name, "expected float32 [3]", of: isMalformed)
    assertRefused(try edited("gru") { try $0.edit(name, "dtype", "I32") }, name, "got I32", of: isMalformed)
    let renamed = try edited("gru") { parts in
      parts.header["module_.other"] = parts.header.removeValue(forKey: name)
      try parts.edit { $0 + " " }
    }
    assertRefused(renamed, "has no tensor '\(name)'", of: isMalformed)
    let more = try edited("gru") { parts in
      let end = parts.tensors.count
      parts.header["more"] = ["dtype": "U8", "shape": [1], "data_offsets": [end, end + 1]] as [String: Any]
      parts.tensors.append(0)
      try parts.edit { $0 + " " }
    }
    assertRefused(more, "nothing in its model names: more", of: isMalformed)
    for (alike, words) in [
      (#"{"more": "nothing"}"#, "is not in the file"), (#"{"classes_": "classes_"}"#, "is in the file as well"),
    ] {
      assertRefused(try replaced("gru", #""alike": {}"#, "\"alike\": \(alike)"), words, of: isMalformed)
    }
  }

  func testTensorsThatAreAlike() throws {
    // Both layers' biases of the state are read from one tensor.
    let name = "module_.rnn.bias_hh_l1"
    var parts = try Parts(content("gru"))
    let entry = try XCTUnwrap(parts.header.removeValue(forKey: name) as? [String: Any])
    let places = try XCTUnwrap(entry["data_offsets"] as? [Int])
    parts.tensors.removeSubrange(places[0]..<places[1])
    for (other, said) in parts.header where other != "__metadata__" {
      guard var said = said as? [String: Any], let own = said["data_offsets"] as? [Int], own[0] >= places[1] else {
        continue
      }
      said["data_offsets"] = own.map { $0 - (places[1] - places[0]) }
      parts.header[other] = said
    }
    try parts.edit {
      $0.replacingOccurrences(of: #""alike": {}"#, with: #""alike": {"\#(name)": "module_.rnn.bias_hh_l0"}"#)
    }
    let model = try Model(try parts.whole)
    XCTAssertEqual(try model.predict(Expected().sequences).count, 3)
  }

  func testModelsThatSwiftDoesNotRun() throws {
    let estimator = #""class": "GRUClassifier""#
    assertRefused(
      try replaced("gru", estimator, #""class": "VideoClassifier""#), "holds a VideoClassifier", "DeepGRUClassifier",
      of: isUnsupported)
    assertRefused(
      try replaced("gru", #"{"class": "Standardize""#, #"{"class": "MelSpectrogram""#), "holds a MelSpectrogram",
      "Apply it before",
      of: isUnsupported)
    assertRefused(try replaced("gru", #""norm": null"#, #""norm": "layer""#), "norm", of: isUnsupported)
    assertRefused(
      try replaced("gru", #"["classifier", {"#, #"["classifier", {"class": "Sequential", "#),
      "holds a module Sequential",
      of: isUnsupported)
    assertRefused(
      try replaced("gru", #"["classifier", {"#, #"["classifier", {"attributes": {"training": true}, "#),
      "another training",
      of: isUnsupported)
    assertRefused(try replaced("gru", #""module_": {"#, #""module": {"#), "not fitted", of: isUnsupported)
  }

  func testValuesThatContradictEachOther() throws {
    for (text, other, words) in [
      (#""n_outputs": 3"#, #""n_outputs": 4"#, "expected float32 [4, 21]"),
      (#""input_size": 3"#, #""input_size": 4"#, "float32"),
      (#""head": "log_softmax""#, #""head": "else""#, "log_softmax or linear"),
      (#""n_features_in_": 3, "_row"#, #""n_features_in_": 5, "_row"#, "features"),
      (#""num_layers": 2"#, #""num_layers": 0"#, "above 0"),
      (#""hidden_size": 7"#, #""hidden_size": 1e300"#, "whole number"),
      (#""over": "training""#, #""over": "all""#, "one of training"),
      (#""zoneout": 0.0"#, #""zoneout": NaN"#, "share"),
    ] {
      assertRefused(try replaced("gru", text, other), words, of: isMalformed)
    }
  }
}
