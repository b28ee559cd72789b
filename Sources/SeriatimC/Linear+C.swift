// The C ABI of Linear: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_linear_pack") @implementation
public func srt_linear_pack(
  _ packed: UnsafeMutablePointer<Float>, _ options: Int32, _ weight: UnsafePointer<Float>,
  _ scales: UnsafePointer<Float>?, _ inFeatures: Int, _ outFeatures: Int
) -> Int32 {
  guard inFeatures > 0, outFeatures > 0, let form = weightForm(options) else { return badSize }
  guard scales != nil || form != .int8 else { return missingPointer }
  packLinear(
    packed, form: form, weight: weight, scales: scales, inFeatures: inFeatures, outFeatures: outFeatures)
  return done
}

@_cdecl("srt_linear_pack_backward") @implementation
public func srt_linear_pack_backward(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ inFeatures: Int, _ outFeatures: Int
) -> Int32 {
  guard inFeatures > 0, outFeatures > 0 else { return badSize }
  packLinearBackward(packed, weight: weight, inFeatures: inFeatures, outFeatures: outFeatures)
  return done
}

@_cdecl("srt_linear_forward") @implementation
public func srt_linear_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ packed: UnsafePointer<Float>, _ options: Int32,
  _ bias: UnsafePointer<Float>?, _ rows: Int, _ inFeatures: Int, _ outFeatures: Int
) -> Int32 {
  guard rows > 0, inFeatures > 0, outFeatures > 0, let form = weightForm(options) else { return badSize }
  linearForward(
    y: y, x: x, packed: packed, form: form, bias: bias, rows: rows, inFeatures: inFeatures, outFeatures: outFeatures)
  return done
}

@_cdecl("srt_linear_backward") @implementation
public func srt_linear_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradWeight: UnsafeMutablePointer<Float>?,
  _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32, _ gradY: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, _ packedBackward: UnsafePointer<Float>?, _ rows: Int, _ inFeatures: Int,
  _ outFeatures: Int, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard rows > 0, inFeatures > 0, outFeatures > 0 else { return badSize }
  guard gradX == nil || packedBackward != nil else { return missingPointer }
  linearBackward(
    gradX: gradX, gradWeight: gradWeight, gradBias: gradBias, accumulate: accumulate != 0, gradY: gradY, x: x,
    packedBackward: packedBackward, rows: rows, inFeatures: inFeatures, outFeatures: outFeatures, scratch: scratch)
  return done
}
