// Arrays of the tree: numbers of a fit, and labels of any kind.

extension ModelFile {
  /// Returns a tensor of float32 that has a shape.
  ///
  /// - Throws: `ModelError.malformed`: there is none, or it has another shape or type.
  func floats(_ name: String, _ shape: [Int]) throws -> [Float] {
    let (entry, bytes) = try tensor(name)
    guard entry.kind == "F32", entry.shape == shape else {
      throw ModelError.malformed("\(name): expected float32 \(shape), got \(entry.kind) \(entry.shape)")
    }
    return bytes.withUnsafeBytes { bytes in
      [Float](unsafeUninitializedCapacity: entry.count) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: bytes)
        count = entry.count
      }
    }
  }
}

extension Node {
  /// An array of numbers, as float64, in one axis.
  ///
  /// - Throws: `ModelError.malformed`: it is none, has not `count` numbers, or not all are finite.
  func doubles(_ count: Int?) throws -> [Double] {
    let name = try self("tensor").text
    let (entry, bytes) = try file.tensor(name)
    let kind = Node.numpyKinds[entry.kind] ?? ""
    guard entry.shape.count == 1, count == nil || entry.count == count, !has("dtype"), kind != "" else {
      throw ModelError.malformed("\(path): expected \(count ?? 0) numbers, got \(entry.kind) \(entry.shape)")
    }
    let size = entry.count > 0 ? bytes.count / entry.count : 0
    let found = (0..<entry.count).compactMap { index in
      let first = bytes.startIndex + index * size
      return bytes[first..<first + size].asDouble(kind)
    }
    guard found.count == entry.count, found.allSatisfy(\.isFinite) else { throw malformed("finite numbers") }
    return found
  }

  /// Names of the types of tensors that hold numbers.
  static let numpyKinds = [
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "|u1",
  ]

  /// An array of labels, in one axis.
  ///
  /// - Throws: `ModelError.unsupported`: they are dates, bytes or other things than text, numbers and truth values.
  func labels() throws -> [Label] {
    if let objects = optional("objects") { return try objects.items.map { try $0.label() } }
    guard has("tensor") else {
      throw unsupported("holds labels of a kind that Swift programs do not know: \(shown(json))")
    }
    let (entry, bytes) = try file.tensor(try self("tensor").text)
    if let type = optional("dtype") { return try texts(of: try type.text, bytes) }
    guard entry.shape.count == 1 else { throw malformed("labels in one axis") }
    let size = entry.count > 0 ? bytes.count / entry.count : 0
    return try (0..<entry.count).map { index in
      let part = bytes[(bytes.startIndex + index * size)..<(bytes.startIndex + (index + 1) * size)]
      if entry.kind == "BOOL" { return .truth(part.first != 0) }
      guard let kind = Node.numpyKinds[entry.kind], let number = part.asDouble(kind) else {
        throw malformed("labels of text or numbers")
      }
      if entry.kind.hasPrefix("F") { return .number(number) }
      return .integer(try part.asInteger(kind) ?? { throw unsupported("holds a label beyond 2^63") }())
    }
  }

  private func label() throws -> Label {
    switch json {
    case .text(let value): return .text(value)
    case .integer(let value): return .integer(value)
    case .number(let value): return .number(value)
    case .flag(let value): return .truth(value)
    default:
      if case .text(let kind) = json["scalar"] {
        if kind == "str_" { return .text(try text) }
        if kind == "|b1" { return .truth(try flag) }
        if kind.contains("i") || kind.contains("u") { return .integer(try integer) }
        if kind.contains("f") { return .number(try number) }
      }
      throw unsupported("holds a label of a kind that Swift programs do not know: \(shown(json))")
    }
  }

  /// Texts as NumPy keeps them: code points of 32 bits, zeros behind a text's end.
  private func texts(of type: String, _ bytes: ArraySlice<UInt8>) throws -> [Label] {
    guard type.hasPrefix("<U"), let length = Int(type.dropFirst(2)), length < 1 << 24 else {
      throw unsupported(
        "holds labels of NumPy's type \(shown(type)); Swift programs know text, numbers and truth values: fit it with such"
      )
    }
    let shape = try self("shape").items.map { try $0.integer }
    guard shape.count == 1, shape[0] >= 0, shape[0] < 1 << 24, bytes.count == 4 * length * shape[0] else {
      throw malformed("the bytes of \(shape) texts of \(type)")
    }
    return try bytes.withUnsafeBytes { bytes in
      try (0..<shape[0]).map { index in
        var codes = (0..<length).map { bytes.loadUnaligned(fromByteOffset: 4 * (index * length + $0), as: UInt32.self) }
        while codes.last == 0 { codes.removeLast() }
        var text = ""
        for code in codes {
          guard let scalar = Unicode.Scalar(code) else { throw malformed("texts of characters") }
          text.unicodeScalars.append(scalar)
        }
        return .text(text)
      }
    }
  }
}

extension ArraySlice<UInt8> {
  /// The whole number that the bytes hold; nil beyond Int.
  fileprivate func asInteger(_ kind: String) -> Int? {
    withUnsafeBytes { bytes in
      switch kind {
      case "<i8": Int(exactly: bytes.loadUnaligned(as: Int64.self))
      case "<u8": Int(exactly: bytes.loadUnaligned(as: UInt64.self))
      default: asDouble(kind).map(Int.init)
      }
    }
  }
}
