// minGRU (Feng et al., "Were RNNs All We Needed?", 2024), rows z, n of the weights:
//
//   z  = sigmoid(W_z x + b_z)
//   n  = W_n x + b_n
//   h' = (1 - z) * h + z * n
//
// Backward, with dh the gradient of h':
//
//   dz' = dh * (n - h) * z * (1 - z)      dn = dh * z      dh (carried on) = dh * (1 - z)
//
// Kept: | z | n |, which become | dz' | dn |.

/// The element's rule.
struct MinGRU: ScanRule {
  static var gates: Int { 2 }
  static var hasStateWeight: Bool { false }

  init(options: Int) {}

  @inline(__always)
  func step(_ gate: Output, units: Int, u: Lanes, h: Lanes, keeps: Bool) -> Lanes {
    let z = sigmoid(load(gate))
    if keeps { store(z, gate) }
    return multiplyAdd(h, z, load(gate + units) - h)
  }

  @inline(__always)
  func backward(_ gate: Output, units: Int, u: Lanes, h: Lanes, dh: Lanes) -> Lanes {
    let (z, n) = (load(gate), load(gate + units))
    let rest = broadcast(1) - z
    store(dh * (n - h) * z * rest, gate)
    store(dh * z, gate + units)
    return dh * rest
  }
}
