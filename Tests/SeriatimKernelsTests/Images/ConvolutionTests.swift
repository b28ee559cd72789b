// Convolutions, by all methods, against their definition in doubles: memory, tails, and the same bits for 1 and 2
// threads and for an image alone and in a batch.
import XCTest

@testable import SeriatimKernels

final class ConvolutionTests: XCTestCase {
  private func shape(
    _ batch: Int, _ inChannels: Int, _ outChannels: Int, _ height: Int, _ width: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, dilation: Int = 1, groups: Int = 1
  ) -> ConvolutionShape {
    ConvolutionShape([
      batch, inChannels, height, width, outChannels, kernel, kernel, stride, stride, padding, padding, dilation,
      dilation,
      groups,
    ])
  }

  private func check(_ shape: ConvolutionShape, outlier: Float? = nil) {
    let name = "\(shape)"
    XCTAssert(shape.isSound, name)
    var random = Seeded(UInt64(shape.batch * 1000 + shape.width))
    var (inputs, gradients) = (
      random.floats(shape.batch * shape.inImage), random.floats(shape.batch * shape.outImage)
    )
    if let outlier {
      inputs[inputs.count / 2] = outlier
      gradients[gradients.count / 3] = outlier
    }
    let (x, gradY) = (Guarded(inputs), Guarded(gradients))
    let weight = Guarded(random.floats(shape.outChannels * shape.kernelSize))
    let bias = Guarded(random.floats(shape.outChannels))
    let results = withOneAndTwoThreads(name) {
      let packed = Guarded(convolutionPackedSize(shape, transposed: false))
      packConvolution(packed.pointer, weight: weight.pointer, stride: shape.kernelSize, shape: shape, transposed: false)
      let back = Guarded(convolutionPackedSize(shape, transposed: true))
      packConvolution(back.pointer, weight: weight.pointer, stride: shape.kernelSize, shape: shape, transposed: true)
      let y = Guarded(shape.batch * shape.outImage)
      let scratch = Guarded(convolutionScratchSize(shape, transposed: false))
      convolution(
        y: y.pointer, outStride: shape.outImage, x: x.pointer, inStride: shape.inImage, packed: packed.pointer,
        bias: bias.pointer, activation: Activation(.leakyRelu, slope: 0.1), accumulate: false, shape: shape,
        transposed: false, scratch: scratch.pointer)
      let gradX = Guarded(shape.batch * shape.inImage)
      let space = Guarded(convolutionScratchSize(shape, transposed: true))
      convolution(
        y: gradX.pointer, outStride: shape.inImage, x: gradY.pointer, inStride: shape.outImage, packed: back.pointer,
        bias: nil, activation: Activation(.identity), accumulate: false, shape: shape, transposed: true,
        scratch: space.pointer)
      let added = Guarded(y.values)
      convolution(
        y: added.pointer, outStride: shape.outImage, x: x.pointer, inStride: shape.inImage, packed: packed.pointer,
        bias: nil, activation: Activation(.identity), accumulate: true, shape: shape, transposed: false,
        scratch: scratch.pointer)
      let gradWeight = Guarded([Float](repeating: 1, count: weight.count))
      let gradBias = Guarded([Float](repeating: 1, count: bias.count))
      let room = Guarded(convolutionWeightGradientScratchSize(shape))
      convolutionWeightGradient(
        gradWeight: gradWeight.pointer, weightStride: shape.kernelSize, gradBias: gradBias.pointer, accumulate: true,
        gradY: gradY.pointer, outStride: shape.outImage, x: x.pointer, inStride: shape.inImage, shape: shape,
        scratch: room.pointer)
      let buffers = [packed, back, y, scratch, gradX, space, added, gradWeight, gradBias, room, x, gradY]
      for buffer in buffers { buffer.check() }
      return [y, gradX, added, gradWeight, gradBias].map(\.values)
    }
    let (xs, weights, grads) = (x.values, weight.values, gradY.values)
    var sums = [Double](repeating: 0, count: gradY.count)
    var gradX = [Double](repeating: 0, count: x.count)
    var gradWeight = [Double](repeating: 1, count: weight.count)
    forEachProduct(shape) { y, weight, x in
      sums[y] += Double(xs[x]) * Double(weights[weight])
      gradX[x] += Double(grads[y]) * Double(weights[weight])
      gradWeight[weight] += Double(grads[y]) * Double(xs[x])
    }
    var gradBias = [Double](repeating: 1, count: bias.count)
    let plane = shape.outImage / shape.outChannels
    let y = sums.enumerated().map { index, sum in
      let channel = index / plane % shape.outChannels
      gradBias[channel] += Double(grads[index])
      let biased = sum + Double(bias.values[channel])
      return biased > 0 ? biased : 0.1 * biased
    }
    let want = [y, gradX, zip(y, sums).map(+), gradWeight, gradBias]
    for (index, what) in ["y", "grad x", "added", "grad weight", "grad bias"].enumerated() {
      assertClose(results[index], want[index], 1e-5, "\(what), \(name)")
    }
  }

