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
          images: images, channels: channels, pixels: pixels, training: training)
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
