// Losses of single numbers, with their derivatives; d = p - t:
//
//   squared              d^2                                          2 d
//   binary cross-entropy of a logit, positives weighing w:
//                        (1 - t) p + (1 + (w - 1) t) s(-p)            (1 - t) - (1 + (w - 1) t) sigmoid(-p)
//   absolute             |d|                                          sign d
//   Huber, to b:         d^2 / 2 within b, b (|d| - b / 2) outside    d held within b
//   smooth absolute:     Huber's / b
//   binary cross-entropy of a probability, logarithms being -100 at least:
//                        -t log p - (1 - t) log(1 - p)                (p - t) / max(p (1 - p), 1e-12)
//   divergence           t (log t - p), 0 where t is 0                -t
//   divergence of log t  e^t (t - p)                                  -e^t
//
// with s(x) = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). Bound by memory: three or four arrays once each.

/// What is computed. The numbers are those of the C ABI.
public enum PointLoss: Int32 {
  case squared, binaryCrossEntropy, absolute, huber, smoothAbsolute, probability, divergence, logDivergence
}

/// The loss and its derivative of every element.
///
/// - Parameters:
///   - losses, grad: `(count,)`
///   - prediction, target: `(count,)`
///   - positive: `(count,)`, the weight of positives, or nil for 1
///   - bound: b above, positive
public func pointLoss(
  _ kind: PointLoss, losses: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>,
  prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, positive: UnsafePointer<Float>?, bound: Float,
  count: Int
) {
  let (zero, one) = (broadcast(0), broadcast(1))
  forEachRegister(of: count) { first, width in
    let (p, t) = (load(prediction + first, first: width), load(target + first, first: width))
    let (loss, slope): (Lanes, Lanes)
    switch kind {
    case .squared:
      let difference = p - t
      (loss, slope) = (difference * difference, difference + difference)
    case .binaryCrossEntropy:
      let negative = zero - p
      let size = p.atLeast(negative)
      let soft = negative.atLeast(zero) + logarithmOfOnePlus(exponential(zero - size))
      var weight = one
      if let positive { weight = multiplyAdd(one, load(positive + first, first: width) - one, t) }
      (loss, slope) = (multiplyAdd((one - t) * p, weight, soft), (one - t) - weight * sigmoid(negative))
    case .absolute:
      let difference = p - t
      let sign = difference.replacing(with: one, where: difference .> zero)
      loss = difference.atLeast(zero - difference)
      slope = sign.replacing(with: zero - one, where: difference .< zero)
    case .huber, .smoothAbsolute:
      let difference = p - t
      let size = difference.atLeast(zero - difference)
      let small = size.atMost(broadcast(bound))
      let scale = broadcast(kind == .huber ? 1 : bound)
      loss = multiplyAdd(broadcast(kind == .huber ? bound : 1) * (size - small), small * broadcast(0.5), small / scale)
      slope = clamp(difference, from: -bound, to: bound) / scale
    case .probability:
      let rest = one - p
      // log(1 - p): rounding 1 - p would lose what a small p is.
      let logRest = naturalLogarithm(rest).replacing(
        with: logarithmOfOnePlus(zero - p), where: p .< broadcast(0.5)
      ).atLeast(broadcast(-100))
      let log = naturalLogarithm(p).atLeast(broadcast(-100))
      loss = (t - one) * logRest - t * log
      slope = (p - t) / (p * rest).atLeast(broadcast(1e-12))
    case .divergence:
      loss = (t * (naturalLogarithm(t) - p)).replacing(with: zero, where: t .== zero)
      slope = zero - t
    case .logDivergence:
      let wanted = exponential(t)
      loss = (wanted * (t - p)).replacing(with: zero, where: wanted .== zero)
      slope = zero - wanted
    }
    store(loss, losses + first, first: width)
    store(slope, grad + first, first: width)
  }
}