  func testAnImageHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(12)
    for (channels, kernel, groups) in [(5, 3, 1), (6, 5, 1), (3, 1, 1), (4, 4, 2), (7, 3, 7)] {
      let all = shape(5, channels, channels, 9, laneCount + 3, kernel: kernel, padding: 1, groups: groups)
      let one = shape(1, channels, channels, 9, laneCount + 3, kernel: kernel, padding: 1, groups: groups)
      let x = random.floats(5 * all.inImage)
      let weight = Guarded(random.floats(all.outChannels * all.kernelSize))
      func run(_ shape: ConvolutionShape, _ x: [Float]) -> [Float] {
        let packed = Guarded(convolutionPackedSize(shape, transposed: false))
        packConvolution(
          packed.pointer, weight: weight.pointer, stride: shape.kernelSize, shape: shape, transposed: false)
        let y = Guarded(shape.batch * shape.outImage)
        convolution(
          y: y.pointer, outStride: shape.outImage, x: Guarded(x).pointer, inStride: shape.inImage,
          packed: packed.pointer, bias: nil, activation: Activation(.identity), accumulate: false, shape: shape,
          transposed: false, scratch: Guarded(convolutionScratchSize(shape, transposed: false)).pointer)
        return y.values
      }
      let whole = run(all, x)
      for image in 0..<5 {
        let alone = run(one, Array(x[image * all.inImage..<(image + 1) * all.inImage]))
        XCTAssertEqual(alone, Array(whole[image * all.outImage..<(image + 1) * all.outImage]), "image \(image)")
      }
    }
  }

  func testEveryMethodAtSizesAroundItsTiles() {
    for channels in [1, 7, tileRows, tileRows + 1, 20] {
      for width in [3, laneCount, panelWidth - 1, panelWidth + 5] {
        for kernel in [1, 3, 5] {
          check(shape(2, channels, channels + 1, 5, width, kernel: kernel, padding: kernel / 2))
          check(shape(3, channels, 2 * channels, 7, width + 2, kernel: kernel, stride: 2, padding: 1, groups: channels))
          check(shape(1, channels, channels, 11, width + 8, kernel: kernel, padding: 1, dilation: 2, groups: channels))
        }
        check(shape(1, 2 * channels, 4, 9, width + 6, kernel: 4, stride: 3, padding: 2, groups: 2))
      }
    }
    check(shape(1, 40, 600, 6, 6, kernel: 3, padding: 1))
    for (kernel, height, width) in [(3, 5, 3), (3, 10, laneCount + 1), (5, 7, panelWidth + 5), (5, 3, 4)] {
      check(shape(3, 8, 9, height, width, kernel: kernel, padding: kernel / 2), outlier: 1e6)
      check(shape(2, 16, 32, height, width, kernel: kernel, padding: kernel - 1, groups: 2), outlier: -1e6)
    }
    check(shape(2, 3, 5, 8, 8, kernel: 1, stride: 2))
  }
}
