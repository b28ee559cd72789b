// JSON that may come from anywhere. Foundation's readers keep one of two equal keys and refuse NaN, which Python writes: a
// parameter may be NaN, and a key that is there twice is a file that was tampered with.

import Foundation

/// A JSON value.
enum JSON: Equatable, Sendable {
  case null
  case flag(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case list([JSON])
  case object([String: JSON])

  /// Reads a whole text.
  ///
  /// - Parameters:
  ///   - finite: whether NaN and infinities are refused
  /// - Throws: `ModelError.malformed`: it is no JSON, has a key twice, or is nested too deeply.
  init(_ bytes: some Sequence<UInt8>, finite: Bool) throws {
    var parser = Parser(bytes: Array(bytes), finite: finite)
    self = try parser.whole()
  }

  subscript(key: String) -> JSON? {
    if case .object(let members) = self { members[key] } else { nil }
  }
}

extension JSON: CustomStringConvertible {
  var description: String {
    switch self {
    case .null: "null"
    case .flag(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .text(let value): value
    case .list(let values): "[\(values.prefix(8).map(\.description).joined(separator: ", "))]"
    case .object(let members): "{\(members.keys.sorted().prefix(8).joined(separator: ", "))}"
    }
  }
}

private struct Parser {
  /// Brackets inside each other.
  private static let depth = 1000

  let bytes: [UInt8]
  let finite: Bool
  private var place = 0
  private var depth = 0

  init(bytes: [UInt8], finite: Bool) {
    self.bytes = bytes
    self.finite = finite
  }

  mutating func whole() throws -> JSON {
    let found = try value()
    skipSpace()
    if place < bytes.count { throw fault("has more behind its end") }
    return found
  }

  private func fault(_ text: String) -> ModelError { .malformed("\(text) (byte \(place) of its JSON)") }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || (byte >= 0x09 && byte <= 0x0D && byte != 0x0B && byte != 0x0C) { place += 1 }
  }

  private mutating func take(_ word: StaticString) -> Bool {
    let end = place + word.utf8CodeUnitCount
    guard end <= bytes.count,
      bytes[place..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: end - place))
    else { return false }
    place = end
    return true
  }

  private mutating func value() throws -> JSON {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try nested { try $0.object() }
    case UInt8(ascii: "["): return try nested { try $0.list() }
    case UInt8(ascii: "\""): return .text(try text())
    default: break
    }
    if take("null") { return .null }
    if take("true") { return .flag(true) }
    if take("false") { return .flag(false) }
    for (word, number) in [("NaN" as StaticString, Double.nan), ("Infinity", .infinity), ("-Infinity", -.infinity)]
    where take(word) {
      if finite { throw fault("has \(word), which is no JSON") }
      return .number(number)
    }
    return try number()
  }

  private mutating func nested(_ read: (inout Parser) throws -> JSON) throws -> JSON {
    depth += 1
    if depth > Self.depth { throw fault("is nested in more than \(Self.depth) brackets") }
    defer { depth -= 1 }
    place += 1
    return try read(&self)
  }

  private mutating func list() throws -> JSON {
    var found: [JSON] = []
    skipSpace()
    if take("]") { return .list(found) }
    while true {
      found.append(try value())
      skipSpace()
      if take("]") { return .list(found) }
      if !take(",") { throw fault("expected , or ] in a list") }
    }
  }

  private mutating func object() throws -> JSON {
    var found: [String: JSON] = [:]
    skipSpace()
    if take("}") { return .object(found) }
    while true {
      skipSpace()
      if next != UInt8(ascii: "\"") { throw fault("expected a key in quotes") }
      let key = try text()
      skipSpace()
      if !take(":") { throw fault("expected : behind a key") }
      if found.updateValue(try value(), forKey: key) != nil { throw fault("has \(shown(key)) twice") }
      skipSpace()
      if take("}") { return .object(found) }
      if !take(",") { throw fault("expected , or } in an object") }
    }
  }

  private mutating func number() throws -> JSON {
    let first = place
    _ = take("-")
    let digits = place
    skipDigits()
    let isWhole = place > digits && (bytes[digits] != UInt8(ascii: "0") || place == digits + 1)
    var isInteger = isWhole
    if isWhole, take(".") {
      isInteger = false
      if !skipDigits() { throw fault("has a number without digits behind its point") }
    }
    if isWhole, next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      place += 1
      if !take("+") { _ = take("-") }
      if !skipDigits() { throw fault("has a number without digits in its exponent") }
    }
    let text = String(decoding: bytes[first..<place], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard isWhole, let value = Double(text) else { throw fault("expected a value") }
    return .number(value)
  }

  @discardableResult
  private mutating func skipDigits() -> Bool {
    let first = place
    while let byte = next, byte >= 0x30, byte <= 0x39 { place += 1 }
    return place > first
  }

  // MARK: Texts

  private mutating func text() throws -> String {
    place += 1
    var found: [UInt8] = []
    while true {
      let first = place
      while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { place += 1 }
      found += bytes[first..<place]
      guard let byte = next, byte >= 0x20 else { throw fault("has a text that does not end") }
      place += 1
      if byte == UInt8(ascii: "\"") { break }
      try escape(&found)
    }
    guard let text = String(bytes: found, encoding: .utf8) else { throw fault("has a text that is no UTF-8") }
    return text
  }

  private mutating func escape(_ found: inout [UInt8]) throws {
    let kind = next
    place += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): found.append(kind ?? 0)
    case UInt8(ascii: "b"): found.append(0x08)
    case UInt8(ascii: "f"): found.append(0x0C)
    case UInt8(ascii: "n"): found.append(0x0A)
    case UInt8(ascii: "r"): found.append(0x0D)
    case UInt8(ascii: "t"): found.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code >> 10 == 0x36, take("\\u") {
        let low = try hexadecimal()
        if low >> 10 != 0x37 { throw fault("has half a character") }
        code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(code) else { throw fault("has half a character") }
      found += Array(String(Character(scalar)).utf8)
    default: throw fault("has an unknown escape in a text")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard place + 4 <= bytes.count, bytes[place..<place + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
    else { throw fault("has an unknown escape in a text") }
    place += 4
    return code
  }
}
