// What happens to sequences before the network, as the fitted transformers of a file say.

import SeriatimKernels

/// A fitted transformer of seriatim.preprocessing.
protocol Transformer: Sendable {
  /// The class in Python.
  var name: String { get }
  /// Features that come out of so many.
  func outputs(_ features: Int) -> Int
  /// Sequences as they come out.
  func transform(_ sequences: Sequences) throws -> Sequences
  /// What does the same with the frames of streams as they come; nil if it needs the whole sequence.
  func streaming() -> FrameScaling?
}

extension Transformer {
  func outputs(_ features: Int) -> Int { features }
  func streaming() -> FrameScaling? { nil }
}

extension Sequences {
  /// Runs kernels on sequences that lie behind each other.
  func onKernels(_ body: (ConcatenatedSequences) -> Void) {
    runningKernels(threads: Kernels.threads) {
      offsets.withStart { body(ConcatenatedSequences(offsets: $0, count: count, features: features)) }
    }
  }
}

/// Reads transformers.
///
/// - Parameters:
///   - node: of a transformer, a pipeline of such, None or "passthrough"
///   - features: that go in; what comes out after
/// - Throws: `ModelError.unsupported`: one is of a class that Swift programs do not run.
func transformers(_ node: Node?, _ features: inout Int) throws -> [any Transformer] {
  guard let node, node.json != .null, node.json != .text("passthrough") else { return [] }
  if try node("class").text == "Pipeline" {
    return try steps(node).flatMap { try transformers($0, &features) }
  }
  let found = try transformer(node, features)
  features = found.outputs(features)
  return [found]
}

/// The steps of a pipeline.
func steps(_ node: Node) throws -> [Node] {
  try node("parameters")("steps").items.map { step in
    let parts = try step.items
    guard parts.count == 2 else { throw step.malformed("a name and a step") }
    return parts[1]
  }
}

private func transformer(_ node: Node, _ features: Int) throws -> any Transformer {
  let (name, parameters, fitted) = (try node("class").text, try node("parameters"), try node("fitted"))
  let known = [
    "Center", "Standardize", "MinMaxScale", "LevelAndShape", "Deltas", "Filter", "Stack", "Downsample",
    "TrimConstants", "Resample", "Pad",
  ]
  guard known.contains(name) else {
    throw node.unsupported(
      "holds a \(name), which Swift programs cannot run: they know \(known.joined(separator: ", ")). Apply it before, and "
        + "train with what comes out")
  }
  guard fitted.has("n_features_in_") else {
    throw node.unsupported("is not fitted: fit the model in Python, and save it again")
  }
  if fitted.optional("_frame_shape") != nil {
    throw node.unsupported("is for videos, which Swift programs do not take")
  }
  guard try fitted("n_features_in_").integer == features else {
    throw try fitted("n_features_in_").malformed("\(features) features, which come before")
  }
  func count(_ name: String, _ most: Int = 1 << 31) throws -> Int {
    let size = try parameters(name).size
    guard size < most else { throw try parameters(name).malformed("a number below \(most)") }
    return size
  }
  func choice(_ name: String, _ names: [String]) throws -> String {
    let text = try parameters(name).text
    guard names.contains(text) else { throw try parameters(name).malformed("one of \(names.joined(separator: ", "))") }
    return text
  }
  switch name {
  case "Deltas":
    return Deltas(order: try count("order", 5), reach: try count("reach", 1001), appends: try parameters("append").flag)
  case "Filter":
    return Filter(width: try count("window_size"), isMedian: try choice("method", ["median", "mean"]) == "median")
  case "Stack": return Stack(factor: try count("factor"))
  case "Downsample":
    return Downsample(factor: try count("factor"), takesMean: try choice("method", ["decimate", "mean"]) == "mean")
  case "TrimConstants":
    return TrimConstants(constant: Float(try parameters("constant").number), tolerance: try parameters("tol").number)
  case "Resample": return Resample(length: try count("length"))
  case "Pad":
    return Pad(
      length: try fitted("length_").size, value: Float(try parameters("value").number),
      atBeginning: try choice("side", ["post", "pre"]) == "pre")
  case "LevelAndShape": return try LevelAndShape(node, features)
  default:
    return try choice("over", ["training", "sequence"]) == "training"
      ? try FrameScaling(node, features) : try SequenceScaling(node)
  }
}
