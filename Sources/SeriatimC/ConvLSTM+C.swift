// The C ABI of the convolutional LSTM: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_conv_lstm_packed_size") @implementation
public func srt_conv_lstm_packed_size(_ sizes: UnsafePointer<Int>, _ backward: Int32) -> Int {
  convLSTMPackedSize(ConvRecurrentShape(sizes), backward: backward != 0)
}

@_cdecl("srt_conv_lstm_forward_scratch") @implementation
public func srt_conv_lstm_forward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convLSTMForwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_lstm_backward_scratch") @implementation
public func srt_conv_lstm_backward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convLSTMBackwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_lstm_pack") @implementation
public func srt_conv_lstm_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ backward: Int32
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  packConvLSTM(packed, weight: weight, shape: shape, backward: backward != 0)
  return done
}

@_cdecl("srt_conv_lstm_forward") @implementation
public func srt_conv_lstm_forward(
  _ y: UnsafeMutablePointer<Float>, _ cells: UnsafeMutablePointer<Float>, _ gates: UnsafeMutablePointer<Float>,
  _ h0: UnsafePointer<Float>?, _ c0: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ sizes: UnsafePointer<Int>, _ hard: Int32, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  convLSTMForward(
    y: y, cells: cells, gates: gates, h0: h0, c0: c0, packed: packed, bias: bias, shape: shape, hard: hard != 0,
    scratch: scratch)
  return done
}

@_cdecl("srt_conv_lstm_backward") @implementation
public func srt_conv_lstm_backward(
  _ gradH0: UnsafeMutablePointer<Float>, _ gradC0: UnsafeMutablePointer<Float>,
  _ gates: UnsafeMutablePointer<Float>, _ gradWeight: UnsafeMutablePointer<Float>?,
  _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32, _ gradY: UnsafePointer<Float>,
  _ gradH: UnsafePointer<Float>?, _ gradC: UnsafePointer<Float>?, _ y: UnsafePointer<Float>,
  _ cells: UnsafePointer<Float>, _ h0: UnsafePointer<Float>?, _ c0: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>, _ hard: Int32, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  convLSTMBackward(
    gradH0: gradH0, gradC0: gradC0, gates: gates, gradWeight: gradWeight, gradBias: gradBias,
    accumulate: accumulate != 0, gradY: gradY, gradH: gradH, gradC: gradC, y: y, cells: cells, h0: h0, c0: c0,
    packedBackward: packed, shape: shape, hard: hard != 0, scratch: scratch)
  return done
}
