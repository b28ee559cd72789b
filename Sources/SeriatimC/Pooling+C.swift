// The C ABI of pooling: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_max_pool_forward") @implementation
public func srt_max_pool_forward(
  _ y: UnsafeMutablePointer<Float>, _ index: UnsafeMutablePointer<Int32>?, _ x: UnsafePointer<Float>,
  _ sizes: UnsafePointer<Int>
) -> Int32 {
  let shape = PoolingShape(sizes)
  guard shape.isSound else { return badSize }
  maxPool(y: y, index: index, x: x, shape: shape)
  return done
}

@_cdecl("srt_max_pool_backward") @implementation
public func srt_max_pool_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ index: UnsafePointer<Int32>,
  _ sizes: UnsafePointer<Int>
) -> Int32 {
  let shape = PoolingShape(sizes)
  guard shape.isSound else { return badSize }
  maxPoolBackward(gradX: gradX, gradY: gradY, index: index, shape: shape)
  return done
}

/// 0: what is inside; below 0: the padded window; above: a number.
private func averageDivisor(_ divisor: Float) -> AverageDivisor {
  divisor == 0 ? .inside : divisor < 0 ? .padded : .fixed(divisor)
}

@_cdecl("srt_average_pool_forward") @implementation
public func srt_average_pool_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>, _ divisor: Float
) -> Int32 {
  let shape = PoolingShape(sizes)
  guard shape.isSound else { return badSize }
  averagePool(y: y, x: x, shape: shape, divisor: averageDivisor(divisor))
  return done
}

@_cdecl("srt_average_pool_backward") @implementation
public func srt_average_pool_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>, _ divisor: Float
) -> Int32 {
  let shape = PoolingShape(sizes)
  guard shape.isSound else { return badSize }
  averagePoolBackward(gradX: gradX, gradY: gradY, shape: shape, divisor: averageDivisor(divisor))
  return done
}

@_cdecl("srt_adaptive_pool_forward") @implementation
public func srt_adaptive_pool_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ planes: Int, _ height: Int, _ width: Int,
  _ outHeight: Int, _ outWidth: Int
) -> Int32 {
  guard planes > 0, height > 0, width > 0, outHeight > 0, outWidth > 0 else { return badSize }
  adaptiveAveragePool(
    y: y, x: x, planes: planes, height: height, width: width, outHeight: outHeight, outWidth: outWidth)
  return done
}

@_cdecl("srt_adaptive_pool_backward") @implementation
public func srt_adaptive_pool_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ planes: Int, _ height: Int, _ width: Int,
  _ outHeight: Int, _ outWidth: Int
) -> Int32 {
  guard planes > 0, height > 0, width > 0, outHeight > 0, outWidth > 0 else { return badSize }
  adaptiveAveragePoolBackward(
    gradX: gradX, gradY: gradY, planes: planes, height: height, width: width, outHeight: outHeight,
    outWidth: outWidth)
  return done
}
