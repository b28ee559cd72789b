// Losses of single numbers, with their derivatives:
//
//   squared              (p - t)^2                                    2 (p - t)
//   binary cross-entropy of a logit, positives weighing w:
//                        (1 - t) p + (1 + (w - 1) t) s(-p)            (1 - t) - (1 + (w - 1) t) sigmoid(-p)
//
// with s(x) = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). Bound by memory: three or four arrays once each.

/// What is computed. The numbers are those of the C ABI.
public enum PointLoss: Int32 { case squared, binaryCrossEntropy }

/// The loss and its derivative of every element.
///
/// - Parameters:
///   - losses, grad: `(count,)`
///   - prediction, target: `(count,)`
///   - positive: `(count,)`, the weight of positives, or nil for 1
public func pointLoss(
  _ kind: PointLoss, losses: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>,
  prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, positive: UnsafePointer<Float>?, count: Int
) {
  forEachRegister(of: count) { first, width in
    let (p, t) = (load(prediction + first, first: width), load(target + first, first: width))
    switch kind {
    case .squared:
      let difference = p - t
      store(difference * difference, losses + first, first: width)
      store(difference + difference, grad + first, first: width)
    case .binaryCrossEntropy:
      let one = broadcast(1)
      let negative = broadcast(0) - p
      let size = p.atLeast(negative)
      let soft = negative.atLeast(broadcast(0)) + logarithmOfOnePlus(exponential(broadcast(0) - size))
      var weight = one
      if let positive { weight = multiplyAdd(one, load(positive + first, first: width) - one, t) }
      store(multiplyAdd((one - t) * p, weight, soft), losses + first, first: width)
      store((one - t) - weight * sigmoid(negative), grad + first, first: width)
    }
  }
}
