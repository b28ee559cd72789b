// Recurrent layers of a file: GRU, LSTM and RNN modules, as far as estimators make them.

import CSeriatim

/// What a GRU, LSTM or RNN module was made with.
struct RecurrentStack {
  enum Kind { case gru, lstm, rnn }

  let kind: Kind
  var inputs = 0
  let hiddenSize: Int
  var layers = 1
  var isBidirectional = false
  var hasBias = true
  var zoneout: Float = 0
  private var options = 0

  init(kind: Kind, hiddenSize: Int) { (self.kind, self.hiddenSize) = (kind, hiddenSize) }

  /// Reads the node of a module.
  ///
  /// - Throws: `ModelError.unsupported`: it is another one, or has options that no estimator sets.
  init(_ node: Node) throws {
    let config = try node("config")
    switch try node("class").text {
    case "GRU":
      kind = .gru
      if try !config("reset_after").flag { options |= Int(SRT_RESET_BEFORE) }
    case "LSTM": kind = .lstm
    case "RNN":
      kind = .rnn
      if try config("nonlinearity").text == "relu" { options |= Int(SRT_RELU) }
    case let other: throw node.unsupported("holds a module \(other), which Swift programs cannot run yet")
    }
    hiddenSize = try config("hidden_size").size
    (inputs, layers) = (try config("input_size").size, try config("num_layers").size)
    (isBidirectional, hasBias) = (try config("bidirectional").flag, try config("bias").flag)
    zoneout = Float(try config("zoneout").number)
    guard zoneout >= 0, zoneout <= 1 else { throw try config("zoneout").malformed("a share from 0 to 1") }
    if config.optional("norm") != nil {
      throw node.unsupported("has norm=\"layer\", which Swift programs cannot run yet")
    }
    if let size = config.optional("proj_size"), try size.integer != 0 {
      throw node.unsupported("has a proj_size, which Swift programs cannot run yet")
    }
    if let peephole = config.optional("peephole"), try peephole.flag {
      throw node.unsupported("has peepholes, which Swift programs cannot run yet")
    }
  }

  /// Columns of its output.
  var outputs: Int { (isBidirectional ? 2 : 1) * hiddenSize }

  func cell(inputs: Int) -> srt_cell {
    let kind =
      switch kind {
      case .gru: SRT_GRU
      case .lstm: SRT_LSTM
      case .rnn: SRT_RNN
      }
    return srt_cell(
      kind: Int32(kind), options: Int32(options), input_size: inputs, hidden_size: hiddenSize, projection_size: 0)
  }
}
