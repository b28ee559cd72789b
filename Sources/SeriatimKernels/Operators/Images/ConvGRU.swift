// Convolutional GRU (Ballas et al. 2016, as in pytorch_convgru and Metavision): reset before the convolution, and z
// weighs the new candidate.
//
//   r = gate(x_r + W_r * h + b_r)          z = gate(x_z + W_z * h + b_z)
//   n = candidate(x_n + W_n * (r h) + b_n)
//   h' = (1 - z) h + z n
//
// Gate order r, z, n everywhere. Backward, from dh of a step's state:
//
//   dz = dh (n - h) gate'(z)      dn = dh z candidate'(n)      d(rh) = W_n^T * dn
//   dr = d(rh) h gate'(r)         dh_before = dh (1 - z) + d(rh) r + [W_r; W_z]^T * [dr; dz]
//
// Per pixel and step 3 H^2 k^2 multiply-adds forward and as many each for the states' and the weights' gradients; kept
// for backward: 3 H floats of gates and the H of the output.

import SeriatimSystem

/// Floats of the packed hidden weights: those of r and z, then those of n.
public func convGRUPackedSize(_ shape: ConvRecurrentShape, backward: Bool) -> Int {
  convolutionPackedSize(shape.convolution(gates: 2, images: 1), transposed: backward)
    &+ convolutionPackedSize(shape.convolution(gates: 1, images: 1), transposed: backward)
}

/// Packs the hidden weights.
///
/// - Parameters:
///   - packed: `convGRUPackedSize` floats
///   - weight: `(3 H, H, k, k)`, rows r, z, n
public func packConvGRU(
  _ packed: UnsafeMutablePointer<Float>, weight: UnsafePointer<Float>, shape: ConvRecurrentShape, backward: Bool
) {
  let stride = shape.hidden &* shape.kernel &* shape.kernel
  let both = shape.convolution(gates: 2, images: 1)
  packConvolution(packed, weight: weight, stride: stride, shape: both, transposed: backward)
  packConvolution(
    packed + convolutionPackedSize(both, transposed: backward), weight: weight + 2 &* shape.hidden &* stride,
    stride: stride, shape: shape.convolution(gates: 1, images: 1), transposed: backward)
}

/// Floats of scratch for `convGRUForward`.
public func convGRUForwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  shape.state &+ convolutionScratchSize(shape.convolution(gates: 2, images: shape.batch), transposed: false)
    &+ convolutionScratchSize(shape.convolution(gates: 1, images: shape.batch), transposed: false)
}

