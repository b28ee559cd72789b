// Files of safetensors: what one says of itself is compared with its size before anything is made of it.

import Foundation

/// A file of safetensors in memory whose header and checksum have been looked at.
struct TensorFile {
  /// A tensor: where it is, and what.
  struct Entry {
    let kind: String
    let shape: [Int]
    let bytes: Range<Int>

    var count: Int { shape.reduce(1, *) }
  }

  /// The format's own limits: bytes of a header, axes; and bits of an element by the name of its type.
  private static let (longest, axes) = (100_000_000, 32)
  private static let bits = [
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
  ]
  /// Names that NumPy has for types, which the checksum is over.
  private static let kinds = [
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1",
  ]

  let content: [UInt8]
  /// The metadata, without the checksum.
  let texts: [String: String]
  let entries: [String: Entry]

  /// - Throws: `ModelError.incomplete`, `.malformed` or `.damaged`.
  init(_ content: [UInt8]) throws {
    self.content = content
    let size = content.count
    let length = size >= 8 ? (0..<8).reduce(UInt64(0)) { $0 | UInt64(content[$1]) << (8 * UInt64($1)) } : 0
    guard size >= 8, length >= 2, length <= UInt64(size - 8), length <= UInt64(Self.longest) else {
      throw Self.incomplete(size >= 8 ? "\(size) bytes, whose header is to have \(length)" : "\(size) bytes")
    }
    let start = 8 + Int(length)
    var texts: [String: String] = [:]
    var entries: [String: Entry] = [:]
    do {
      guard content[8] == UInt8(ascii: "{"), case .object(let members) = try JSON(content[8..<start], finite: true)
      else {
        throw ModelError.malformed("is no JSON object")
      }
      for (name, said) in members {
        if name == "__metadata__" {
          texts = try Self.texts(said)
        } else {
          entries[name] = try Self.entry(name, said, start)
        }
      }
    } catch let error as ModelError {
      throw Self.incomplete("its header \(error.description)")
    }
    var end = start
    for (name, entry) in entries.sorted(by: {
      ($0.value.bytes.lowerBound, $0.value.bytes.upperBound) < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound)
    }) {
      if entry.bytes.lowerBound != end {
        throw Self.incomplete(
          "\(shown(name)) begins at \(entry.bytes.lowerBound - start), where \(end - start) is expected")
      }
      end = entry.bytes.upperBound
    }
    if end != size { throw Self.incomplete("its tensors have \(end - start) bytes, and it has \(size - start)") }
    let said = texts.removeValue(forKey: "sha256")
    (self.texts, self.entries) = (texts, entries)
    for (name, entry) in entries { try check(name, entry) }
    if let said, said != checksum() {
      throw ModelError.damaged(
        "is damaged, or was changed since it was written: its content is not the one that its checksum is of. Take "
          + "another copy of it, or save it again")
    }
  }

  private static func incomplete(_ text: String) -> ModelError { .incomplete("not a whole safetensors file: \(text)") }

  private static func texts(_ said: JSON) throws -> [String: String] {
    guard case .object(let members) = said else {
      throw ModelError.malformed("has metadata other than texts by their names")
    }
    return try members.mapValues { value in
      guard case .text(let text) = value else {
        throw ModelError.malformed("has metadata other than texts by their names")
      }
      return text
    }
  }

  private static func entry(_ name: String, _ said: JSON, _ start: Int) throws -> Entry {
    guard case .object(let members) = said, Set(members.keys) == ["dtype", "shape", "data_offsets"],
      let type = members["dtype"], let axes = members["shape"], let places = members["data_offsets"]
    else { throw ModelError.malformed("says of \(shown(name)) \(shown(said)): expected dtype, shape and data_offsets") }
    guard case .text(let kind) = type, let bits = bits[kind] else {
      throw ModelError.malformed(
        "has the type \(shown(type)) for \(shown(name)): expected one of \(bits.keys.sorted().joined(separator: ", "))")
    }
    guard let shape = sizes(axes), shape.count <= Self.axes else {
      throw ModelError.malformed("has the shape \(axes) for \(shown(name))")
    }
    var total: Int? = bits
    for size in shape {
      let (product, overflows) = (total ?? 0).multipliedReportingOverflow(by: size)
      total = overflows || total == nil ? (shape.contains(0) ? 0 : nil) : product
    }
    guard let offsets = sizes(places), offsets.count == 2, offsets[0] <= offsets[1], offsets[1] < Int.max / 16,
      let total,
      total == 8 * (offsets[1] - offsets[0])
    else { throw ModelError.malformed("has \(shown(name)) at \(places), which is not what \(kind) of \(shape) takes") }
    return Entry(kind: kind, shape: shape, bytes: start + offsets[0]..<start + offsets[1])
  }

  private static func sizes(_ said: JSON) -> [Int]? {
    guard case .list(let values) = said else { return nil }
    var found: [Int] = []
    for value in values {
      guard case .integer(let size) = value, size >= 0 else { return nil }
      found.append(size)
    }
    return found
  }

  /// Refuses types that NumPy has not, and bytes that are no truth values.
  private func check(_ name: String, _ entry: Entry) throws {
    guard Self.kinds[entry.kind] != nil else {
      throw ModelError.malformed(
        "expected one of \(Self.kinds.keys.sorted().joined(separator: ", ")) for \(name), got \(entry.kind)")
    }
    if entry.kind == "BOOL", content[entry.bytes].contains(where: { $0 > 1 }) {
      throw ModelError.malformed("\(shown(name)) has bytes that are neither True nor False")
    }
  }

  /// Returns a digest of texts and tensors, each by name, that does not depend on the order in which a file has them.
  private func checksum() -> String {
    var digest = SHA256()
    for (name, text) in texts.sorted(by: { isBefore($0.key, $1.key) }) {
      digest.add("[\(pythonQuoted(name)), \(pythonQuoted(text))]")
    }
    content.withUnsafeBytes { bytes in
      for (name, entry) in entries.sorted(by: { isBefore($0.key, $1.key) }) {
        let shape = entry.shape.map(String.init).joined(separator: ", ")
        digest.add("[\(pythonQuoted(name)), \"\(Self.kinds[entry.kind] ?? "")\", [\(shape)]]")
        digest.add(UnsafeRawBufferPointer(rebasing: bytes[entry.bytes]))
      }
    }
    return digest.hexadecimal()
  }
}

/// Whether a name is before another one by code points, as Python sorts them.
private func isBefore(_ name: String, _ other: String) -> Bool { name.utf8.lexicographicallyPrecedes(other.utf8) }

/// A text as `json.dumps` writes it.
private func pythonQuoted(_ text: String) -> String {
  var found: [UInt8] = [UInt8(ascii: "\"")]
  found.reserveCapacity(text.utf8.count + 2)
  for unit in text.utf16 {
    switch unit {
    case 0x22: found += Array("\\\"".utf8)
    case 0x5C: found += Array("\\\\".utf8)
    case 0x08: found += Array("\\b".utf8)
    case 0x0C: found += Array("\\f".utf8)
    case 0x0A: found += Array("\\n".utf8)
    case 0x0D: found += Array("\\r".utf8)
    case 0x09: found += Array("\\t".utf8)
    case 0x20...0x7E: found.append(UInt8(unit))
    default:
      let digits = String(unit, radix: 16)
      found += Array(("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
    }
  }
  found.append(UInt8(ascii: "\""))
  return String(decoding: found, as: UTF8.self)
}
