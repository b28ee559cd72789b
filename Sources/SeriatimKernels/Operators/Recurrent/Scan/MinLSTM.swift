// minLSTM (Feng et al., "Were RNNs All We Needed?", 2024), rows f, i, n of the weights:
//
//   f  = sigmoid(W_f x + b_f)      i  = sigmoid(W_i x + b_i)      n = W_n x + b_n
//   s  = f / (f + i)
//   h' = s * h + (1 - s) * n
//
// With F = 1 / f = 1 + e^-(W_f x + b_f) and I = 1 / i alike, s = I / (F + I): one division. The exponents are held within
// ±87; where both gates are nearer to 0 than that, s is 1/2. Backward, with dh the gradient of h':
//
//   ds  = dh * (h - n)                      dn = dh * (1 - s)      dh (carried on) = dh * s
//   df' = ds * s * (1 - s) * (1 - f)        di' = -ds * s * (1 - s) * (1 - i)
//
// Kept: | s | w | n | with w = 1 / (f + i), so that f = s / w and i = (1 - s) / w; they become | df' | di' | dn |.

/// The element's rule.
struct MinLSTM: ScanRule {
  static var gates: Int { 3 }
  static var hasStateWeight: Bool { false }

  init(options: Int) {}

  @inline(__always)
  func step(_ gate: Output, units: Int, u: Lanes, h: Lanes, keeps: Bool) -> Lanes {
    let forget = sigmoidDenominator(load(gate), bound: 87)
    let input = sigmoidDenominator(load(gate + units), bound: 87)
    let n = load(gate + 2 &* units)
    let s = input / (forget + input)
    if keeps {
      store(s, gate)
      store(forget * s, gate + units)
    }
    return multiplyAdd(n, s, h - n)
  }

  @inline(__always)
  func backward(_ gate: Output, units: Int, u: Lanes, h: Lanes, dh: Lanes) -> Lanes {
    let (s, n) = (load(gate), load(gate + 2 &* units))
    let one = broadcast(1)
    let (rest, sum) = (one - s, one / load(gate + units))
    let ds = dh * (h - n) * s * rest
    store(ds * (one - s * sum), gate)
    store(ds * (rest * sum - one), gate + units)
    store(dh * rest, gate + 2 &* units)
    return dh * s
  }
}
