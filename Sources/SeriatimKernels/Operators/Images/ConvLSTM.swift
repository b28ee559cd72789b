// Convolutional LSTM (Shi et al. 2015 without peepholes, as in Metavision):
//
//   i, f, o = gate(x + W * h + b)      g = candidate(x_g + W_g * h + b_g)
//   c' = f c + i g                     h' = o candidate(c')
//
// Gate order i, f, o, g, Metavision's. Backward, from dh and dc of a step's state:
//
//   do = dh s gate'(o)     s = candidate(c')     dc += dh o candidate'(s)
//   di = dc g gate'(i)     df = dc c gate'(f)    dg = dc i candidate'(g)
//   dc_before = dc f       dh_before = W^T * [di; df; do; dg]
//
// Per pixel and step 4 H^2 k^2 multiply-adds forward and as many each for the states' and the weights' gradients; kept
// for backward: 4 H floats of gates, H of cells and the H of the output.

import SeriatimSystem

/// Floats of the packed hidden weights.
public func convLSTMPackedSize(_ shape: ConvRecurrentShape, backward: Bool) -> Int {
  convolutionPackedSize(shape.convolution(gates: 4, images: 1), transposed: backward)
}

/// Packs the hidden weights `(4 H, H, k, k)`, rows i, f, o, g.
public func packConvLSTM(
  _ packed: UnsafeMutablePointer<Float>, weight: UnsafePointer<Float>, shape: ConvRecurrentShape, backward: Bool
) {
  packConvolution(
    packed, weight: weight, stride: shape.hidden &* shape.kernel &* shape.kernel,
    shape: shape.convolution(gates: 4, images: 1), transposed: backward)
}

/// Floats of scratch for `convLSTMForward`.
public func convLSTMForwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  convolutionScratchSize(shape.convolution(gates: 4, images: shape.batch), transposed: false)
}

/// All steps.
///
/// - Parameters:
///   - y, cells: `(T, B, H, pixels)`: the states
///   - gates: `(T, B, 4 H, pixels)`: the input part; becomes i, f, o, g
///   - h0, c0: `(B, H, pixels)`, or nil for zeros
///   - packed: from `packConvLSTM`
///   - bias: `(4 H,)` or nil
///   - scratch: `convLSTMForwardScratchSize` floats
public func convLSTMForward(
  y: UnsafeMutablePointer<Float>, cells: UnsafeMutablePointer<Float>, gates: UnsafeMutablePointer<Float>,
  h0: UnsafePointer<Float>?, c0: UnsafePointer<Float>?, packed: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
  shape: ConvRecurrentShape, hard: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let functions = GateFunctions(hard: hard)
  let (hidden, pixels) = (shape.hidden, shape.pixels)
  let image = 4 &* hidden &* pixels
  for step in untilCancelled(0..<shape.steps, work: shape.state) {
    let now = gates + step &* shape.batch &* image
    if let before = step > 0 ? UnsafePointer(y + (step &- 1) &* shape.state) : h0 {
      convolution(
        y: now, outStride: image, x: before, inStride: hidden &* pixels, packed: packed, bias: nil,
        activation: Activation(.identity), accumulate: true,
        shape: shape.convolution(gates: 4, images: shape.batch), transposed: false, scratch: scratch)
    }
    let cellsBefore = step > 0 ? UnsafePointer(cells + (step &- 1) &* shape.state) : c0
    let (after, cellsAfter) = (y + step &* shape.state, cells + step &* shape.state)
    shape.forEachPlane(cost: 40) { batch, channel in
      let gate = now + batch &* image + channel &* pixels
      let part = hidden &* pixels
      let place = (batch &* hidden &+ channel) &* pixels
      let shiftI = broadcast(bias?[channel] ?? 0)
      let shiftF = broadcast(bias?[hidden &+ channel] ?? 0)
      let shiftO = broadcast(bias?[2 &* hidden &+ channel] ?? 0)
      let shiftG = broadcast(bias?[3 &* hidden &+ channel] ?? 0)
      shape.forEachPixel { pixel, width in
        let here = gate + pixel
        let i = functions.gate(load(here, first: width) + shiftI)
        let f = functions.gate(load(here + part, first: width) + shiftF)
        let o = functions.gate(load(here + 2 &* part, first: width) + shiftO)
        let g = functions.candidate(load(here + 3 &* part, first: width) + shiftG)
        store(i, here, first: width)
        store(f, here + part, first: width)
        store(o, here + 2 &* part, first: width)
        store(g, here + 3 &* part, first: width)
        let old = cellsBefore.map { load($0 + place + pixel, first: width) } ?? broadcast(0)
        let cell = multiplyAdd(i * g, f, old)
        store(cell, cellsAfter + place + pixel, first: width)
        store(o * functions.candidate(cell), after + place + pixel, first: width)
      }
    }
  }
}

