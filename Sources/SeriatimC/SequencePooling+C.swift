// The C ABI of pooling over time: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_sequence_pool_forward") @implementation
public func srt_sequence_pool_forward(
  _ mean: UnsafeMutablePointer<Float>?, _ greatest: UnsafeMutablePointer<Float>?,
  _ positive: UnsafeMutablePointer<Float>?, _ stride: Int, _ h: UnsafePointer<Float>,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ size: Int
) -> Int32 {
  guard steps > 0, size > 0, stride >= size else { return badSize }
  sequencePoolForward(
    mean: mean, greatest: greatest, positive: positive, stride: stride, h: h,
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), size: size)
  return done
}

@_cdecl("srt_sequence_pool_backward") @implementation
public func srt_sequence_pool_backward(
  _ gradH: UnsafeMutablePointer<Float>, _ gradMean: UnsafePointer<Float>?, _ gradGreatest: UnsafePointer<Float>?,
  _ greatest: UnsafePointer<Float>?, _ stride: Int, _ h: UnsafePointer<Float>, _ batchSizes: UnsafePointer<Int64>,
  _ steps: Int, _ size: Int, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard steps > 0, size > 0, stride >= size else { return badSize }
  guard (greatest == nil) == (gradGreatest == nil) else { return missingPointer }
  sequencePoolBackward(
    gradH: gradH, gradMean: gradMean, gradGreatest: gradGreatest, greatest: greatest, stride: stride, h: h,
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), size: size, scratch: scratch)
  return done
}
