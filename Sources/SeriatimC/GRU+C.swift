// The C ABI of GRU: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import SeriatimKernels

private func shape(_ inputSize: Int, _ hiddenSize: Int, _ resetAfter: Int32) -> GRUShape {
  GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, resetAfter: resetAfter != 0)
}

@_cdecl("srt_gru_packed_size")
public func srt_gru_packed_size(_ inputSize: Int, _ hiddenSize: Int) -> Int {
  shape(inputSize, hiddenSize, 1).packedSize
}

@_cdecl("srt_gru_packed_backward_size")
public func srt_gru_packed_backward_size(_ inputSize: Int, _ hiddenSize: Int) -> Int {
  shape(inputSize, hiddenSize, 1).packedBackwardSize
}

@_cdecl("srt_gru_cache_stride")
public func srt_gru_cache_stride(_ hiddenSize: Int) -> Int { shape(1, hiddenSize, 1).gateStride }

@_cdecl("srt_gru_forward_scratch")
public func srt_gru_forward_scratch(
  _ hiddenSize: Int, _ batch: Int, _ rows: Int, _ steps: Int, _ training: Int32
) -> Int {
  shape(1, hiddenSize, 1).forwardScratchSize(batch: batch, rows: rows, steps: steps, training: training != 0)
}

@_cdecl("srt_gru_backward_scratch")
public func srt_gru_backward_scratch(_ hiddenSize: Int, _ batch: Int, _ rows: Int) -> Int {
  shape(1, hiddenSize, 1).backwardScratchSize(batch: batch, rows: rows)
}

@_cdecl("srt_gru_pack")
public func srt_gru_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>, _ weightHH: UnsafePointer<Float>,
  _ biasIH: UnsafePointer<Float>?, _ biasHH: UnsafePointer<Float>?, _ inputSize: Int, _ hiddenSize: Int,
  _ resetAfter: Int32
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0 else { return badSize }
  packGRU(
    packed, shape(inputSize, hiddenSize, resetAfter), weightIH: weightIH, weightHH: weightHH, biasIH: biasIH,
    biasHH: biasHH)
  return done
}

@_cdecl("srt_gru_pack_backward")
public func srt_gru_pack_backward(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>?, _ weightHH: UnsafePointer<Float>,
  _ inputSize: Int, _ hiddenSize: Int, _ resetAfter: Int32
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0 else { return badSize }
  packGRUBackward(packed, shape(inputSize, hiddenSize, resetAfter), weightIH: weightIH, weightHH: weightHH)
  return done
}

@_cdecl("srt_gru_forward")
public func srt_gru_forward(
  _ y: UnsafeMutablePointer<Float>, _ outputStride: Int, _ finalState: UnsafeMutablePointer<Float>,
  _ cache: UnsafeMutablePointer<Float>?, _ x: UnsafePointer<Float>, _ batchSizes: UnsafePointer<Int64>, _ steps: Int,
  _ initialState: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int,
  _ resetAfter: Int32, _ reverse: Int32, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0, steps > 0, outputStride >= hiddenSize else { return badSize }
  gruForward(
    shape(inputSize, hiddenSize, resetAfter), y: y, outputStride: outputStride, finalState: finalState, cache: cache,
    x: x, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), initialState: initialState, packed: packed,
    reverse: reverse != 0, scratch: scratch)
  return done
}

@_cdecl("srt_gru_backward")
public func srt_gru_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradInitialState: UnsafeMutablePointer<Float>?,
  _ gradWeightIH: UnsafeMutablePointer<Float>, _ gradWeightHH: UnsafeMutablePointer<Float>,
  _ gradBiasIH: UnsafeMutablePointer<Float>?, _ gradBiasHH: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ accumulateX: Int32, _ gradY: UnsafePointer<Float>?, _ gradOutputStride: Int,
  _ gradFinalState: UnsafePointer<Float>?,
  _ cache: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ outputStride: Int,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ initialState: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int, _ resetAfter: Int32, _ reverse: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0, steps > 0, outputStride >= hiddenSize else { return badSize }
  gruBackward(
    shape(inputSize, hiddenSize, resetAfter),
    RecurrentGradients(
      x: gradX, accumulateX: accumulateX != 0, initialState: gradInitialState, weightIH: gradWeightIH,
      weightHH: gradWeightHH, biasIH: gradBiasIH,
      biasHH: gradBiasHH, accumulate: accumulate != 0),
    gradY: gradY, gradOutputStride: gradOutputStride, gradFinalState: gradFinalState, cache: cache, x: x, y: y,
    outputStride: outputStride, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), initialState: initialState,
    packed: packed, reverse: reverse != 0, scratch: scratch)
  return done
}