/// Floats of scratch for `convLSTMBackward`.
public func convLSTMBackwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  let one = shape.convolution(gates: 4, images: shape.batch)
  let all = shape.convolution(gates: 4, images: shape.batch &* shape.steps)
  return max(convolutionScratchSize(one, transposed: true), convolutionWeightGradientScratchSize(all))
}

/// Back through all steps.
///
/// - Parameters:
///   - gradH0, gradC0: `(B, H, pixels)`, overwritten
///   - gates: of the forward call; become the gradients of the input part
///   - gradWeight: `(4 H, H, k, k)` or nil; gradBias: `(4 H,)` or nil. Overwritten, or added to
///   - gradY: `(T, B, H, pixels)`; gradH, gradC: `(B, H, pixels)`, those of the last states besides, or nil
///   - y, cells, h0, c0: of the forward call
///   - packedBackward: from `packConvLSTM`
///   - scratch: `convLSTMBackwardScratchSize` floats
public func convLSTMBackward(
  gradH0: UnsafeMutablePointer<Float>, gradC0: UnsafeMutablePointer<Float>, gates: UnsafeMutablePointer<Float>,
  gradWeight: UnsafeMutablePointer<Float>?, gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool,
  gradY: UnsafePointer<Float>, gradH: UnsafePointer<Float>?, gradC: UnsafePointer<Float>?, y: UnsafePointer<Float>,
  cells: UnsafePointer<Float>, h0: UnsafePointer<Float>?, c0: UnsafePointer<Float>?,
  packedBackward: UnsafePointer<Float>, shape: ConvRecurrentShape, hard: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let functions = GateFunctions(hard: hard)
  let (hidden, pixels) = (shape.hidden, shape.pixels)
  let image = 4 &* hidden &* pixels
  copyState(gradH0, gradH, count: shape.state)
  copyState(gradC0, gradC, count: shape.state)
  var step = shape.steps &- 1
  while step >= 0, !srt_is_cancelled() {
    let now = gates + step &* shape.batch &* image
    let cellsBefore = step > 0 ? cells + (step &- 1) &* shape.state : c0
    let (cellsNow, gradNow) = (cells + step &* shape.state, gradY + step &* shape.state)
    shape.forEachPlane(cost: 24) { batch, channel in
      let gate = now + batch &* image + channel &* pixels
      let part = hidden &* pixels
      let place = (batch &* hidden &+ channel) &* pixels
      shape.forEachPixel { pixel, width in
        let (here, at) = (gate + pixel, place &+ pixel)
        let (i, f) = (load(here, first: width), load(here + part, first: width))
        let (o, g) = (load(here + 2 &* part, first: width), load(here + 3 &* part, first: width))
        let old = cellsBefore.map { load($0 + at, first: width) } ?? broadcast(0)
        let shown = functions.candidate(load(cellsNow + at, first: width))
        let dh = load(gradH0 + at, first: width) + load(gradNow + at, first: width)
        let dc = multiplyAdd(load(gradC0 + at, first: width), dh * o, functions.candidateSlope(shown))
        store(dc * g * functions.gateSlope(i), here, first: width)
        store(dc * old * functions.gateSlope(f), here + part, first: width)
        store(dh * shown * functions.gateSlope(o), here + 2 &* part, first: width)
        store(dc * i * functions.candidateSlope(g), here + 3 &* part, first: width)
        store(dc * f, gradC0 + at, first: width)
      }
    }
    if step > 0 || h0 != nil {
      convolution(
        y: gradH0, outStride: hidden &* pixels, x: now, inStride: image, packed: packedBackward, bias: nil,
        activation: Activation(.identity), accumulate: false,
        shape: shape.convolution(gates: 4, images: shape.batch), transposed: true, scratch: scratch)
    }
    step &-= 1
  }
  if let gradWeight {
    hiddenWeightGradient(
      gradWeight, accumulate: accumulate, gates, stride: image, gates: 4, initial: h0, states: y, shape: shape,
      scratch: scratch)
  }
  if let gradBias {
    gateBiasGradient(gradBias, accumulate: accumulate, gates, channels: 4 &* hidden, shape: shape)
  }
}
