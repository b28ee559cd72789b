// The networks that estimators train, from their modules in a file: the stages in the order in which nn/models/ runs them.

extension Network {
  /// Reads the module of an estimator: one network, or several whose outputs are averaged.
  ///
  /// - Parameters:
  ///   - node: of the module
  /// - Throws: `ModelError.unsupported`: it is of another kind, or was changed since it was made;
  ///   `ModelError.malformed`: its tensors do not fit what it says of itself.
  static func all(_ node: Node) throws -> [Network] {
    let beginning = try node("state").text
    try refuseChanges(node)
    guard try node("class").text == "Ensemble" else { return [try one(node, beginning)] }
    let parts = try node("args").items
    if parts.isEmpty { throw node.malformed("at least one network") }
    return try parts.enumerated().map { try one($1, "\(beginning)\($0).") }
  }

  private static func one(_ node: Node, _ beginning: String) throws -> Network {
    switch try node("class").text {
    case "SequenceRNN": try sequenceRNN(node, beginning)
    case "FrameRNN": try frameRNN(node, beginning)
    case "DeepGRU": try deepGRU(node, beginning)
    case let other: throw node.unsupported("holds a network \(other), which Swift programs cannot run")
    }
  }

  private static func sequenceRNN(_ node: Node, _ beginning: String) throws -> Network {
    let config = try node("config")
    let stack = try RecurrentStack(try child(node, "rnn"))
    try check(stack, node, inputs: try config("input_size").size, hiddenSize: try config("hidden_size").size)
    let pooling = try config("pooling").items.map { try $0.text }
    guard !pooling.isEmpty, Set(pooling).isSubset(of: ["last", "mean", "max", "positive"]) else {
      throw try config("pooling").malformed("some of last, mean, max, positive")
    }
    var builder = StageBuilder(node.file, inputs: stack.inputs)
    try builder.recurrent(stack, "\(beginning)rnn")
    if pooling.contains("last") { builder.last() }
    let kinds = pools(pooling)
    if !kinds.isEmpty { builder.pool(kinds) }
    builder.gathered()
    try builder.linear("\(beginning)classifier.1", try config("n_outputs").size)
    return try headed(&builder, "SequenceRNN", config)
  }

  private static func frameRNN(_ node: Node, _ beginning: String) throws -> Network {
    let config = try node("config")
    let stack = try RecurrentStack(try child(node, "rnn"))
    let size = try config("hidden_size").size
    var builder = StageBuilder(node.file, inputs: try config("input_size").size)
    if let frames = try config.optional("convolution")?.size {
      guard frames < 1 << 16 else { throw try config("convolution").malformed("a number of frames below 65536") }
      builder.window(frames: frames, ahead: stack.isBidirectional ? (frames - 1) / 2 : 0)
      try builder.linear("\(beginning)window.linear", size)
      builder.relu()
    }
    try check(stack, node, inputs: builder.columns, hiddenSize: size)
    try builder.recurrent(stack, "\(beginning)rnn")
    try builder.linear("\(beginning)classifier.1", try config("n_outputs").size)
    return try headed(&builder, "FrameRNN", config)
  }

  private static func deepGRU(_ node: Node, _ beginning: String) throws -> Network {
    let config = try node("config")
    let dims = try config("dims").mapping
    let pooling = try config("pooling").items.map { try $0.text }
    guard Set(pooling).isSubset(of: ["mean", "max"]) else {
      throw try config("pooling").malformed("some of mean, max")
    }
    func size(_ name: String) throws -> Int {
      guard let found = dims[name] else { throw try config("dims").malformed("a size for \(name)") }
      return try found.size
    }
    let isBidirectional = try config("bidirectional").flag
    var builder = StageBuilder(node.file, inputs: try config("n_features").size)
    // What attention finds stands before what is pooled of each level.
    let column = builder.claim((isBidirectional ? 4 : 2) * (try size("gru3")))
    for name in ["gru1", "gru2", "gru3"] {
      let stack = try RecurrentStack(try child(node, name))
      try check(stack, node, inputs: builder.columns, hiddenSize: try size(name))
      guard stack.isBidirectional == isBidirectional else {
        throw try config("bidirectional").malformed("that of its GRUs")
      }
      try builder.recurrent(stack, beginning + name)
      if !pooling.isEmpty { builder.pool(pools(pooling)) }
    }
    try builder.attention("\(beginning)attention", column: column)
    builder.gathered()
    try builder.batchNorm("\(beginning)classifier.0")
    try builder.linear("\(beginning)classifier.2", try size("fc"))
    builder.relu()
    try builder.batchNorm("\(beginning)classifier.4")
    try builder.linear("\(beginning)classifier.6", try config("n_classes").size)
    return try headed(&builder, "DeepGRU", config)
  }

  // MARK: Parts

  private static func headed(_ builder: inout StageBuilder, _ name: String, _ config: Node) throws -> Network {
    let head = try config("head").text
    guard ["log_softmax", "linear"].contains(head) else { throw try config("head").malformed("log_softmax or linear") }
    if head == "log_softmax" { builder.logSoftmax() }
    return Network(name, builder, isLogarithm: head == "log_softmax")
  }

  private static func pools(_ names: [String]) -> Pooling {
    var found: Pooling = []
    if names.contains("mean") { found.insert(.mean) }
    if names.contains("max") { found.insert(.greatest) }
    if names.contains("positive") { found.insert(.positive) }
    return found
  }

  private static func child(_ node: Node, _ name: String) throws -> Node {
    for pair in try node("children").items {
      let parts = try pair.items
      if parts.count == 2, parts[0].json == .text(name) { return node.with(parts[1].json, name) }
    }
    throw node.malformed("a part \(name)")
  }

  private static func check(_ stack: RecurrentStack, _ node: Node, inputs: Int, hiddenSize: Int) throws {
    guard stack.inputs == inputs, stack.hiddenSize == hiddenSize else {
      throw ModelError.malformed(
        "\(node.path): expected recurrent layers of \(hiddenSize) units for \(inputs) numbers, got \(stack.hiddenSize) for "
          + "\(stack.inputs)")
    }
  }

  /// What only training reads.
  private static let idle: Set = ["seed", "calls", "p", "momentum"]
  private static let known: Set = [
    "class", "args", "config", "children", "parts", "attributes", "state", "frozen", "id",
  ]
  private static let made: Set = ["SequenceRNN", "FrameRNN", "DeepGRU", "Ensemble", "GRU", "LSTM", "RNN"]

  /// Refuses modules that were changed since their constructor made them: such are other networks.
  private static func refuseChanges(_ node: Node) throws {
    guard case .object(let members) = node.json else { return }
    let changed = Set(members.keys).subtracting(known)
    if let name = changed.sorted().first {
      throw node.unsupported(
        "was changed since it was made (\(name)), and Swift programs run networks as they are made")
    }
    if let name = members["class"], case .text(let text) = name, !made.contains(text) {
      throw node.unsupported("holds a module \(text), which Swift programs cannot run yet")
    }
    if case .object(let attributes) = members["attributes"],
      let name = attributes.keys.sorted().first(where: { !idle.contains($0) })
    {
      throw node.unsupported(
        "has another \(name) than it was made with, and Swift programs run networks as they are made")
    }
    for key in ["children", "parts"] {
      guard let pairs = node.optional(key) else { continue }
      for pair in try pairs.items {
        let parts = try pair.items
        guard parts.count == 2 else { throw pair.malformed("a name and a part") }
        try refuseChanges(node.with(parts[1].json, try parts[0].text))
      }
    }
    for part in try node.optional("args")?.items ?? [] { try refuseChanges(part) }
  }
}