/// All steps.
///
/// - Parameters:
///   - y: `(T, B, H, pixels)`: the states
///   - gates: `(T, B, 3 H, pixels)`: the input part; becomes r, z, n
///   - h0: `(B, H, pixels)`, or nil for zeros
///   - packed: from `packConvGRU`
///   - bias: `(3 H,)` or nil
///   - scratch: `convGRUForwardScratchSize` floats
public func convGRUForward(
  y: UnsafeMutablePointer<Float>, gates: UnsafeMutablePointer<Float>, h0: UnsafePointer<Float>?,
  packed: UnsafePointer<Float>, bias: UnsafePointer<Float>?, shape: ConvRecurrentShape, hard: Bool,
  scratch: UnsafeMutablePointer<Float>
) {
  let functions = GateFunctions(hard: hard)
  let (hidden, pixels) = (shape.hidden, shape.pixels)
  let image = 3 &* hidden &* pixels
  let both = shape.convolution(gates: 2, images: shape.batch)
  let one = shape.convolution(gates: 1, images: shape.batch)
  let packedCandidate = packed + convolutionPackedSize(both, transposed: false)
  let resetState = scratch
  let convolutionScratch = scratch + shape.state
  for step in untilCancelled(0..<shape.steps, work: shape.state) {
    let now = gates + step &* shape.batch &* image
    let before = step > 0 ? UnsafePointer(y + (step &- 1) &* shape.state) : h0
    if let before {
      convolution(
        y: now, outStride: image, x: before, inStride: hidden &* pixels, packed: packed, bias: nil,
        activation: Activation(.identity), accumulate: true, shape: both, transposed: false,
        scratch: convolutionScratch)
    }
    shape.forEachPlane(cost: 16) { batch, channel in
      let r = now + batch &* image + channel &* pixels
      let z = r + hidden &* pixels
      let place = (batch &* hidden &+ channel) &* pixels
      let (shiftR, shiftZ) = (broadcast(bias?[channel] ?? 0), broadcast(bias?[hidden &+ channel] ?? 0))
      shape.forEachPixel { pixel, width in
        let reset = functions.gate(load(r + pixel, first: width) + shiftR)
        store(reset, r + pixel, first: width)
        store(functions.gate(load(z + pixel, first: width) + shiftZ), z + pixel, first: width)
        if let before {
          store(reset * load(before + place + pixel, first: width), resetState + place + pixel, first: width)
        }
      }
    }
    if before != nil {
      convolution(
        y: now + 2 &* hidden &* pixels, outStride: image, x: resetState, inStride: hidden &* pixels,
        packed: packedCandidate, bias: nil, activation: Activation(.identity), accumulate: true, shape: one,
        transposed: false, scratch: convolutionScratch)
    }
    let after = y + step &* shape.state
    shape.forEachPlane(cost: 12) { batch, channel in
      let z = now + batch &* image + (hidden &+ channel) &* pixels
      let n = z + hidden &* pixels
      let place = (batch &* hidden &+ channel) &* pixels
      let shift = broadcast(bias?[2 &* hidden &+ channel] ?? 0)
      shape.forEachPixel { pixel, width in
        let candidate = functions.candidate(load(n + pixel, first: width) + shift)
        store(candidate, n + pixel, first: width)
        let update = load(z + pixel, first: width)
        if let before {
          let old = load(before + place + pixel, first: width)
          store(multiplyAdd(old, update, candidate - old), after + place + pixel, first: width)
        } else {
          store(update * candidate, after + place + pixel, first: width)
        }
      }
    }
  }
}

/// Floats of scratch for `convGRUBackward`.
public func convGRUBackwardScratchSize(_ shape: ConvRecurrentShape) -> Int {
  let both = shape.convolution(gates: 2, images: shape.batch)
  let one = shape.convolution(gates: 1, images: shape.batch)
  let loop = max(convolutionScratchSize(both, transposed: true), convolutionScratchSize(one, transposed: true))
  // One gate's gradient may take more images at a time than two gates', and so need more.
  let images = shape.batch &* shape.steps
  let gradients = max(
    convolutionWeightGradientScratchSize(shape.convolution(gates: 1, images: images)),
    convolutionWeightGradientScratchSize(shape.convolution(gates: 2, images: images)))
  return shape.state &* (shape.steps &+ 2) &+ max(loop, gradients)
}

