// Batch normalisation of images against float64, its gradients against differences: memory, tails, and the same bits for
// 1 and 2 threads.
import XCTest

@testable import SeriatimKernels

final class ImageNormTests: XCTestCase {
  private func check(images: Int, channels: Int, pixels: Int, training: Bool, affine: Bool) {
    let norm = NormalizationCase(
      group: { $0 / pixels % channels }, groups: channels, members: images * pixels, training: training,
      affine: affine)
    let name = "\(images) x \(channels) x \(pixels), training \(training), affine \(affine)"
    norm.check(images * channels * pixels, name) { x, weight, bias, startMean, startVariance, gradY in
      let (y, mean, inverse) = (Guarded(x.count), Guarded(channels), Guarded(channels))
      let (runningMean, runningVariance) = (Guarded(startMean), Guarded(startVariance))
      imageNormForward(
        y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: runningMean.pointer,
        runningVariance: runningVariance.pointer, x: x.pointer, weight: optional(weight), bias: optional(bias),
        images: images, channels: channels, pixels: pixels, training: training, momentum: 0.3, epsilon: 1e-3)
      let gradX = Guarded(x.count)
      let (gradWeight, gradBias) = (Guarded(channels, filledWith: 1), Guarded(channels, filledWith: 1))
      func back(_ gradX: Guarded, _ weightGrad: Guarded?, _ biasGrad: Guarded?, accumulate: Bool) {
        imageNormBackward(
          gradX: gradX.pointer, gradWeight: weightGrad?.pointer, gradBias: biasGrad?.pointer, accumulate: accumulate,
          gradY: gradY.pointer, x: x.pointer, mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight),
          images: images, channels: channels, pixels: pixels, training: training, shift: nil, slope: nil)
      }
      back(gradX, gradWeight, gradBias, accumulate: true)
      let (alone, overwritten) = (Guarded(x.count), Guarded(channels))
      back(alone, nil, overwritten, accumulate: false)
      XCTAssertEqual(alone.values, gradX.values, name)
      assertClose(gradBias.values, overwritten.values.map { 1 + Double($0) }, 1e-6, name)
      let buffers = [
        y, mean, inverse, runningMean, runningVariance, gradX, gradWeight, gradBias, alone, overwritten,
      ]
      for buffer in buffers { buffer.check() }
      return [y, runningMean, runningVariance, gradX, gradWeight, gradBias].map(\.values)
    }
  }

  /// A batch in two parts, normalised by the moments of both together, is the whole one.
  private func checkParts(images: Int, channels: Int, pixels: Int, first: Int) {
    var random = Seeded(UInt64(images * channels * pixels))
    let count = images * channels * pixels
    let (x, gradY) = (Guarded(random.floats(count).map { $0 + 0.5 }), Guarded(random.floats(count)))
    let (weight, bias) = (random.floats(channels), random.floats(channels))
    let (y, mean, inverse, gradX) = (Guarded(count), Guarded(channels), Guarded(channels), Guarded(count))
    imageNormForward(
      y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: nil, runningVariance: nil, x: x.pointer,
      weight: optional(weight), bias: optional(bias), images: images, channels: channels, pixels: pixels,
      training: true, momentum: 0, epsilon: 1e-3)
    imageNormBackward(
      gradX: gradX.pointer, gradWeight: nil, gradBias: nil, accumulate: false, gradY: gradY.pointer, x: x.pointer,
      mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight), images: images, channels: channels,
      pixels: pixels, training: true, shift: nil, slope: nil)
    NormalizationParts(groups: channels, members: [first * pixels, (images - first) * pixels]).check(
      wanted: (y.values, gradX.values), "\(first) of \(images) x \(channels) x \(pixels)"
    ) { part, common, means in
      let (start, own) = part == 0 ? (0, first) : (first * channels * pixels, images - first)
      let moments = [Guarded(channels), Guarded(channels)]
      imageNormForward(
        y: nil, mean: moments[0].pointer, inverse: moments[1].pointer, runningMean: nil, runningVariance: nil,
        x: x.pointer + start, weight: nil, bias: nil, images: own, channels: channels, pixels: pixels, training: true,
        momentum: 0, epsilon: 1)
      guard let common else { return moments.map(\.values) }
      let (y, mean, inverse) = (Guarded(own * channels * pixels), Guarded(channels), Guarded(channels))
      imageNormForward(
        y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: common[0].pointer,
        runningVariance: common[1].pointer, x: x.pointer + start, weight: optional(weight), bias: optional(bias),
        images: own, channels: channels, pixels: pixels, training: false, momentum: 0, epsilon: 1e-3)
      let (gradX, sums) = (Guarded(own * channels * pixels), [Guarded(channels), Guarded(channels)])
      imageNormBackward(
        gradX: means == nil ? nil : gradX.pointer, gradWeight: means == nil ? sums[1].pointer : nil,
        gradBias: means == nil ? sums[0].pointer : nil, accumulate: false, gradY: gradY.pointer + start,
        x: x.pointer + start, mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight), images: own,
        channels: channels, pixels: pixels, training: true, shift: means?[0].pointer, slope: means?[1].pointer)
      for buffer in moments + sums + [y, mean, inverse, gradX] { buffer.check() }
      return means == nil ? sums.map(\.values) : [y.values, gradX.values]
    }
  }

  func testParts() {
    for pixels in sizes(around: laneCount) { checkParts(images: 3, channels: 2, pixels: pixels, first: 1) }
    checkParts(images: 4, channels: 5, pixels: 60 * laneCount + 3, first: 3)
  }

  /// What is not finite in x, and has no part in the gradient of a frozen normalisation, is not read.
  func testEvaluationsGradientReadsNoInput() {
    let pixels = laneCount + 1
    var random = Seeded(1)
    let gradY = random.floats(4 * pixels)
    let gradX = Guarded(4 * pixels)
    imageNormBackward(
      gradX: gradX.pointer, gradWeight: nil, gradBias: nil, accumulate: false, gradY: Guarded(gradY).pointer,
      x: Guarded(4 * pixels).pointer, mean: Guarded(2).pointer, inverse: Guarded(2, filledWith: 2).pointer,
      weight: nil, images: 2, channels: 2, pixels: pixels, training: false, shift: nil, slope: nil)
    gradX.check()
    XCTAssertEqual(gradX.values, gradY.map { 2 * $0 })
  }

  func testSizesAroundTheRegister() {
    for training in [false, true] {
      for pixels in sizes(around: laneCount) {
        for affine in [false, true] {
          check(images: 3, channels: 2, pixels: pixels, training: training, affine: affine)
        }
      }
      check(images: 1, channels: 1, pixels: 5, training: training, affine: true)
      // Enough for two workers.
      check(images: 4, channels: 5, pixels: 60 * laneCount + 3, training: training, affine: true)
      check(images: 2, channels: 3, pixels: 12_001, training: training, affine: true)
    }
  }
}
