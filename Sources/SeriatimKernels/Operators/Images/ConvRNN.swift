// Convolutional recurrence without gates, Metavision's tutorial: h' = activation(x + W * h + b).
//
//   da = dh activation'(h')      dh_before = W^T * da
//
// Kept for backward: the outputs alone.

import SeriatimSystem

/// Floats of the packed hidden weights.
public func convRNNPackedSize(_ shape: ConvRecurrentShape, backward: Bool) -> Int {
  convolutionPackedSize(shape.convolution(gates: 1, images: 1), transposed: backward)
}

/// Packs the hidden weights `(H, H, k, k)`.
public func packConvRNN(
  _ packed: UnsafeMutablePointer<Float>, weight: UnsafePointer<Float>, shape: ConvRecurrentShape, backward: Bool
) {
  packConvolution(
    packed, weight: weight, stride: shape.hidden &* shape.kernel &* shape.kernel,
    shape: shape.convolution(gates: 1, images: 1), transposed: backward)
}

/// Floats of scratch for `convRNNForward`.
public func convRNNForwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  convolutionScratchSize(shape.convolution(gates: 1, images: shape.batch), transposed: false)
}

/// All steps.
///
/// - Parameters:
///   - y: `(T, B, H, pixels)`: the input part; becomes the states
///   - h0: `(B, H, pixels)`, or nil for zeros
///   - packed: from `packConvRNN`
///   - bias: `(H,)` or nil
///   - activation: sigmoid, tanh, relu or identity
///   - scratch: `convRNNForwardScratchSize` floats
public func convRNNForward(
  y: UnsafeMutablePointer<Float>, h0: UnsafePointer<Float>?, packed: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, activation: Activation, shape: ConvRecurrentShape,
  scratch: UnsafeMutablePointer<Float>
) {
  let size = shape.hidden &* shape.pixels
  for step in untilCancelled(0..<shape.steps, work: shape.state) {
    let now = y + step &* shape.state
    if let before = step > 0 ? UnsafePointer(y + (step &- 1) &* shape.state) : h0 {
      convolution(
        y: now, outStride: size, x: before, inStride: size, packed: packed, bias: nil,
        activation: Activation(.identity), accumulate: true,
        shape: shape.convolution(gates: 1, images: shape.batch), transposed: false, scratch: scratch)
    }
    shape.forEachPlane(cost: 10) { batch, channel in
      let plane = now + (batch &* shape.hidden &+ channel) &* shape.pixels
      let shift = broadcast(bias?[channel] ?? 0)
      shape.forEachPixel { pixel, width in
        store(activation.apply(load(plane + pixel, first: width) + shift), plane + pixel, first: width)
      }
    }
  }
}

/// Floats of scratch for `convRNNBackward`.
public func convRNNBackwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  let one = shape.convolution(gates: 1, images: shape.batch)
  let all = shape.convolution(gates: 1, images: shape.batch &* shape.steps)
  return max(convolutionScratchSize(one, transposed: true), convolutionWeightGradientScratchSize(all))
}

/// Back through all steps.
///
/// - Parameters:
///   - gradX: `(T, B, H, pixels)`: the gradients of the input part
///   - gradH0: `(B, H, pixels)`, overwritten
///   - gradWeight: `(H, H, k, k)` or nil; gradBias: `(H,)` or nil. Overwritten, or added to
///   - gradY: `(T, B, H, pixels)`; gradState: `(B, H, pixels)`, that of the last state besides, or nil
///   - y, h0: of the forward call
///   - packedBackward: from `packConvRNN`
///   - scratch: `convRNNBackwardScratchSize` floats
public func convRNNBackward(
  gradX: UnsafeMutablePointer<Float>, gradH0: UnsafeMutablePointer<Float>, gradWeight: UnsafeMutablePointer<Float>?,
  gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool, gradY: UnsafePointer<Float>,
  gradState: UnsafePointer<Float>?, y: UnsafePointer<Float>, h0: UnsafePointer<Float>?,
  packedBackward: UnsafePointer<Float>, activation: Activation, shape: ConvRecurrentShape,
  scratch: UnsafeMutablePointer<Float>
) {
  let size = shape.hidden &* shape.pixels
  copyState(gradH0, gradState, count: shape.state)
  var step = shape.steps &- 1
  while step >= 0, !srt_is_cancelled() {
    let first = step &* shape.state
    shape.forEachPlane(cost: 4) { batch, channel in
      let place = (batch &* shape.hidden &+ channel) &* shape.pixels
      shape.forEachPixel { pixel, width in
        let at = place &+ pixel
        let total = load(gradH0 + at, first: width) + load(gradY + first + at, first: width)
        let value = load(y + first + at, first: width)
        store(activation.applyBackward(total, x: value, y: value), gradX + first + at, first: width)
      }
    }
    if step > 0 || h0 != nil {
      convolution(
        y: gradH0, outStride: size, x: gradX + first, inStride: size, packed: packedBackward, bias: nil,
        activation: Activation(.identity), accumulate: false,
        shape: shape.convolution(gates: 1, images: shape.batch), transposed: true, scratch: scratch)
    }
    step &-= 1
  }
  if let gradWeight {
    hiddenWeightGradient(
      gradWeight, accumulate: accumulate, gradX, stride: size, gates: 1, initial: h0, states: y, shape: shape,
      scratch: scratch)
  }
  if let gradBias { gateBiasGradient(gradBias, accumulate: accumulate, gradX, channels: shape.hidden, shape: shape) }
}
