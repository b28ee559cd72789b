// The C ABI of attention: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_attention_forward") @implementation
public func srt_attention_forward(
  _ context: UnsafeMutablePointer<Float>, _ weights: UnsafeMutablePointer<Float>, _ query: UnsafePointer<Float>,
  _ h: UnsafePointer<Float>,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ size: Int
) -> Int32 {
  guard steps > 0, size > 0 else { return badSize }
  attentionForward(
    context: context, weights: weights, query: query, h: h, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps),
    size: size)
  return done
}

@_cdecl("srt_attention_backward") @implementation
public func srt_attention_backward(
  _ gradQuery: UnsafeMutablePointer<Float>, _ gradH: UnsafeMutablePointer<Float>, _ gradContext: UnsafePointer<Float>,
  _ query: UnsafePointer<Float>, _ h: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ size: Int, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard steps > 0, size > 0 else { return badSize }
  attentionBackward(
    gradQuery: gradQuery, gradH: gradH, gradContext: gradContext, query: query, h: h, weights: weights,
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), size: size, scratch: scratch)
  return done
}
