// A layer-normalised GRU (rows r, z, n; the reset gate after the product):
//
//   r = sigmoid(a_r + s_r)    z = sigmoid(a_z + s_z)    n = tanh(a_n + r * s_n)    h' = (1 - z) * n + z * h
//
// The cell's blocks of a cache row: | r | z | n | s_n |, backward | dr' | dz' | dn' | ds_n |, as for the plain GRU.

/// The sizes of one direction of one layer-normalised GRU layer.
struct NormGRU: NormalizedCell {
  typealias Forward = NormForward<NormGRU>
  typealias Backward = NormBackward<NormGRU>

  let inputSize: Int
  let hiddenSize: Int

  var gates: Int { 3 }
  var blocks: Int { 4 }
  var carriesState: Bool { true }
  @inline(__always)
  func stateBlock(gate: Int) -> Int { gate == 2 ? 3 : gate }

  func activate(_ row: NormRow, input: Input, _ vectors: NormVectors, h: Input?, c: Input?, y: Output) {
    let state = Input(row.state)
    var unit = 0
    while unit < units {
      let width = hiddenSize &- unit
      let (resets, updates, candidates) = (unit, units &+ unit, 2 &* units &+ unit)
      let (r, z) = sigmoids(
        vectors.input(input, resets) + vectors.state(state, resets),
        vectors.input(input, updates) + vectors.state(state, updates))
      let s = vectors.state(state, candidates)
      let n = hyperbolicTangent(multiplyAdd(vectors.input(input, candidates), r, s))
      var previous = broadcast(0)
      if let h { previous = load(h + unit, first: width) }
      store(multiplyAdd(n, z, previous - n), y + unit, first: width)
      store(r, row.block(0) + unit)
      store(z, row.block(1) + unit)
      store(n, row.block(2) + unit)
      store(s, row.block(3) + unit)
      unit &+= laneCount
    }
  }

  func gateGradients(
    _ row: NormRow, _ vectors: NormVectors, h: Input?, c: Input?, dh: Output, dc: Output, space: Output
  ) {
    let one = broadcast(1)
    var unit = 0
    while unit < units {
      let (r, z) = (load(row.block(0) + unit), load(row.block(1) + unit))
      let (n, s) = (load(row.block(2) + unit), load(row.block(3) + unit))
      let slope = load(dh + unit)
      var previous = broadcast(0)
      if let h { previous = load(h + unit, first: hiddenSize &- unit) }
      let candidate = slope * (one - z) * (one - n * n)
      store(candidate * s * r * (one - r), row.block(0) + unit)
      store(slope * (previous - n) * z * (one - z), row.block(1) + unit)
      store(candidate, row.block(2) + unit)
      store(candidate * r, row.block(3) + unit)
      store(slope * z, dh + unit)
      unit &+= laneCount
    }
  }
}
