// RMSprop (Tieleman and Hinton 2012) over a flat buffer, torch's rules, in one pass. 12 bytes read and 8 written a
// parameter, and 8 more for each of momentum and the centred mean: memory is the limit.
//
//   g = grad + decay p;   v = v + w (g^2 - v),   w = 1 - alpha;   d = sqrt(v) + eps
//   centred:   m = m + w (g - m);   d = sqrt(max(v - m^2, 0)) + eps
//   p = p - lr g / d;   with momentum   b = momentum b + g / d;   p = p - lr b
//
// v - m^2 is a variance, and never negative but for rounding, which must not become a NaN.

/// The numbers of one step, equal for all parameters.
public struct RMSpropStep {
  let learningRate: Float
  /// How far the mean square moves to the new one, 1 - alpha: alpha near 1, rounded, would lose digits of it.
  let weight: Float
  let epsilon: Float
  let decay: Float
  let momentum: Float

  /// See the equations at the head of the file.
  public init(learningRate: Float, weight: Float, epsilon: Float, decay: Float, momentum: Float) {
    self.learningRate = learningRate
    self.weight = weight
    self.epsilon = epsilon
    self.decay = decay
    self.momentum = momentum
  }
}

/// One step. All arrays `(count,)`; `parameters`, `square` (v), `momentum` (b, nil without) and `mean` (m, nil unless
/// centred) are updated in place.
public func rmspropStep(
  _ step: RMSpropStep, parameters: UnsafeMutablePointer<Float>, square: UnsafeMutablePointer<Float>,
  momentum: UnsafeMutablePointer<Float>?, mean: UnsafeMutablePointer<Float>?, gradients: UnsafePointer<Float>,
  count: Int
) {
  forEachRegister(of: count) { index, width in
    let value = load(parameters + index, first: width)
    // As in Adam.swift.
    let gradient = squarable(multiplyAdd(load(gradients + index, first: width), broadcast(step.decay), value))
    let oldSquare = load(square + index, first: width)
    let newSquare = multiplyAdd(oldSquare, broadcast(step.weight), gradient * gradient - oldSquare)
    store(newSquare, square + index, first: width)
    var spread = newSquare
    if let mean {
      let oldMean = load(mean + index, first: width)
      let newMean = multiplyAdd(oldMean, broadcast(step.weight), gradient - oldMean)
      store(newMean, mean + index, first: width)
      spread = (newSquare - newMean * newMean).atLeast(broadcast(0))
    }
    var direction = gradient / (spread.squareRoot() + broadcast(step.epsilon))
    if let momentum {
      direction = multiplyAdd(direction, broadcast(step.momentum), load(momentum + index, first: width))
      store(direction, momentum + index, first: width)
    }
    store(multiplyAdd(value, broadcast(-step.learningRate), direction), parameters + index, first: width)
  }
}
