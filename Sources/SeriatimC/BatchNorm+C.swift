// The C ABI of batch normalisation: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_batch_norm_forward") @implementation
public func srt_batch_norm_forward(
  _ y: UnsafeMutablePointer<Float>?, _ mean: UnsafeMutablePointer<Float>, _ inverse: UnsafeMutablePointer<Float>,
  _ runningMean: UnsafeMutablePointer<Float>?, _ runningVariance: UnsafeMutablePointer<Float>?,
  _ x: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>?, _ rows: Int, _ columns: Int, _ training: Int32,
  _ momentum: Float, _ epsilon: Float
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  guard training != 0 || (y != nil && runningMean != nil && runningVariance != nil) else { return missingPointer }
  let isDone = batchNormForward(
    y: y, mean: mean, inverse: inverse, runningMean: runningMean, runningVariance: runningVariance, x: x,
    weight: weight, bias: bias, rows: rows, columns: columns, training: training != 0, momentum: momentum,
    epsilon: epsilon)
  return isDone ? done : tooLarge
}

@_cdecl("srt_batch_norm_backward") @implementation
public func srt_batch_norm_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradWeight: UnsafeMutablePointer<Float>?,
  _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32, _ gradY: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, _ mean: UnsafePointer<Float>, _ inverse: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>?, _ rows: Int, _ columns: Int, _ training: Int32, _ shift: UnsafePointer<Float>?,
  _ slope: UnsafePointer<Float>?
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  guard (shift == nil) == (slope == nil) else { return missingPointer }
  batchNormBackward(
    gradX: gradX, gradWeight: gradWeight, gradBias: gradBias, accumulate: accumulate != 0, gradY: gradY, x: x,
    mean: mean, inverse: inverse, weight: weight, rows: rows, columns: columns, training: training != 0, shift: shift,
    slope: slope)
  return done
}

@_cdecl("srt_image_norm_forward") @implementation
public func srt_image_norm_forward(
  _ y: UnsafeMutablePointer<Float>?, _ mean: UnsafeMutablePointer<Float>, _ inverse: UnsafeMutablePointer<Float>,
  _ runningMean: UnsafeMutablePointer<Float>?, _ runningVariance: UnsafeMutablePointer<Float>?,
  _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>?, _ images: Int,
  _ channels: Int, _ pixels: Int, _ training: Int32, _ momentum: Float, _ epsilon: Float
) -> Int32 {
  guard images > 0, channels > 0, pixels > 0 else { return badSize }
  guard training != 0 || (y != nil && runningMean != nil && runningVariance != nil) else { return missingPointer }
  let isDone = imageNormForward(
    y: y, mean: mean, inverse: inverse, runningMean: runningMean, runningVariance: runningVariance, x: x,
    weight: weight, bias: bias, images: images, channels: channels, pixels: pixels, training: training != 0,
    momentum: momentum, epsilon: epsilon)
  return isDone ? done : tooLarge
}

@_cdecl("srt_image_norm_backward") @implementation
public func srt_image_norm_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradWeight: UnsafeMutablePointer<Float>?,
  _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32, _ gradY: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, _ mean: UnsafePointer<Float>, _ inverse: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>?, _ images: Int, _ channels: Int, _ pixels: Int, _ training: Int32,
  _ shift: UnsafePointer<Float>?, _ slope: UnsafePointer<Float>?
) -> Int32 {
  guard images > 0, channels > 0, pixels > 0 else { return badSize }
  guard (shift == nil) == (slope == nil) else { return missingPointer }
  imageNormBackward(
    gradX: gradX, gradWeight: gradWeight, gradBias: gradBias, accumulate: accumulate != 0, gradY: gradY, x: x,
    mean: mean, inverse: inverse, weight: weight, images: images, channels: channels, pixels: pixels,
    training: training != 0, shift: shift, slope: slope)
  return done
}
