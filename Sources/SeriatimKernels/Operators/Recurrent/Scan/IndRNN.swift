// IndRNN (Li et al., "Independently Recurrent Neural Network (IndRNN): Building a Longer and Deeper RNN", CVPR 2018):
//
//   h' = relu(W x + b + u * h),  or  tanh(...)
//
// Backward, with dh the gradient of h', and a' that of the sum under the activation:
//
//   a' = dh * (1 - h'^2)   (relu: dh where h' > 0)      du = sum of a' * h      dh (carried on) = a' * u
//
// Kept: | h' |, which becomes | a' |; not the output, which may be zoned out.

import CSeriatim

/// The element's rule.
struct IndRNN: ScanRule {
  static var gates: Int { 1 }
  static var hasStateWeight: Bool { true }

  /// Else tanh.
  let isReLU: Bool

  init(options: Int) { isReLU = options & Int(SRT_RELU) != 0 }

  @inline(__always)
  func step(_ gate: Output, units: Int, u: Lanes, h: Lanes, keeps: Bool) -> Lanes {
    let sum = multiplyAdd(load(gate), u, h)
    let new = isReLU ? sum.atLeast(broadcast(0)) : hyperbolicTangent(sum)
    if keeps { store(new, gate) }
    return new
  }

  @inline(__always)
  func backward(_ gate: Output, units: Int, u: Lanes, h: Lanes, dh: Lanes) -> Lanes {
    let new = load(gate)
    let slope =
      isReLU ? dh.replacing(with: broadcast(0), where: new .<= broadcast(0)) : dh * (broadcast(1) - new * new)
    store(slope, gate)
    return slope * u
  }
}
