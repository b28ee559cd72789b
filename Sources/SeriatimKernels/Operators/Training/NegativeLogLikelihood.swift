// Negative log-likelihood of labels, with a weight a class and a weight a sample:
//
//   l_i = -(1 - e) w_i log_p[i, y_i] - e / C sum over c of class_weight[c] sample_weight[i] log_p[i, c]
//   w_i = class_weight[y_i] sample_weight[i];   mean = sum l_i / sum w_i
//
// e, the label smoothing, spreads that much of a label's probability over all C classes.
//
// One number a row: sums run in float64, in the order of the rows.

/// The weighted losses, and the sum of the weights.
///
/// - Parameters:
///   - losses, weights: `(rows,)`: l_i and w_i
///   - logProbabilities: `(rows, classes)`
///   - targets: `(rows,)`, each within `0..<classes`
///   - classWeight: `(classes,)` or nil; sampleWeight: `(rows,)` or nil
///   - smoothing: e above, in [0, 1)
/// - Returns: sum l_i and sum w_i
public func negativeLogLikelihood(
  losses: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>, logProbabilities: UnsafePointer<Float>,
  targets: UnsafePointer<Int64>, classWeight: UnsafePointer<Float>?, sampleWeight: UnsafePointer<Float>?,
  smoothing: Float, rows: Int, classes: Int
) -> (loss: Double, weight: Double) {
  var (loss, weight) = (0.0, 0.0)
  for row in 0..<rows {
    let target = Int(targets[row])
    var factor: Float = 1
    if let classWeight { factor *= classWeight[target] }
    if let sampleWeight { factor *= sampleWeight[row] }
    // A sample of no weight adds nothing, even where its log-probability is not finite.
    var value = factor == 0 ? 0 : -factor * logProbabilities[row &* classes &+ target]
    let spread = smoothing * (sampleWeight?[row] ?? 1) / Float(classes)
    if spread > 0 {
      var total: Float = 0
      for index in 0..<classes {
        total -= (classWeight?[index] ?? 1) * logProbabilities[row &* classes &+ index]
      }
      value = (1 - smoothing) * value + spread * total
    }
    losses[row] = value
    weights[row] = factor
    loss += Double(value)
    weight += Double(factor)
  }
  return (loss, weight)
}

/// The gradient: -(1 - e) w_i scale_i at the target, and -e / C class_weight[c] sample_weight[i] scale_i everywhere.
///
/// - Parameters:
///   - grad: `(rows, classes)`, overwritten
///   - weights: from the forward call
///   - classWeight, sampleWeight, smoothing: as in the forward call
///   - scale: one factor, or with `scalePerRow` `(rows,)`
public func negativeLogLikelihoodBackward(
  grad: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, targets: UnsafePointer<Int64>,
  classWeight: UnsafePointer<Float>?, sampleWeight: UnsafePointer<Float>?, smoothing: Float,
  scale: UnsafePointer<Float>, scalePerRow: Bool, rows: Int, classes: Int
) {
  fillZero(grad, rows &* classes)
  for row in 0..<rows {
    let factor = scale[scalePerRow ? row : 0]
    let spread = smoothing * (sampleWeight?[row] ?? 1) / Float(classes) * factor
    if spread != 0 {
      for index in 0..<classes { grad[row &* classes &+ index] = -spread * (classWeight?[index] ?? 1) }
    }
    grad[row &* classes &+ Int(targets[row])] -= (1 - smoothing) * weights[row] * factor
  }
}
