// The C ABI of LSTM: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import SeriatimKernels

private func shape(_ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int) -> LSTMShape {
  LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize, projectionSize: projectionSize)
}

private func isValid(_ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int) -> Bool {
  inputSize > 0 && hiddenSize > 0 && projectionSize >= 0 && projectionSize < hiddenSize
}

@_cdecl("srt_lstm_packed_size")
public func srt_lstm_packed_size(_ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int) -> Int {
  shape(inputSize, hiddenSize, projectionSize).packedSize
}

@_cdecl("srt_lstm_packed_backward_size")
public func srt_lstm_packed_backward_size(_ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int) -> Int {
  shape(inputSize, hiddenSize, projectionSize).packedBackwardSize
}

@_cdecl("srt_lstm_cache_stride")
public func srt_lstm_cache_stride(_ hiddenSize: Int, _ projectionSize: Int) -> Int {
  shape(1, hiddenSize, projectionSize).gateStride
}

@_cdecl("srt_lstm_forward_scratch")
public func srt_lstm_forward_scratch(
  _ hiddenSize: Int, _ projectionSize: Int, _ batch: Int, _ rows: Int, _ steps: Int, _ training: Int32
) -> Int {
  shape(1, hiddenSize, projectionSize).forwardScratchSize(
    batch: batch, rows: rows, steps: steps, training: training != 0)
}

@_cdecl("srt_lstm_backward_scratch")
public func srt_lstm_backward_scratch(_ hiddenSize: Int, _ projectionSize: Int, _ batch: Int, _ rows: Int) -> Int {
  shape(1, hiddenSize, projectionSize).backwardScratchSize(batch: batch, rows: rows)
}

@_cdecl("srt_lstm_pack")
public func srt_lstm_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>, _ weightHH: UnsafePointer<Float>,
  _ biasIH: UnsafePointer<Float>?, _ biasHH: UnsafePointer<Float>?, _ weightHR: UnsafePointer<Float>?, _ inputSize: Int,
  _ hiddenSize: Int, _ projectionSize: Int
) -> Int32 {
  guard isValid(inputSize, hiddenSize, projectionSize) else { return badSize }
  packLSTM(
    packed, shape(inputSize, hiddenSize, projectionSize), weightIH: weightIH, weightHH: weightHH, biasIH: biasIH,
    biasHH: biasHH, weightHR: weightHR)
  return done
}

@_cdecl("srt_lstm_pack_backward")
public func srt_lstm_pack_backward(
  _ packed: UnsafeMutablePointer<Float>, _ weightIH: UnsafePointer<Float>?, _ weightHH: UnsafePointer<Float>,
  _ weightHR: UnsafePointer<Float>?, _ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int
) -> Int32 {
  guard isValid(inputSize, hiddenSize, projectionSize) else { return badSize }
  packLSTMBackward(
    packed, shape(inputSize, hiddenSize, projectionSize), weightIH: weightIH, weightHH: weightHH, weightHR: weightHR)
  return done
}

@_cdecl("srt_lstm_forward")
public func srt_lstm_forward(
  _ y: UnsafeMutablePointer<Float>, _ outputStride: Int, _ finalState: UnsafeMutablePointer<Float>,
  _ finalCell: UnsafeMutablePointer<Float>, _ cache: UnsafeMutablePointer<Float>?, _ x: UnsafePointer<Float>,
  _ batchSizes: UnsafePointer<Int64>, _ steps: Int, _ initialState: UnsafePointer<Float>?,
  _ initialCell: UnsafePointer<Float>?, _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int,
  _ projectionSize: Int, _ reverse: Int32, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard isValid(inputSize, hiddenSize, projectionSize), steps > 0,
    outputStride >= shape(inputSize, hiddenSize, projectionSize).stateSize
  else { return badSize }
  lstmForward(
    shape(inputSize, hiddenSize, projectionSize), y: y, outputStride: outputStride, finalState: finalState,
    finalCell: finalCell, cache: cache, x: x, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps),
    initialState: initialState, initialCell: initialCell, packed: packed, reverse: reverse != 0, scratch: scratch)
  return done
}

@_cdecl("srt_lstm_backward")
public func srt_lstm_backward(
  _ gradX: UnsafeMutablePointer<Float>?, _ gradInitialState: UnsafeMutablePointer<Float>?,
  _ gradInitialCell: UnsafeMutablePointer<Float>?, _ gradWeightIH: UnsafeMutablePointer<Float>,
  _ gradWeightHH: UnsafeMutablePointer<Float>, _ gradBiasIH: UnsafeMutablePointer<Float>?,
  _ gradBiasHH: UnsafeMutablePointer<Float>?, _ gradWeightHR: UnsafeMutablePointer<Float>?, _ accumulate: Int32,
  _ accumulateX: Int32, _ gradY: UnsafePointer<Float>?, _ gradOutputStride: Int,
  _ gradFinalState: UnsafePointer<Float>?, _ gradFinalCell: UnsafePointer<Float>?, _ cache: UnsafeMutablePointer<Float>,
  _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ outputStride: Int, _ batchSizes: UnsafePointer<Int64>,
  _ steps: Int, _ initialState: UnsafePointer<Float>?, _ initialCell: UnsafePointer<Float>?,
  _ packed: UnsafePointer<Float>, _ inputSize: Int, _ hiddenSize: Int, _ projectionSize: Int, _ reverse: Int32,
  _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard isValid(inputSize, hiddenSize, projectionSize), steps > 0,
    outputStride >= shape(inputSize, hiddenSize, projectionSize).stateSize
  else { return badSize }
  let gradients = RecurrentGradients(
    x: gradX, accumulateX: accumulateX != 0, initialState: gradInitialState, weightIH: gradWeightIH,
    weightHH: gradWeightHH, biasIH: gradBiasIH, biasHH: gradBiasHH, accumulate: accumulate != 0)
  lstmBackward(
    shape(inputSize, hiddenSize, projectionSize),
    LSTMGradients(gradients, initialCell: gradInitialCell, weightHR: gradWeightHR), gradY: gradY,
    gradOutputStride: gradOutputStride, gradFinalState: gradFinalState, gradFinalCell: gradFinalCell, cache: cache,
    x: x, y: y, outputStride: outputStride, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps),
    initialState: initialState, initialCell: initialCell, packed: packed, reverse: reverse != 0, scratch: scratch)
  return done
}
