// Nodes of the tree: plain values, and NumPy's, as persistence/_plain.py and _numpy.py in Python write them.

/// A place in the tree of a file, with the file's tensors.
struct Node {
  let json: JSON
  let file: ModelFile
  /// Where it is, for errors: `GRUClassifier.module_`.
  let path: String

  /// What is under a key; throws if there is nothing.
  func callAsFunction(_ key: String) throws -> Node {
    guard let found = json[key] else { throw ModelError.malformed("\(path) has no \(shown(key)) in the file") }
    return Node(json: found, file: file, path: "\(path).\(key)")
  }

  /// What is under a key, nil for nothing and for None.
  func optional(_ key: String) -> Node? {
    guard let found = json[key], found != .null else { return nil }
    return Node(json: found, file: file, path: "\(path).\(key)")
  }

  /// Whether it has a key.
  func has(_ key: String) -> Bool { json[key] != nil }

  func with(_ json: JSON, _ name: String) -> Node { Node(json: json, file: file, path: "\(path).\(name)") }

  func malformed(_ wanted: String) -> ModelError { .malformed("\(path): expected \(wanted), got \(shown(json))") }

  func unsupported(_ text: String) -> ModelError { .unsupported("\(path): \(text)") }

  // MARK: Plain values

  var text: String {
    get throws {
      switch json {
      case .text(let value): return value
      case .object(let members) where members["scalar"] == .text("str_"): return try self("value").text
      default: throw malformed("a text")
      }
    }
  }

  var flag: Bool {
    get throws {
      switch json {
      case .flag(let value): return value
      case .object(let members) where members["scalar"] == .text("|b1"): return try scalar("|b1")[0] != 0
      default: throw malformed("True or False")
      }
    }
  }

  var integer: Int {
    get throws {
      switch json {
      case .integer(let value): return value
      case .object:
        let number = try number
        guard let value = Int(exactly: number) else { throw malformed("a whole number") }
        return value
      default: throw malformed("a whole number")
      }
    }
  }

  var number: Double {
    get throws {
      switch json {
      case .integer(let value): return Double(value)
      case .number(let value): return value
      case .object(let members):
        guard case .text(let kind) = members["scalar"] else { throw malformed("a number") }
        return try scalar(kind)[...].asDouble(kind) ?? { throw malformed("a number") }()
      default: throw malformed("a number")
      }
    }
  }

  /// A whole number above 0, and below 2^31, as of sizes.
  var size: Int {
    get throws {
      let value = try integer
      guard value > 0, value < 1 << 31 else { throw malformed("a whole number above 0") }
      return value
    }
  }

  /// Items of a list or a tuple.
  var items: [Node] {
    get throws {
      var found = json
      if let tuple = json["tuple"] { found = tuple }
      guard case .list(let items) = found else { throw malformed("a list") }
      return items.enumerated().map { Node(json: $1, file: file, path: "\(path)[\($0)]") }
    }
  }

  /// Items of a dict with texts for keys.
  var mapping: [String: Node] {
    get throws {
      var found: [String: Node] = [:]
      for pair in try self("dict").items {
        let parts = try pair.items
        guard parts.count == 2 else { throw malformed("pairs of key and value") }
        let key = try parts[0].text
        found[key] = with(parts[1].json, key)
      }
      return found
    }
  }

  /// The bytes of one of NumPy's scalars.
  private func scalar(_ kind: String) throws -> [UInt8] {
    let digits = Array(try self("value").text.utf8)
    guard digits.count % 2 == 0, !digits.isEmpty else { throw malformed("the bytes of a number") }
    return try stride(from: 0, to: digits.count, by: 2).map { place in
      guard let byte = UInt8(String(decoding: digits[place...place + 1], as: UTF8.self), radix: 16) else {
        throw malformed("the bytes of a number")
      }
      return byte
    }
  }
}

extension ArraySlice<UInt8> {
  /// The number that the bytes hold, by NumPy's name of its type; nil for other types and another count of bytes.
  func asDouble(_ kind: String) -> Double? {
    withUnsafeBytes { bytes in
      func load<T>(_ type: T.Type) -> T? {
        bytes.count == MemoryLayout<T>.size ? bytes.loadUnaligned(as: type) : nil
      }
      switch kind {
      case "<f8": return load(Double.self)
      case "<f4": return load(Float.self).map(Double.init)
      case "<f2": return load(UInt16.self).map { Double(halfToFloat($0)) }
      case "<i8": return load(Int64.self).map(Double.init)
      case "<i4": return load(Int32.self).map(Double.init)
      case "<i2": return load(Int16.self).map(Double.init)
      case "|i1": return load(Int8.self).map(Double.init)
      case "<u8": return load(UInt64.self).map(Double.init)
      case "<u4": return load(UInt32.self).map(Double.init)
      case "<u2": return load(UInt16.self).map(Double.init)
      case "|u1": return load(UInt8.self).map(Double.init)
      default: return nil
      }
    }
  }
}

/// float16, which Swift has not on every machine.
func halfToFloat(_ bits: UInt16) -> Float {
  let (sign, exponent, fraction) = (UInt32(bits >> 15) << 31, UInt32(bits >> 10) & 0x1F, UInt32(bits & 0x3FF))
  switch exponent {
  case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * 0x1p-24
  case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
