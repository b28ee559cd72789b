// The C ABI of activations: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_activation_forward") @implementation
public func srt_activation_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int, _ activation: Int32, _ slope: Float
) -> Int32 {
  guard count > 0, let kind = Activation.Kind(rawValue: activation) else { return badSize }
  activationForward(y: y, x: x, count: count, activation: Activation(kind, slope: slope))
  return done
}

@_cdecl("srt_activation_backward") @implementation
public func srt_activation_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  _ y: UnsafePointer<Float>, _ count: Int, _ activation: Int32, _ slope: Float
) -> Int32 {
  guard count > 0, let kind = Activation.Kind(rawValue: activation) else { return badSize }
  activationBackward(gradX: gradX, gradY: gradY, x: x, y: y, count: count, activation: Activation(kind, slope: slope))
  return done
}

@_cdecl("srt_softmax_forward") @implementation
public func srt_softmax_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ logarithm: Int32
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  softmaxForward(y: y, x: x, rows: rows, columns: columns, logarithm: logarithm != 0)
  return done
}

@_cdecl("srt_softmax_backward") @implementation
public func srt_softmax_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ rows: Int,
  _ columns: Int,
  _ logarithm: Int32
) -> Int32 {
  guard rows > 0, columns > 0 else { return badSize }
  softmaxBackward(gradX: gradX, gradY: gradY, y: y, rows: rows, columns: columns, logarithm: logarithm != 0)
  return done
}
