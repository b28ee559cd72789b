// Negative log-likelihood of labels, with a weight a class and a weight a sample:
//
//   l_i = -(1 - e) w_i log_p[i, y_i] - e / C sum over c of class_weight[c] sample_weight[i] log_p[i, c]
//   w_i = class_weight[y_i] sample_weight[i];   mean = sum l_i / sum w_i
//
// e, the label smoothing, spreads that much of a label's probability over all C classes. A row whose label is the ignored
// one has l_i = w_i = 0. Of probabilities q in the place of labels:
//
//   l_i = -sample_weight[i] sum over c of class_weight[c] ((1 - e) q[i, c] + e / C) log_p[i, c];   w_i = sample_weight[i]
//
// What weighs nothing adds nothing, even where its log-probability is not finite. Rows are shared out among the workers;
// the sums run in float64, in the order of the rows.

/// What is wished for of every row, and what it counts.
public struct LabelTargets {
  /// `(rows,)`, each within `0..<classes` or `ignored`; nil for probabilities
  let labels: UnsafePointer<Int64>?
  /// `(rows, classes)`, read if there are no labels
  let probabilities: UnsafePointer<Float>?
  /// `(classes,)` and `(rows,)`, or nil for 1
  let classWeight, sampleWeight: UnsafePointer<Float>?
  /// e above, in [0, 1]
  let smoothing: Float
  let ignored: Int64
  let rows, classes: Int

  /// Checks nothing: the caller has.
  public init(
    labels: UnsafePointer<Int64>?, probabilities: UnsafePointer<Float>?, classWeight: UnsafePointer<Float>?,
    sampleWeight: UnsafePointer<Float>?, smoothing: Float, ignored: Int64, rows: Int, classes: Int
  ) {
    self.labels = labels
    self.probabilities = probabilities
    self.classWeight = classWeight
    self.sampleWeight = sampleWeight
    self.smoothing = smoothing
    self.ignored = ignored
    self.rows = rows
    self.classes = classes
  }

  /// What the log-probability of a class counts in a row of probabilities.
  @inline(__always)
  fileprivate func portion(_ row: Int, _ index: Int, _ probabilities: Input) -> Float {
    let wanted = (1 - smoothing) * probabilities[row &* classes &+ index] + smoothing / Float(classes)
    return wanted * (classWeight?[index] ?? 1) * (sampleWeight?[row] ?? 1)
  }

  @inline(__always)
  fileprivate func forEachRow(_ body: (Int) -> Void) {
    parallel(tasks: min(rows, taskLimit(work: rows &* classes))) { task, tasks in
      for part in inParts(share(of: rows, task, tasks), work: 2 &* classes) {
        for row in part { body(row) }
      }
    }
  }
}

/// The weighted losses, and the sum of the weights.
///
/// - Parameters:
///   - losses, weights: `(rows,)`: l_i and w_i
///   - logProbabilities: `(rows, classes)`
/// - Returns: sum l_i and sum w_i
public func negativeLogLikelihood(
  losses: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>, logProbabilities: UnsafePointer<Float>,
  _ wish: LabelTargets
) -> (loss: Double, weight: Double) {
  wish.forEachRow { row in
    let logs = logProbabilities + row &* wish.classes
    if let labels = wish.labels {
      (losses[row], weights[row]) =
        labels[row] == wish.ignored ? (0, 0) : labelLoss(logs, row, Int(labels[row]), wish)
    } else if let probabilities = wish.probabilities {
      var total = 0.0
      for index in 0..<wish.classes {
        let factor = wish.portion(row, index, probabilities)
        if factor != 0 { total -= Double(factor) * Double(logs[index]) }
      }
      (losses[row], weights[row]) = (Float(total), wish.sampleWeight?[row] ?? 1)
    }
  }
  var (loss, weight) = (0.0, 0.0)
  for part in inParts(0..<wish.rows, work: 4) {
    for row in part {
      loss += Double(losses[row])
      weight += Double(weights[row])
    }
  }
  return (loss, weight)
}

private func labelLoss(_ logs: Input, _ row: Int, _ label: Int, _ wish: LabelTargets) -> (Float, Float) {
  var factor: Float = 1
  if let classWeight = wish.classWeight { factor *= classWeight[label] }
  if let sampleWeight = wish.sampleWeight { factor *= sampleWeight[row] }
  var value = factor == 0 ? 0 : -factor * logs[label]
  let spread = wish.smoothing * (wish.sampleWeight?[row] ?? 1) / Float(wish.classes)
  if spread > 0 {
    var total: Float = 0
    for index in 0..<wish.classes {
      let weight = wish.classWeight?[index] ?? 1
      if weight != 0 { total -= weight * logs[index] }
    }
    var share = spread * total
    if !total.isFinite {
      // Too large for a sum of them before they are divided.
      share = 0
      for index in 0..<wish.classes {
        let weight = wish.classWeight?[index] ?? 1
        if weight != 0 { share -= spread * weight * logs[index] }
      }
    }
    value = (wish.smoothing == 1 ? 0 : (1 - wish.smoothing) * value) + share
  }
  return (value, factor)
}

/// The gradient: -(1 - e) w_i scale_i at the label, and -e / C class_weight[c] sample_weight[i] scale_i everywhere; 0 in
/// rows that are ignored.
///
/// - Parameters:
///   - grad: `(rows, classes)`, overwritten
///   - weights: from the forward call
///   - scale: one factor, or with `scalePerRow` `(rows,)`
public func negativeLogLikelihoodBackward(
  grad: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, scale: UnsafePointer<Float>, scalePerRow: Bool,
  _ wish: LabelTargets
) {
  wish.forEachRow { row in
    let target = grad + row &* wish.classes
    let factor = scale[scalePerRow ? row : 0]
    if let labels = wish.labels {
      fillZero(target, wish.classes)
      if labels[row] == wish.ignored { return }
      let spread = wish.smoothing * (wish.sampleWeight?[row] ?? 1) / Float(wish.classes) * factor
      if wish.smoothing > 0 {
        for index in 0..<wish.classes { target[index] = -spread * (wish.classWeight?[index] ?? 1) }
      }
      target[Int(labels[row])] -= (1 - wish.smoothing) * weights[row] * factor
    } else if let probabilities = wish.probabilities {
      for index in 0..<wish.classes { target[index] = -wish.portion(row, index, probabilities) * factor }
    }
  }
}
