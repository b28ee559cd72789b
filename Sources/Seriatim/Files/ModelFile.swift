// The file of a model: a file of safetensors whose metadata has the header of `seriatim.save`.

/// What `seriatim.save` has written: a tree, and the tensors that it names.
struct ModelFile {
  /// Formats that are read: 3, and 4, which is the same with weights that are quantised.
  private static let formats = 3...4
  /// Tensors that are alike are in a file once; all of them are at most so many times as large as the file.
  private static let times = 100

  /// The version of the library that wrote it.
  let version: String
  let tree: JSON
  /// What the user has said of the model, as JSON.
  let metadata: JSON
  private let file: TensorFile
  private let alike: [String: String]

  /// - Throws: `ModelError`, by what is wrong.
  init(_ content: [UInt8]) throws {
    file = try TensorFile(content)
    guard let text = file.texts["seriatim"] else {
      throw ModelError.foreign(
        "a safetensors file, but not one of seriatim.save's: save an estimator with it in Python")
    }
    let header = try Self.parsed(text)
    guard let format = header["format"], let version = header["version"], let tree = header["model"] else {
      let missing = ["format", "model", "version"].filter { header[$0] == nil }
      throw ModelError.malformed("its header has no \(missing.joined(separator: ", "))")
    }
    guard case .integer(let number) = format else {
      throw ModelError.malformed("its header's format is \(shown(format)): expected a number")
    }
    guard Self.formats.contains(number) else {
      let todo = number > Self.formats.upperBound ? "a newer version reads it" : "load it in Python and save it again"
      throw ModelError.format(
        "written by seriatim \(version) in format \(number); this version reads formats \(Self.formats.lowerBound) and "
          + "\(Self.formats.upperBound): \(todo)")
    }
    if number > Self.formats.lowerBound {
      throw ModelError.unsupported(
        "holds quantised weights, which Swift programs cannot run: save the model as it was before seriatim.quantize")
    }
    guard tree["class"] != nil else {
      throw ModelError.malformed("its header's model is \(shown(tree)): expected what names a class")
    }
    (self.version, self.tree) = (version.description, tree)
    metadata = try Self.parsed(file.texts["metadata"] ?? "{}")
    alike = try Self.alike(header["alike"] ?? .object([:]), file)
    try refuseStrangers()
  }

  private static func parsed(_ text: String) throws -> JSON {
    do {
      let found = try JSON(text.utf8, finite: false)
      guard case .object = found else { throw ModelError.malformed("expected an object, got \(shown(text))") }
      return found
    } catch let error as ModelError {
      throw ModelError.malformed("its header is no JSON of save's: \(error.description)")
    }
  }

  private static func alike(_ said: JSON, _ file: TensorFile) throws -> [String: String] {
    guard case .object(let members) = said else {
      throw ModelError.malformed("its header's alike is \(shown(said)): expected names of tensors by names")
    }
    var asked = 0
    let found = try members.mapValues { value in
      guard case .text(let name) = value else {
        throw ModelError.malformed("its header's alike is \(shown(said)): expected names of tensors by names")
      }
      return name
    }
    for (name, other) in found {
      let fault = file.entries[name] != nil ? "is in the file as well" : "is not in the file"
      guard let entry = file.entries[other], file.entries[name] == nil else {
        throw ModelError.malformed("\(shown(name)) is said to be like \(shown(other)), which \(fault)")
      }
      asked += entry.bytes.count
    }
    let there = file.entries.values.reduce(0) { $0 + $1.bytes.count }
    if asked > times * there {
      throw ModelError.malformed(
        "\(asked) bytes are said to be like \(there): expected \(times) times as many at most")
    }
    return found
  }

  // MARK: Tensors

  /// Whether there is a tensor of a name.
  func has(_ name: String) -> Bool { file.entries[name] != nil || alike[name] != nil }

  /// Returns a tensor; throws `ModelError.malformed` if there is none.
  func tensor(_ name: String) throws -> (entry: TensorFile.Entry, bytes: ArraySlice<UInt8>) {
    guard let entry = file.entries[alike[name] ?? name] else {
      throw ModelError.malformed("has no tensor \(shown(name)), which its model names")
    }
    return (entry, file.content[entry.bytes])
  }

  /// Refuses names of tensors that are not there, and tensors that nothing in the tree names.
  private func refuseStrangers() throws {
    var names: Set<String> = []
    var beginnings: [String] = []
    func look(_ node: JSON) {
      switch node {
      case .list(let items): items.forEach(look)
      case .object(let members):
        if case .text(let name) = members["tensor"] { names.insert(name) }
        if case .text(let beginning) = members["state"] { beginnings.append(beginning) }
        members.values.forEach(look)
      default: break
      }
    }
    look(tree)
    if let missing = names.sorted().first(where: { !has($0) }) {
      throw ModelError.malformed("has no tensor \(shown(missing)), which its model names")
    }
    let unused = (Array(file.entries.keys) + alike.keys).filter { name in
      !names.contains(name) && !beginnings.contains { name.hasPrefix($0) }
    }
    if !unused.isEmpty {
      throw ModelError.malformed(
        "has tensors that nothing in its model names: \(unused.sorted().prefix(8).joined(separator: ", "))")
    }
  }
}
