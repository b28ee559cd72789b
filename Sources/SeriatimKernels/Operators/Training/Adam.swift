// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) over a flat buffer, in one pass: 16 bytes read and 12
// written a parameter, so memory is the limit.
//
//   g = grad + decay p                        (Adam);   p = p (1 - lr decay)     (AdamW)
//   m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   p = p - stepSize m / (sqrt(v) secondScale + eps)
//   stepSize = lr / (1 - b1^t),   secondScale = 1 / sqrt(1 - b2^t)
//
// The step is a ratio, which hardly depends on how large gradients are: one beyond 2^63 counts as that, for v would be
// infinite and the parameter never move again.

/// The numbers of one step, equal for all parameters.
public struct AdamStep {
  let stepSize: Float
  let secondScale: Float
  let beta1: Float
  let beta2: Float
  let epsilon: Float
  /// added to the gradient, times the parameter (Adam)
  let decay: Float
  /// the parameter is multiplied by this first (AdamW)
  let shrink: Float

  /// See the equations at the head of the file.
  public init(
    stepSize: Float, secondScale: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, shrink: Float
  ) {
    self.stepSize = stepSize
    self.secondScale = secondScale
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decay = decay
    self.shrink = shrink
  }
}

/// One step. All arrays `(count,)`; `parameters`, `first` (m) and `second` (v) are updated in place.
public func adamStep(
  _ step: AdamStep, parameters: UnsafeMutablePointer<Float>, first: UnsafeMutablePointer<Float>,
  second: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, count: Int
) {
  forEachRegister(of: count) { index, width in
    var value = load(parameters + index, first: width)
    let gradient = squarable(multiplyAdd(load(gradients + index, first: width), broadcast(step.decay), value))
    value *= broadcast(step.shrink)
    let oldFirst = load(first + index, first: width)
    let mean = multiplyAdd(oldFirst, broadcast(1 - step.beta1), gradient - oldFirst)
    let square = multiplyAdd(
      load(second + index, first: width) * broadcast(step.beta2), broadcast(1 - step.beta2) * gradient, gradient)
    let denominator = multiplyAdd(broadcast(step.epsilon), square.squareRoot(), broadcast(step.secondScale))
    store(mean, first + index, first: width)
    store(square, second + index, first: width)
    store(value - broadcast(step.stepSize) * mean / denominator, parameters + index, first: width)
  }
}
