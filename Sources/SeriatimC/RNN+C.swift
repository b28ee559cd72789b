// The C ABI of RNN: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import SeriatimKernels

private func shape(_ inputSize: Int, _ hiddenSize: Int, _ rectifies: Int32 = 0) -> RNNShape {
  RNNShape(inputSize: inputSize, hiddenSize: hiddenSize, rectifies: rectifies != 0)
}

@_cdecl("srt_rnn_packed_size")
public func srt_rnn_packed_size(_ inputSize: Int, _ hiddenSize: Int) -> Int {
  shape(inputSize, hiddenSize).packedSize
}

@_cdecl("srt_rnn_packed_backward_size")
public func srt_rnn_packed_backward_size(_ inputSize: Int, _ hiddenSize: Int) -> Int {
  shape(inputSize, hiddenSize).packedBackwardSize
}

@_cdecl("srt_rnn_forward_scratch")
public func srt_rnn_forward_scratch(_ rows: Int) -> Int {
  shape(1, 1).forwardScratchSize(rows: rows)
}

@_cdecl("srt_rnn_backward_scratch")
public func srt_rnn_backward_scratch(_ hiddenSize: Int, _ batch: Int, _ rows: Int) -> Int {
  shape(1, hiddenSize).backwardScratchSize(batch: batch, rows: rows)
}

@_cdecl("srt_rnn_pack")
public func srt_rnn_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>, _ weightHH: UnsafePointer<Float>,
  _ biasIH: UnsafePointer<Float>?, _ biasHH: UnsafePointer<Float>?, _ inputSize: Int, _ hiddenSize: Int
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0 else { return badSize }
  packRNN(packed, shape(inputSize, hiddenSize), weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH)
  return done
}

@_cdecl("srt_rnn_pack_backward")
public func srt_rnn_pack_backward(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>?, _ weightHH: UnsafePointer<Float>,
  _ inputSize: Int, _ hiddenSize: Int
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0 else { return badSize }
  packRNNBackward(packed, shape(inputSize, hiddenSize), weightIH: weightIH, weightHH: weightHH)
  return done
}

@_cdecl("srt_rnn_forward")
public func srt_rnn_forward(
  _ y: UnsafeMutablePointer<Float>, _ outputStride: Int, _ finalState: UnsafeMutablePointer<Float>,
  _ x: UnsafePointer<Float>, _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ initialState: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int, _ rectifies: Int32, _ reverse: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0, steps > 0, outputStride >= hiddenSize else { return badSize }
  rnnForward(
    shape(inputSize, hiddenSize, rectifies), y: y, outputStride: outputStride, finalState: finalState, x: x,
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), initialState: initialState, packed: packed,
    reverse: reverse != 0, scratch: scratch)
  return done
}

@_cdecl("srt_rnn_backward")
public func srt_rnn_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradInitialState: UnsafeMutablePointer<Float>?,
  _ gradWeightIH: UnsafeMutablePointer<Float>, _ gradWeightHH: UnsafeMutablePointer<Float>,
  _ gradBiasIH: UnsafeMutablePointer<Float>?, _ gradBiasHH: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ accumulateX: Int32, _ gradY: UnsafePointer<Float>?, _ gradOutputStride: Int,
  _ gradFinalState: UnsafePointer<Float>?, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ outputStride: Int,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ initialState: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int, _ rectifies: Int32, _ reverse: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard inputSize > 0, hiddenSize > 0, steps > 0, outputStride >= hiddenSize else { return badSize }
  let gradients = RecurrentGradients(
    x: gradX, accumulateX: accumulateX != 0, initialState: gradInitialState, weightIH: gradWeightIH,
    weightHH: gradWeightHH, biasIH: gradBiasIH, biasHH: gradBiasHH, accumulate: accumulate != 0)
  rnnBackward(
    shape(inputSize, hiddenSize, rectifies), gradients, gradY: gradY, gradOutputStride: gradOutputStride,
    gradFinalState: gradFinalState, x: x, y: y, outputStride: outputStride,
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), initialState: initialState, packed: packed,
    reverse: reverse != 0, scratch: scratch)
  return done
}
