// The C ABI of the convolutional GRU: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_conv_gru_packed_size") @implementation
public func srt_conv_gru_packed_size(_ sizes: UnsafePointer<Int>, _ backward: Int32) -> Int {
  convGRUPackedSize(ConvRecurrentShape(sizes), backward: backward != 0)
}

@_cdecl("srt_conv_gru_forward_scratch") @implementation
public func srt_conv_gru_forward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convGRUForwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_gru_backward_scratch") @implementation
public func srt_conv_gru_backward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convGRUBackwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_gru_pack") @implementation
public func srt_conv_gru_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ backward: Int32
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  packConvGRU(packed, weight: weight, shape: shape, backward: backward != 0)
  return done
}

@_cdecl("srt_conv_gru_forward") @implementation
public func srt_conv_gru_forward(
  _ y: UnsafeMutablePointer<Float>, _ gates: UnsafeMutablePointer<Float>, _ h0: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ sizes: UnsafePointer<Int>, _ hard: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  convGRUForward(
    y: y, gates: gates, h0: h0, packed: packed, bias: bias, shape: shape, hard: hard != 0, scratch: scratch)
  return done
}

@_cdecl("srt_conv_gru_backward") @implementation
public func srt_conv_gru_backward(
  _ gradH0: UnsafeMutablePointer<Float>, _ gates: UnsafeMutablePointer<Float>,
  _ gradWeight: UnsafeMutablePointer<Float>?, _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ gradY: UnsafePointer<Float>, _ gradState: UnsafePointer<Float>?, _ y: UnsafePointer<Float>,
  _ h0: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>, _ hard: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  convGRUBackward(
    gradH0: gradH0, gates: gates, gradWeight: gradWeight, gradBias: gradBias, accumulate: accumulate != 0,
    gradY: gradY, gradState: gradState, y: y, h0: h0, packedBackward: packed, shape: shape, hard: hard != 0,
    scratch: scratch)
  return done
}
