// Negative log-likelihood of labels, with a weight a class and a weight a sample:
//
//   l_i = -w_i log_p[i, y_i],   w_i = class_weight[y_i] sample_weight[i];   mean = sum l_i / sum w_i
//
// One number a row: sums run in float64, in the order of the rows.

/// The weighted losses, and the sum of the weights.
///
/// - Parameters:
///   - losses, weights: `(rows,)`: l_i and w_i
///   - logProbabilities: `(rows, classes)`
///   - targets: `(rows,)`, each within `0..<classes`
///   - classWeight: `(classes,)` or nil; sampleWeight: `(rows,)` or nil
/// - Returns: sum l_i and sum w_i
public func negativeLogLikelihood(
  losses: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>, logProbabilities: UnsafePointer<Float>,
  targets: UnsafePointer<Int64>, classWeight: UnsafePointer<Float>?, sampleWeight: UnsafePointer<Float>?, rows: Int,
  classes: Int
) -> (loss: Double, weight: Double) {
  var (loss, weight) = (0.0, 0.0)
  for row in 0..<rows {
    let target = Int(targets[row])
    var factor: Float = 1
    if let classWeight { factor *= classWeight[target] }
    if let sampleWeight { factor *= sampleWeight[row] }
    // A sample of no weight adds nothing, even where its log-probability is not finite.
    let value = factor == 0 ? 0 : -factor * logProbabilities[row &* classes &+ target]
    losses[row] = value
    weights[row] = factor
    loss += Double(value)
    weight += Double(factor)
  }
  return (loss, weight)
}

/// The gradient: -w_i scale_i at the target, 0 elsewhere.
///
/// - Parameters:
///   - grad: `(rows, classes)`, overwritten
///   - weights: from the forward call
///   - scale: one factor, or with `scalePerRow` `(rows,)`
public func negativeLogLikelihoodBackward(
  grad: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, targets: UnsafePointer<Int64>,
  scale: UnsafePointer<Float>, scalePerRow: Bool, rows: Int, classes: Int
) {
  fillZero(grad, rows &* classes)
  for row in 0..<rows {
    grad[row &* classes &+ Int(targets[row])] = -weights[row] * scale[scalePerRow ? row : 0]
  }
}
