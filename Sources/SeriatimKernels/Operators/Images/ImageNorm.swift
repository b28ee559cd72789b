// Batch normalisation of the channels of images `(N, C, pixels)`; the equations are those of BatchNorm.swift, with
// N * pixels values a channel. Channels are shared out; a channel's sums run over images and pixels in order, a register's
// lanes at a time.

import SeriatimSystem

/// - Parameters:
///   - y, x: `(images, channels, pixels)`; y may be nil in training
///   - the others: `(channels,)`, as in `batchNormForward`
/// - Returns: false if a batch has a variance that is infinite: the running ones are then as they were
@discardableResult
public func imageNormForward(
  y: UnsafeMutablePointer<Float>?, mean: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>,
  runningMean: UnsafeMutablePointer<Float>?, runningVariance: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>,
  weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?, images: Int, channels: Int, pixels: Int,
  training: Bool, momentum: Float, epsilon: Float
) -> Bool {
  let count = images &* pixels
  parallel(tasks: min(channels, taskLimit(work: channels &* count))) { task, tasks in
    for channel in untilCancelled(share(of: channels, task, tasks), work: images &* pixels) {
      var (average, variance, spread) = (Float(0), Float(1), Float(0))
      if training {
        var total = broadcast(0)
        forEachPlane(images, channels, channel, pixels) { first, width in total += load(x + first, first: width) }
        average = sum(total) / Float(count)
        let middle = broadcast(average)
        var squares = broadcast(0)
        forEachPlane(images, channels, channel, pixels) { first, width in
          // A register's missing lanes would count the mean's square.
          let difference = width < laneCount ? partial(x + first, width, middle) : load(x + first) - middle
          squares = multiplyAdd(squares, difference, difference)
        }
        spread = sum(squares)
        variance = spread / Float(count)
      } else if let runningMean, let runningVariance {
        (average, variance) = (runningMean[channel], runningVariance[channel])
      }
      let inverted = 1 / (variance + epsilon).squareRoot()
      mean[channel] = average
      // Of a batch the spread, until all channels are done.
      inverse[channel] = training ? spread : inverted
      guard let y else { continue }
      let scale = broadcast(inverted * (weight.map { $0[channel] } ?? 1))
      let (middle, shift) = (broadcast(average), broadcast(bias.map { $0[channel] } ?? 0))
      forEachPlane(images, channels, channel, pixels) { first, width in
        store(multiplyAdd(shift, load(x + first, first: width) - middle, scale), y + first, first: width)
      }
    }
  }
  // Running statistics move last, and all: a call that is cancelled leaves them as they were.
  if y == nil || !training || srt_is_cancelled() { return true }
  for channel in 0..<channels where inverse[channel] == .infinity { return false }
  for channel in 0..<channels {
    let spread = inverse[channel]
    if let runningMean, let runningVariance {
      runningMean[channel] += momentum * (mean[channel] - runningMean[channel])
      runningVariance[channel] += momentum * (spread / Float(max(count &- 1, 1)) - runningVariance[channel])
    }
    inverse[channel] = 1 / (spread / Float(count) + epsilon).squareRoot()
  }
  return true
}

/// The gradients of `imageNormForward`, as `batchNormBackward`.
public func imageNormBackward(
  gradX: UnsafeMutablePointer<Float>?, gradWeight: UnsafeMutablePointer<Float>?,
  gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool, gradY: UnsafePointer<Float>, x: UnsafePointer<Float>,
  mean: UnsafePointer<Float>, inverse: UnsafePointer<Float>, weight: UnsafePointer<Float>?, images: Int,
  channels: Int, pixels: Int, training: Bool, shift: UnsafePointer<Float>?, slope: UnsafePointer<Float>?
) {
  let isSummed = gradWeight != nil || gradBias != nil || (training && shift == nil)
  parallel(tasks: min(channels, taskLimit(work: channels &* images &* pixels))) { task, tasks in
    for channel in untilCancelled(share(of: channels, task, tasks), work: images &* pixels) {
      let (middle, inverted) = (broadcast(mean[channel]), broadcast(inverse[channel]))
      var (totals, weighteds) = (broadcast(0), broadcast(0))
      forEachPlane(isSummed ? images : 0, channels, channel, pixels) { first, width in
        let grad = load(gradY + first, first: width)
        totals += grad
        weighteds = multiplyAdd(weighteds, grad, (load(x + first, first: width) - middle) * inverted)
      }
      let (total, weighted) = (sum(totals), sum(weighteds))
      if let gradWeight { gradWeight[channel] = weighted + (accumulate ? gradWeight[channel] : 0) }
      if let gradBias { gradBias[channel] = total + (accumulate ? gradBias[channel] : 0) }
      guard let gradX else { continue }
      let scale = inverted * broadcast(weight.map { $0[channel] } ?? 1)
      if !training {
        // No number of x, NaN neither, has to do with it.
        forEachPlane(images, channels, channel, pixels) { first, width in
          store(scale * load(gradY + first, first: width), gradX + first, first: width)
        }
        continue
      }
      let part = 1 / Float(images &* pixels)
      var means = (total * part, weighted * part)
      if let shift, let slope { means = (shift[channel], slope[channel]) }
      let (below, lean) = (broadcast(means.0), broadcast(means.1))
      forEachPlane(images, channels, channel, pixels) { first, width in
        let grad = load(gradY + first, first: width)
        let normal = (load(x + first, first: width) - middle) * inverted
        store(scale * (grad - below - normal * lean), gradX + first, first: width)
      }
    }
  }
}

/// `body(first, width)` for every register of a channel's planes, until the call is cancelled.
@inline(__always)
private func forEachPlane(
  _ images: Int, _ channels: Int, _ channel: Int, _ pixels: Int, _ body: (_ first: Int, _ width: Int) -> Void
) {
  var lookout = Lookout()
  for image in 0..<images {
    if lookout.isCancelled(after: 4 &* pixels) { return }
    let plane = (image &* channels &+ channel) &* pixels
    var pixel = 0
    while pixel < pixels {
      body(plane &+ pixel, min(laneCount, pixels &- pixel))
      pixel &+= laneCount
    }
  }
}

/// The differences to `middle` of the first lanes, zeros behind.
@inline(__always)
private func partial(_ x: Input, _ width: Int, _ middle: Lanes) -> Lanes {
  var value = load(x, first: width) - middle
  for lane in width..<laneCount { value[lane] = 0 }
  return value
}
