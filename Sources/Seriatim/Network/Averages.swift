// What several networks give together, and powers of e.

import Foundation

/// The mean of what several networks give, of probabilities if these are logarithms of such: the sums of
/// nn/containers/_ensemble.py in their order.
func average(
  _ each: [UnsafePointer<Float>], isLogarithm: Bool, into mean: UnsafeMutablePointer<Float>, count: Int
) {
  if each.count == 1 {
    mean.update(from: each[0], count: count)
    return
  }
  let shift = Float(log(Double(each.count)))
  for place in 0..<count {
    if isLogarithm {
      var sum = each[0][place]
      for one in each.dropFirst() { sum = logarithmOfSum(sum, one[place]) }
      mean[place] = sum - shift
    } else {
      var sum = 0.0
      for one in each { sum += Double(one[place]) }
      mean[place] = Float(sum / Double(each.count))
    }
  }
}

/// ln(e^a + e^b), in float32, with the system's functions, as NumPy's `logaddexp` has it.
private func logarithmOfSum(_ a: Float, _ b: Float) -> Float {
  if a == b { return a + Float(0.693_147_180_559_945_3) }
  let difference = a - b
  if difference > 0 { return a + log1p(exp(-difference)) }
  if difference <= 0 { return b + log1p(exp(difference)) }
  return difference
}

/// e^x, correctly rounded.
func power(_ x: Float) -> Float { Float(exp(Double(x))) }
