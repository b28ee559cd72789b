// A model that Python has trained and saved.

import Foundation

/// A classifier or regressor of sequences, read from the file that `seriatim.save` wrote in Python.
///
/// ```swift
/// let model = try Model(contentsOf: URL(fileURLWithPath: "gestures.safetensors"))
/// let labels = try model.predict(sequences)
/// ```
///
/// The kernels are those of the Python library. Compiled for the same instruction set (``Kernels/level``) a model gives the
/// same bits as in Python, for frames of float32. Nothing in a file is executed. Several threads may use a model at once.
public final class Model: Sendable {
  /// The estimator's class in Python, such as `GRUClassifier`.
  public let kind: String
  /// Numbers of a frame, as ``predict(_:)`` takes them.
  public let features: Int
  /// Labels of the classes, in the order of the columns of probabilities; empty for a regressor.
  public let classes: [Label]
  /// Columns of probabilities, or of a regressor's numbers.
  public let outputs: Int
  /// Whether it tells classes apart; else it gives numbers.
  public var isClassifier: Bool { targets == nil }
  /// Whether it gives an answer for every frame, not one for each sequence.
  public var isByFrame: Bool { networks[0].isByFrame }
  /// The version of the Python library that wrote the file.
  public let writtenBy: String

  /// What happens to sequences before the networks.
  let preparation: [any Transformer]
  /// One, or several whose outputs are averaged.
  let networks: [Network]
  /// Mean and deviation of a regressor's targets.
  let targets: (mean: [Double], scale: [Double])?

  /// Reads a file.
  ///
  /// - Parameter url: of a file in the file system
  /// - Throws: ``ModelError``, which says what is wrong and what to do.
  public convenience init(contentsOf url: URL) throws {
    var isFolder: ObjCBool = false
    let path = url.path
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ModelError.unreadable("\(path): no such file")
    }
    if isFolder.boolValue { throw ModelError.unreadable("\(path): expected the path of a file, got that of a folder") }
    let data: Data
    do { data = try Data(contentsOf: url) } catch {
      throw ModelError.unreadable("\(path): cannot be read: \(error.localizedDescription)")
    }
    try self.init(data, name: path)
  }

  /// Reads a file's content.
  ///
  /// - Parameters:
  ///   - data: all bytes of the file
  ///   - name: what errors call it
  /// - Throws: ``ModelError``, which says what is wrong and what to do.
  public init(_ data: Data, name: String = "model") throws {
    do {
      _ = Kernels.isReady
      let file = try ModelFile([UInt8](data))
      let description = try Description(file)
      (kind, features, classes, targets) = (
        description.kind, description.features, description.classes, description.targets
      )
      (preparation, networks, writtenBy) = (description.preparation, description.networks, file.version)
      outputs = networks[0].outputs
    } catch let error as ModelError {
      throw error.of(name)
    }
  }
}

/// What a file says of an estimator.
private struct Description {
  static let classifiers: Set = [
    "GRUClassifier", "LSTMClassifier", "DeepGRUClassifier", "ReservoirClassifier", "FrameClassifier",
  ]
  static let regressors: Set = ["DeepGRURegressor", "ReservoirRegressor", "FrameRegressor"]

  let kind: String
  let features: Int
  let classes: [Label]
  let targets: (mean: [Double], scale: [Double])?
  let preparation: [any Transformer]
  let networks: [Network]

  init(_ file: ModelFile) throws {
    var node = Node(json: file.tree, file: file, path: "model")
    var before: [Node] = []
    if try node("class").text == "Pipeline" {
      before = try steps(node).filter { $0.json != .null && $0.json != .text("passthrough") }
      guard let last = before.popLast() else { throw node.malformed("an estimator as the last step") }
      node = last
    }
    kind = try node("class").text
    node = Node(json: node.json, file: file, path: kind)
    let all = Self.classifiers.union(Self.regressors).sorted()
    guard all.contains(kind) else {
      throw ModelError.unsupported(
        "holds a \(kind), which Swift programs cannot run: they run \(all.joined(separator: ", ")), also at the end of a "
          + "Pipeline")
    }
    let fitted = try node("fitted")
    guard fitted.has("module_") else {
      throw ModelError.unsupported("holds a \(kind) that is not fitted: fit it in Python, and save it again")
    }
    if fitted.optional("_frame_shape") != nil {
      throw node.unsupported("is of videos, which Swift programs do not take")
    }
    if let form = try fitted.optional("_label_form")?.text, form != "single" {
      throw node.unsupported(
        "has several labels a sequence, which Swift programs cannot run yet: train a model for each")
    }
    // Of a pipeline the first step knows the features that come.
    let first = try (before.first.map(Self.firstTransformer) ?? nil) ?? node
    features = try first("fitted")("n_features_in_").size
    var columns = features
    var steps: [any Transformer] = []
    for step in before { steps += try transformers(step, &columns) }
    guard try fitted("n_features_in_").integer == columns else {
      throw try fitted("n_features_in_").malformed("\(columns) features, which come before")
    }
    for name in ["scaling_", "preprocessing_"] { steps += try transformers(fitted.optional(name), &columns) }
    preparation = steps
    networks = try Network.all(try fitted("module_"))
    let isClassifier = Self.classifiers.contains(kind)
    for network in networks {
      guard network.inputs == columns, network.outputs == networks[0].outputs, network.isLogarithm == isClassifier,
        network.isByFrame == kind.hasPrefix("Frame")
      else {
        throw node.malformed(
          "networks of \(columns) numbers a frame with the outputs of a \(isClassifier ? "classifier" : "regressor")")
      }
    }
    if isClassifier {
      (classes, targets) = (try fitted("classes_").labels(), nil)
      guard classes.count == networks[0].outputs else {
        throw try fitted("classes_").malformed("\(networks[0].outputs) classes")
      }
    } else {
      classes = []
      targets = (
        try fitted("target_mean_").doubles(networks[0].outputs),
        try fitted("target_scale_").doubles(networks[0].outputs)
      )
    }
  }

  /// The first transformer in a step, which may be a pipeline.
  private static func firstTransformer(_ step: Node) throws -> Node? {
    if step.json == .null || step.json == .text("passthrough") { return nil }
    guard try step("class").text == "Pipeline" else { return step }
    for inner in try steps(step) {
      if let found = try firstTransformer(inner) { return found }
    }
    return nil
  }
}
