// Stochastic gradient descent with momentum over a flat buffer, torch's rules:
//
//   g = grad + decay p;   m = g at the first step, then momentum m + (1 - dampening) g;   p = p - lr (g + momentum m)
//   with Nesterov's momentum, p - lr m with plain momentum, p - lr g with none.

/// The numbers of one step, equal for all parameters.
public struct SGDStep {
  let learningRate: Float
  let momentum: Float
  let dampening: Float
  let decay: Float
  let nesterov: Bool
  /// The momentum buffer holds nothing yet.
  let first: Bool

  /// See the equations at the head of the file.
  public init(learningRate: Float, momentum: Float, dampening: Float, decay: Float, nesterov: Bool, first: Bool) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.dampening = dampening
    self.decay = decay
    self.nesterov = nesterov
    self.first = first
  }
}

/// One step. All arrays `(count,)`; `parameters` and `momentum` (nil without) are updated in place.
public func sgdStep(
  _ step: SGDStep, parameters: UnsafeMutablePointer<Float>, momentum: UnsafeMutablePointer<Float>?,
  gradients: UnsafePointer<Float>, count: Int
) {
  forEachRegister(of: count) { index, width in
    let value = load(parameters + index, first: width)
    var direction = multiplyAdd(load(gradients + index, first: width), broadcast(step.decay), value)
    if let momentum {
      var moved = direction
      if !step.first {
        moved = multiplyAdd(
          broadcast(1 - step.dampening) * direction, broadcast(step.momentum), load(momentum + index, first: width))
      }
      // Many large ones: held at the largest float, where their sum would be infinite.
      let most = Float.greatestFiniteMagnitude
      moved = moved.replacing(
        with: clamp(moved, from: -most, to: most),
        where: isFinite(direction) .& isFinite(load(momentum + index, first: width)))
      store(moved, momentum + index, first: width)
      direction = step.nesterov ? multiplyAdd(direction, broadcast(step.momentum), moved) : moved
    }
    store(multiplyAdd(value, broadcast(-step.learningRate), direction), parameters + index, first: width)
  }
}
