// Activations: of whole arrays, and at the end of a convolution while its sums are in registers. Those of gates are where
// the gates are.
//
//   relu         max(x, 0)                         1 where y > 0
//   leaky_relu   x where x > 0, else slope x       1 where x > 0, else slope
//   elu          x where x > 0, else slope (e^x - 1)    1 where x > 0, else slope e^x = y + slope
//   sigmoid      1 / (1 + e^-x)                    y (1 - y)
//   tanh         tanh x                            1 - y^2
//
// NaN stays NaN.

/// An activation and its parameter.
public struct Activation {
  /// What is computed. The numbers are those of the C ABI.
  public enum Kind: Int32 { case identity, relu, leakyRelu, elu, sigmoid, tanh }

  let kind: Kind
  let slope: Float

  /// - Parameter slope: of a leaky ReLU for negative arguments, or the limit of an ELU with its sign turned
  public init(_ kind: Kind, slope: Float = 0) {
    self.kind = kind
    self.slope = slope
  }

  var isIdentity: Bool { kind == .identity }

  /// y
  @inline(__always)
  func apply(_ x: Lanes) -> Lanes {
    switch kind {
    case .identity: return x
    case .relu: return x.atLeast(broadcast(0))
    case .leakyRelu: return x.replaced(by: x * broadcast(slope), below: broadcast(0))
    case .elu: return x.replaced(by: broadcast(slope) * exponentialMinusOne(x), below: broadcast(0))
    case .sigmoid: return sigmoid(x)
    case .tanh: return hyperbolicTangent(x)
    }
  }

  /// The derivative times `grad`, from x and y.
  @inline(__always)
  func applyBackward(_ grad: Lanes, x: Lanes, y: Lanes) -> Lanes {
    let one = broadcast(1)
    switch kind {
    case .identity: return grad
    case .relu: return broadcast(0).replacing(with: grad, where: y .> broadcast(0))
    case .leakyRelu: return (grad * broadcast(slope)).replacing(with: grad, where: x .> broadcast(0))
    case .elu: return (grad * (y + broadcast(slope))).replacing(with: grad, where: x .> broadcast(0))
    case .sigmoid: return grad * y * (one - y)
    case .tanh: return grad * (one - y * y)
    }
  }
}

/// `y = activation(x)`. y may be x.
public func activationForward(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, count: Int, activation: Activation
) {
  forEachRegister(of: count) { first, width in
    store(activation.apply(load(x + first, first: width)), y + first, first: width)
  }
}

/// The gradient of `activationForward`.
///
/// - Parameters:
///   - gradX, gradY: `count` floats; may be the same
///   - x: the input, read for a leaky ReLU and an ELU only
///   - y: the output
public func activationBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, x: UnsafePointer<Float>, y: UnsafePointer<Float>,
  count: Int, activation: Activation
) {
  forEachRegister(of: count) { first, width in
    let value = activation.applyBackward(
      load(gradY + first, first: width), x: load(x + first, first: width), y: load(y + first, first: width))
    store(value, gradX + first, first: width)
  }
}