/// Back through all steps.
///
/// - Parameters:
///   - gradH0: `(B, H, pixels)`, overwritten
///   - gates: of the forward call; become the gradients of the input part
///   - gradWeight: `(3 H, H, k, k)` or nil; gradBias: `(3 H,)` or nil. Overwritten, or added to
///   - gradY: `(T, B, H, pixels)`; gradState: `(B, H, pixels)`, the gradient of the last state besides, or nil
///   - y, h0: of the forward call
///   - packedBackward: from `packConvGRU`
///   - scratch: `convGRUBackwardScratchSize` floats
public func convGRUBackward(
  gradH0: UnsafeMutablePointer<Float>, gates: UnsafeMutablePointer<Float>, gradWeight: UnsafeMutablePointer<Float>?,
  gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool, gradY: UnsafePointer<Float>,
  gradState: UnsafePointer<Float>?, y: UnsafePointer<Float>, h0: UnsafePointer<Float>?,
  packedBackward: UnsafePointer<Float>, shape: ConvRecurrentShape, hard: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let functions = GateFunctions(hard: hard)
  let (hidden, pixels) = (shape.hidden, shape.pixels)
  let image = 3 &* hidden &* pixels
  let both = shape.convolution(gates: 2, images: shape.batch)
  let one = shape.convolution(gates: 1, images: shape.batch)
  let packedCandidate = packedBackward + convolutionPackedSize(both, transposed: true)
  let resetStates = scratch
  let gradReset = scratch + shape.steps &* shape.state
  let convolutionScratch = gradReset + 2 &* shape.state
  let grad = gradH0
  copyState(grad, gradState, count: shape.state)
  var step = shape.steps &- 1
  while step >= 0, !srt_is_cancelled() {
    let now = gates + step &* shape.batch &* image
    let before = step > 0 ? y + (step &- 1) &* shape.state : h0
    let gradNow = gradY + step &* shape.state
    shape.forEachPlane(cost: 6) { batch, channel in
      let z = now + batch &* image + (hidden &+ channel) &* pixels
      let n = z + hidden &* pixels
      let place = (batch &* hidden &+ channel) &* pixels
      shape.forEachPixel { pixel, width in
        let total = load(grad + place + pixel, first: width) + load(gradNow + place + pixel, first: width)
        let (update, candidate) = (load(z + pixel, first: width), load(n + pixel, first: width))
        let old = before.map { load($0 + place + pixel, first: width) } ?? broadcast(0)
        store(total * (candidate - old) * functions.gateSlope(update), z + pixel, first: width)
        store(total * update * functions.candidateSlope(candidate), n + pixel, first: width)
        store(total * (broadcast(1) - update), grad + place + pixel, first: width)
      }
    }
    if let before {
      convolution(
        y: gradReset, outStride: hidden &* pixels, x: now + 2 &* hidden &* pixels, inStride: image,
        packed: packedCandidate, bias: nil, activation: Activation(.identity), accumulate: false, shape: one,
        transposed: true, scratch: convolutionScratch)
      shape.forEachPlane(cost: 6) { batch, channel in
        let r = now + batch &* image + channel &* pixels
        let place = (batch &* hidden &+ channel) &* pixels
        let target = resetStates + step &* shape.state + place
        shape.forEachPixel { pixel, width in
          let (reset, old) = (load(r + pixel, first: width), load(before + place + pixel, first: width))
          let flow = load(gradReset + place + pixel, first: width)
          store(reset * old, target + pixel, first: width)
          store(flow * old * functions.gateSlope(reset), r + pixel, first: width)
          store(
            multiplyAdd(load(grad + place + pixel, first: width), flow, reset), grad + place + pixel, first: width)
        }
      }
      convolution(
        y: grad, outStride: hidden &* pixels, x: now, inStride: image, packed: packedBackward, bias: nil,
        activation: Activation(.identity), accumulate: true, shape: both, transposed: true,
        scratch: convolutionScratch)
    } else {
      // Without a state before, r had no effect; and the state's gradient is that of zeros that nobody gave.
      for batch in 0..<shape.batch { fillZero(now + batch &* image, hidden &* pixels) }
    }
    step &-= 1
  }
  if let gradWeight {
    hiddenWeightGradient(
      gradWeight, accumulate: accumulate, gates, stride: image, gates: 2, initial: h0, states: y, shape: shape,
      scratch: convolutionScratch)
    // r h of every step but the first without a state.
    hiddenWeightGradient(
      gradWeight + 2 &* hidden &* hidden &* shape.kernel &* shape.kernel, accumulate: accumulate,
      gates + 2 &* hidden &* pixels, stride: image, gates: 1, initial: h0 == nil ? nil : UnsafePointer(resetStates),
      states: resetStates + shape.state, shape: shape, scratch: convolutionScratch)
  }
  if let gradBias {
    gateBiasGradient(gradBias, accumulate: accumulate, gates, channels: 3 &* hidden, shape: shape)
  }
}
