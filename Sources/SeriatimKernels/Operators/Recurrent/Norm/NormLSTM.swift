// A layer-normalised LSTM (rows i, f, g, o), whose c is normalised too on its way to the output:
//
//   i, f, o = sigmoid(a + s)    g = tanh(a_g + s_g)    c' = f * c + i * g    h' = o * tanh(N(c') * norm_c + bias_c)
//
// The cell's blocks of a cache row: | i | f | g | o | c' | N(c') |, backward | di' | df' | dg' | do' | dC | N(c') | with dC
// the gradient of what is under the tanh. Where c' was, nobody reads any more: a frame comes after all that follow it.

/// The sizes of one direction of one layer-normalised LSTM layer.
struct NormLSTM: NormalizedCell {
  typealias Forward = NormForward<NormLSTM>
  typealias Backward = NormBackward<NormLSTM>

  let inputSize: Int
  let hiddenSize: Int

  var gates: Int { 4 }
  var blocks: Int { 6 }
  var cellColumn: Int? { 2 &* width &+ 4 &* units }
  var carriesState: Bool { false }
  @inline(__always)
  func stateBlock(gate: Int) -> Int { gate }

  func activate(_ row: NormRow, input: Input, _ vectors: NormVectors, h: Input?, c: Input?, y: Output) {
    let state = Input(row.state)
    var unit = 0
    while unit < units {
      @inline(__always)
      func sum(_ gate: Int) -> Lanes {
        vectors.input(input, gate &* units &+ unit) + vectors.state(state, gate &* units &+ unit)
      }
      let (i, f) = sigmoids(sum(0), sum(1))
      let (g, o) = (hyperbolicTangent(sum(2)), sigmoid(sum(3)))
      var previous = broadcast(0)
      if let c { previous = load(c + unit, first: hiddenSize &- unit) }
      let new = multiplyAdd(f * previous, i, g)
      store(i, row.block(0) + unit)
      store(f, row.block(1) + unit)
      store(g, row.block(2) + unit)
      store(o, row.block(3) + unit)
      store(new, row.block(4) + unit)
      store(new, row.block(5) + unit)
      unit &+= laneCount
    }
    row.deviations[2] = RowNorm(self, gates: 1).normalize(row.block(5))
    unit = 0
    while unit < units {
      let squashed = hyperbolicTangent(vectors.cell(row.block(5), unit))
      store(load(row.block(3) + unit) * squashed, y + unit, first: hiddenSize &- unit)
      unit &+= laneCount
    }
  }

  func gateGradients(
    _ row: NormRow, _ vectors: NormVectors, h: Input?, c: Input?, dh: Output, dc: Output, space: Output
  ) {
    let one = broadcast(1)
    var unit = 0
    while unit < units {
      let (slope, o) = (load(dh + unit), load(row.block(3) + unit))
      let squashed = hyperbolicTangent(vectors.cell(row.block(5), unit))
      store(slope * squashed * o * (one - o), row.block(3) + unit)
      store(slope * o * (one - squashed * squashed), row.block(4) + unit)
      unit &+= laneCount
    }
    RowNorm(self, gates: 1).gradient(
      space, gain: vectors.normC, normalized: row.block(5), inverse: row.deviations[2]
    ) { _ in row.block(4) }
    unit = 0
    while unit < units {
      let (i, f, g) = (load(row.block(0) + unit), load(row.block(1) + unit), load(row.block(2) + unit))
      var previous = broadcast(0)
      if let c { previous = load(c + unit, first: hiddenSize &- unit) }
      let slope = load(dc + unit) + load(space + unit)
      store(slope * g * i * (one - i), row.block(0) + unit)
      store(slope * previous * f * (one - f), row.block(1) + unit)
      store(slope * i * (one - g * g), row.block(2) + unit)
      store(slope * f, dc + unit)
      unit &+= laneCount
    }
  }
}
