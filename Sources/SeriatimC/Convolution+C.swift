// The C ABI of convolution: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_convolution_packed_size") @implementation
public func srt_convolution_packed_size(_ sizes: UnsafePointer<Int>, _ transposed: Int32) -> Int {
  convolutionPackedSize(ConvolutionShape(sizes), transposed: transposed != 0)
}

@_cdecl("srt_convolution_scratch") @implementation
public func srt_convolution_scratch(_ sizes: UnsafePointer<Int>, _ transposed: Int32) -> Int {
  convolutionScratchSize(ConvolutionShape(sizes), transposed: transposed != 0)
}

@_cdecl("srt_convolution_gradient_scratch") @implementation
public func srt_convolution_gradient_scratch(_ sizes: UnsafePointer<Int>) -> Int {
  convolutionWeightGradientScratchSize(ConvolutionShape(sizes))
}

@_cdecl("srt_convolution_pack") @implementation
public func srt_convolution_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ transposed: Int32
) -> Int32 {
  let shape = ConvolutionShape(sizes)
  guard shape.hasSoundWeights else { return badSize }
  packConvolution(
    packed, weight: weight, stride: shape.kernelSize, shape: shape, transposed: transposed != 0)
  return done
}

@_cdecl("srt_convolution_forward") @implementation
public func srt_convolution_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ packed: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ sizes: UnsafePointer<Int>, _ activation: Int32, _ slope: Float,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvolutionShape(sizes)
  guard shape.isSound, let kind = Activation.Kind(rawValue: activation) else { return badSize }
  convolution(
    y: y, outStride: shape.outImage, x: x, inStride: shape.inImage, packed: packed, bias: bias,
    activation: Activation(kind, slope: slope), accumulate: false, shape: shape, transposed: false, scratch: scratch)
  return done
}

@_cdecl("srt_convolution_input_gradient") @implementation
public func srt_convolution_input_gradient(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ packed: UnsafePointer<Float>,
  _ sizes: UnsafePointer<Int>, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvolutionShape(sizes)
  guard shape.isSound else { return badSize }
  convolution(
    y: gradX, outStride: shape.inImage, x: gradY, inStride: shape.outImage, packed: packed, bias: nil,
    activation: Activation(.identity), accumulate: false, shape: shape, transposed: true, scratch: scratch)
  return done
}

@_cdecl("srt_convolution_weight_gradient") @implementation
public func srt_convolution_weight_gradient(
  _ gradWeight: UnsafeMutablePointer<Float>?, _ gradBias: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ gradY: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  let shape = ConvolutionShape(sizes)
  guard shape.isSound else { return badSize }
  convolutionWeightGradient(
    gradWeight: gradWeight, weightStride: shape.kernelSize, gradBias: gradBias, accumulate: accumulate != 0,
    gradY: gradY, outStride: shape.outImage, x: x, inStride: shape.inImage, shape: shape, scratch: scratch)
  return done
}
