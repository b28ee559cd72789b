// The C ABI of activations: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import SeriatimKernels

@_cdecl("srt_relu_forward")
public func srt_relu_forward(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) -> Int32 {
  guard count > 0 else { return badSize }
  reluForward(y: y, x: x, count: count)
  return done
}

@_cdecl("srt_relu_backward")
public func srt_relu_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int
) -> Int32 {
  guard count > 0 else { return badSize }
  reluBackward(gradX: gradX, gradY: gradY, y: y, count: count)
  return done
}

@_cdecl("srt_softmax_forward")
public func srt_softmax_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ logarithm: Int32
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  softmaxForward(y: y, x: x, rows: rows, columns: columns, logarithm: logarithm != 0)
  return done
}

@_cdecl("srt_softmax_backward")
public func srt_softmax_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ rows: Int,
  _ columns: Int,
  _ logarithm: Int32
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  softmaxBackward(gradX: gradX, gradY: gradY, y: y, rows: rows, columns: columns, logarithm: logarithm != 0)
  return done
}
