// Activations of whole arrays. Those of gates and of convolutions are computed where their sums are.

/// `y = max(x, 0)`; NaN stays NaN. y may be x.
public func reluForward(y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, count: Int) {
  forEachRegister(of: count) { first, width in
    let value = load(x + first, first: width)
    store(value.atLeast(broadcast(0)), y + first, first: width)
  }
}

/// `grad_x = grad_y where y > 0, else 0`. gradX may be gradY.
public func reluBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, y: UnsafePointer<Float>, count: Int
) {
  forEachRegister(of: count) { first, width in
    let grad = load(gradY + first, first: width)
    let value = load(y + first, first: width)
    store(broadcast(0).replacing(with: grad, where: value .> broadcast(0)), gradX + first, first: width)
  }
}
