// The C ABI of optimisers: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_adam_step") @implementation
public func srt_adam_step(
  _ parameters: UnsafeMutablePointer<Float>, _ first: UnsafeMutablePointer<Float>,
  _ second: UnsafeMutablePointer<Float>,
  _ gradients: UnsafePointer<Float>, _ count: Int, _ stepSize: Float, _ secondScale: Float, _ beta1: Float,
  _ beta2: Float, _ epsilon: Float, _ decay: Float, _ shrink: Float
) -> Int32 {
  guard count > 0 else { return badSize }
  adamStep(
    AdamStep(
      stepSize: stepSize, secondScale: secondScale, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay,
      shrink: shrink),
    parameters: parameters, first: first, second: second, gradients: gradients, count: count)
  return done
}

@_cdecl("srt_sgd_step") @implementation
public func srt_sgd_step(
  _ parameters: UnsafeMutablePointer<Float>, _ momentumBuffer: UnsafeMutablePointer<Float>?,
  _ gradients: UnsafePointer<Float>,
  _ count: Int, _ learningRate: Float, _ momentum: Float, _ dampening: Float, _ decay: Float, _ nesterov: Int32,
  _ isFirst: Int32
) -> Int32 {
  guard count > 0 else { return badSize }
  sgdStep(
    SGDStep(
      learningRate: learningRate, momentum: momentum, dampening: dampening, decay: decay, nesterov: nesterov != 0,
      first: isFirst != 0),
    parameters: parameters, momentum: momentumBuffer, gradients: gradients, count: count)
  return done
}

@_cdecl("srt_rmsprop_step") @implementation
public func srt_rmsprop_step(
  _ parameters: UnsafeMutablePointer<Float>, _ square: UnsafeMutablePointer<Float>,
  _ momentumBuffer: UnsafeMutablePointer<Float>?, _ mean: UnsafeMutablePointer<Float>?,
  _ gradients: UnsafePointer<Float>, _ count: Int, _ learningRate: Float, _ weight: Float, _ epsilon: Float,
  _ decay: Float, _ momentum: Float
) -> Int32 {
  guard count > 0 else { return badSize }
  rmspropStep(
    RMSpropStep(learningRate: learningRate, weight: weight, epsilon: epsilon, decay: decay, momentum: momentum),
    parameters: parameters, square: square, momentum: momentumBuffer, mean: mean, gradients: gradients, count: count)
  return done
}

@_cdecl("srt_average_step") @implementation
public func srt_average_step(
  _ average: UnsafeMutablePointer<Float>, _ data: UnsafePointer<Float>, _ count: Int, _ weight: Float
) -> Int32 {
  guard count > 0 else { return badSize }
  averageStep(average: average, data: data, weight: weight, count: count)
  return done
}

@_cdecl("srt_sum_of_squares_scratch") @implementation
public func srt_sum_of_squares_scratch(_ count: Int) -> Int { sumOfSquaresScratchSize(count: count) }

@_cdecl("srt_sum_of_squares") @implementation
public func srt_sum_of_squares(
  _ result: UnsafeMutablePointer<Double>, _ x: UnsafePointer<Float>, _ count: Int,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard count > 0 else { return badSize }
  result.pointee = sumOfSquares(x, count: count, scratch: scratch)
  return done
}

@_cdecl("srt_scale") @implementation
public func srt_scale(_ x: UnsafeMutablePointer<Float>, _ factor: Float, _ count: Int) -> Int32 {
  guard count > 0 else { return badSize }
  scale(x, by: factor, count: count)
  return done
}
