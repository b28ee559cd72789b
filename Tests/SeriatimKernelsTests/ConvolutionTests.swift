// Convolutions within their memory and with the same bits for any number of threads; the numbers are checked against
// float64 twins by Tests/python/functional/test_convolution.py and test_conv_recurrent.py, at every level.
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

  private func check(_ shape: ConvolutionShape) {
    let name = "\(shape)"
    XCTAssert(shape.isSound, name)
    var random = Seeded(UInt64(shape.batch * 1000 + shape.width))
    let x = Guarded(random.floats(shape.batch * shape.inImage))
    let gradY = Guarded(random.floats(shape.batch * shape.outImage))
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
    for part in results { XCTAssert(part.allSatisfy(\.isFinite), name) }
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
    check(shape(2, 3, 5, 8, 8, kernel: 1, stride: 2))
  }

  func testPooling() {
    var random = Seeded(7)
    for (height, width) in [(4, 4), (9, 2 * laneCount + 3), (33, 70)] {
      let planes = 5
      let (outHeight, outWidth) = (height / 2, width / 2)
      let shape = PoolingShape([planes, height, width, outHeight, outWidth, 2, 2, 2, 2, 0, 0, 1, 1])
      XCTAssert(shape.isSound)
      let x = Guarded(random.floats(planes * height * width))
      _ = withOneAndTwoThreads("\(height) x \(width)") {
        let (y, kept) = (Guarded(planes * outHeight * outWidth), Guarded(planes * outHeight * outWidth))
        var places = [Int32](repeating: -1, count: kept.count)
        maxPool(y: y.pointer, index: nil, x: x.pointer, shape: shape)
        maxPool(y: kept.pointer, index: &places, x: x.pointer, shape: shape)
        XCTAssertEqual(y.values, kept.values)
        let (gradX, mean) = (Guarded(x.count), Guarded(y.count))
        maxPoolBackward(gradX: gradX.pointer, gradY: y.pointer, index: places, shape: shape)
        averagePool(y: mean.pointer, x: x.pointer, shape: shape, divisor: .inside)
        for buffer in [x, y, kept, gradX, mean] { buffer.check() }
        return [y.values, gradX.values, mean.values]
      }
    }
  }

  func testConvolutionalRecurrencesStayInTheirMemory() {
    var random = Seeded(11)
    for (steps, batch, hidden, side, kernel) in [
      (1, 1, 1, 3, 3), (3, 2, 5, 6, 3), (2, 3, 8, 9, 5), (2, 1, 16, 4, 1), (4, 1, 32, 64, 3),
    ] {
      let shape = ConvRecurrentShape([steps, batch, hidden, side, side, kernel])
      let state = batch * hidden * side * side
      let inputs = Guarded(random.floats(steps * 4 * state))
      let h0 = Guarded(random.floats(state))
      let weight = Guarded(random.floats(4 * hidden * hidden * kernel * kernel).map { 0.1 * $0 })
      let gradY = Guarded(random.floats(steps * state))
      _ = withOneAndTwoThreads("\(shape)") {
        let packed = Guarded(convGRUPackedSize(shape, backward: false))
        packConvGRU(packed.pointer, weight: weight.pointer, shape: shape, backward: false)
        let back = Guarded(convGRUPackedSize(shape, backward: true))
        packConvGRU(back.pointer, weight: weight.pointer, shape: shape, backward: true)
        let gates = Guarded(Array(inputs.values.prefix(steps * 3 * state)))
        let (y, gradH) = (Guarded(steps * state), Guarded(state))
        let scratch = Guarded(convGRUForwardScratchSize(shape))
        convGRUForward(
          y: y.pointer, gates: gates.pointer, h0: h0.pointer, packed: packed.pointer, bias: nil, shape: shape,
          hard: false, scratch: scratch.pointer)
        let space = Guarded(convGRUBackwardScratchSize(shape))
        let gradWeight = Guarded(3 * hidden * hidden * kernel * kernel)
        convGRUBackward(
          gradH0: gradH.pointer, gates: gates.pointer, gradWeight: gradWeight.pointer, gradBias: nil,
          accumulate: false, gradY: gradY.pointer, gradState: nil, y: y.pointer, h0: h0.pointer,
          packedBackward: back.pointer, shape: shape, hard: false, scratch: space.pointer)
        for buffer in [packed, back, gates, y, gradH, scratch, space, gradWeight] { buffer.check() }
        return [y.values, gates.values, gradH.values, gradWeight.values]
      }
    }
  }
}
