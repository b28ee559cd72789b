// The C ABI of the convolutional recurrence without gates: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_conv_rnn_packed_size") @implementation
public func srt_conv_rnn_packed_size(_ sizes: UnsafePointer<Int>, _ backward: Int32) -> Int {
  convRNNPackedSize(ConvRecurrentShape(sizes), backward: backward != 0)
}

@_cdecl("srt_conv_rnn_forward_scratch") @implementation
public func srt_conv_rnn_forward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convRNNForwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_rnn_backward_scratch") @implementation
public func srt_conv_rnn_backward_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convRNNBackwardScratchSize(ConvRecurrentShape(sizes))
}

@_cdecl("srt_conv_rnn_pack") @implementation
public func srt_conv_rnn_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ backward: Int32
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound else { return badSize }
  packConvRNN(packed, weight: weight, shape: shape, backward: backward != 0)
  return done
}

@_cdecl("srt_conv_rnn_forward") @implementation
public func srt_conv_rnn_forward(
  _ y: UnsafeMutablePointer<Float>, _ h0: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ sizes: UnsafePointer<Int>, _ activation: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound, let kind = Activation.Kind(rawValue: activation) else { return badSize }
  convRNNForward(
    y: y, h0: h0, packed: packed, bias: bias, activation: Activation(kind), shape: shape, scratch: scratch)
  return done
}

@_cdecl("srt_conv_rnn_backward") @implementation
public func srt_conv_rnn_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradH0: UnsafeMutablePointer<Float>,
  _ gradWeight: UnsafeMutablePointer<Float>?, _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ gradY: UnsafePointer<Float>, _ gradState: UnsafePointer<Float>?, _ y: UnsafePointer<Float>,
  _ h0: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>, _ activation: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvRecurrentShape(sizes)
  guard shape.isSound, let kind = Activation.Kind(rawValue: activation) else { return badSize }
  convRNNBackward(
    gradX: gradX, gradH0: gradH0, gradWeight: gradWeight, gradBias: gradBias, accumulate: accumulate != 0,
    gradY: gradY, gradState: gradState, y: y, h0: h0, packedBackward: packed, activation: Activation(kind),
    shape: shape, scratch: scratch)
  return done
}
