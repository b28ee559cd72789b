// Convolutional recurrence without gates against its equation in doubles, its gradients against differences of it:
// memory, tails, the same bits for 1 and 2 threads and for an image alone and in a batch.
import Foundation
import XCTest

@testable import SeriatimKernels

final class ConvRNNTests: XCTestCase {
  /// What a call reads; without a bias or a state before, these are empty.
  private struct Call {
    var shape: ConvRecurrentShape
    let kind: Activation.Kind
    var inputs, weight, bias, h0: [Float]

    /// The states of all steps by the equation.
    func states(inputs: [Double], weight: [Double], bias: [Double], h0: [Double]) -> [Double] {
      var h = h0.isEmpty ? [Double](repeating: 0, count: shape.state) : h0
      var y = [Double]()
      for step in 0..<shape.steps {
        var sums = Array(inputs[step * shape.state..<(step + 1) * shape.state])
        addConvolution(&sums, weight[...], h, gates: 1, shape: shape)
        shape.forEachState { image, channel, pixel in
          let place = shape.place(image, channel, pixel)
          h[place] = apply(sums[place] + (bias.isEmpty ? 0 : bias[channel]))
        }
        y += h
      }
      return y
    }

    private func apply(_ x: Double) -> Double {
      switch kind {
      case .sigmoid: 1 / (1 + exp(-x))
      case .tanh: tanh(x)
      case .relu: max(x, 0)
      default: x
      }
    }
  }

  private func call(_ shape: ConvRecurrentShape, _ kind: Activation.Kind, given: Bool) -> Call {
    var random = Seeded(UInt64(shape.hidden * 100 + shape.pixels))
    return Call(
      shape: shape, kind: kind, inputs: random.floats(shape.steps * shape.state),
      weight: random.floats(shape.weightCount).map { 0.2 * $0 }, bias: given ? random.floats(shape.hidden) : [],
      h0: given ? random.floats(shape.state) : [])
  }

  private func forward(_ call: Call) -> Guarded {
    let shape = call.shape
    let packed = Guarded(convRNNPackedSize(shape, backward: false))
    packConvRNN(packed.pointer, weight: Guarded(call.weight).pointer, shape: shape, backward: false)
    let (y, scratch) = (Guarded(call.inputs), Guarded(convRNNForwardScratchSize(shape)))
    convRNNForward(
      y: y.pointer, h0: optional(call.h0), packed: packed.pointer, bias: optional(call.bias),
      activation: Activation(call.kind), shape: shape, scratch: scratch.pointer)
    for buffer in [packed, y, scratch] { buffer.check() }
    return y
  }

  private func check(_ shape: ConvRecurrentShape, _ kind: Activation.Kind, given: Bool) {
    let call = call(shape, kind, given: given)
    let name = "\(shape) \(kind) given \(given)"
    var random = Seeded(3)
    let (gradY, gradState) = (random.floats(shape.steps * shape.state), random.floats(shape.state))
    let results = withOneAndTwoThreads(name) {
      let y = forward(call)
      let back = Guarded(convRNNPackedSize(shape, backward: true))
      packConvRNN(back.pointer, weight: Guarded(call.weight).pointer, shape: shape, backward: true)
      let (gradX, gradH0) = (Guarded(y.count), Guarded(shape.state))
      let gradWeight = Guarded(call.weight.count, filledWith: given ? 1 : .nan)
      let gradBias = Guarded(shape.hidden, filledWith: given ? 1 : .nan)
      let scratch = Guarded(convRNNBackwardScratchSize(shape))
      convRNNBackward(
        gradX: gradX.pointer, gradH0: gradH0.pointer, gradWeight: gradWeight.pointer, gradBias: gradBias.pointer,
        accumulate: given, gradY: Guarded(gradY).pointer, gradState: optional(gradState), y: y.pointer,
        h0: optional(call.h0), packedBackward: back.pointer, activation: Activation(kind), shape: shape,
        scratch: scratch.pointer)
      for buffer in [y, back, gradX, gradH0, gradWeight, gradBias, scratch] { buffer.check() }
      return [y.values, gradX.values, gradWeight.values, gradBias.values, gradH0.values]
    }
    let arrays = [call.inputs, call.weight, call.bias, call.h0].map { $0.map(Double.init) }
    func states(_ a: [[Double]]) -> [Double] { call.states(inputs: a[0], weight: a[1], bias: a[2], h0: a[3]) }
    assertClose(results[0], states(arrays), 1e-5, "y, \(name)")
    for (index, what) in ["inputs", "weight", "bias", "h0"].enumerated() where !arrays[index].isEmpty {
      let added: Float = given && (index == 1 || index == 2) ? 1 : 0
      assertGradient(
        results[1 + index].map { $0 - added }, at: arrays[index].map(Float.init), 2e-5, "grad \(what), \(name)",
        step: kind == .relu ? 1e-7 : 1e-5
      ) { moved in
        var all = arrays
        all[index] = moved
        let y = states(all)
        return inner(y, gradY) + inner(Array(y.suffix(shape.state)), gradState)
      }
    }
  }

  func testSizesAroundTheTiles() {
    for shape in ConvRecurrentShape.aroundTheTiles {
      for kind in [Activation.Kind.sigmoid, .tanh, .relu, .identity] {
        for given in [false, true] { check(shape, kind, given: given) }
      }
    }
  }

  func testAnImageHasTheSameBitsAloneAndInABatch() {
    let shape = ConvRecurrentShape([3, 3, tileRows + 1, 5, laneCount + 1, 3])
    let whole = call(shape, .tanh, given: true)
    let outputs = forward(whole).values
    for image in 0..<shape.batch {
      var alone = whole
      alone.shape = shape.alone
      alone.inputs = shape.part(whole.inputs, image: image, steps: shape.steps)
      alone.h0 = shape.part(whole.h0, image: image, steps: 1)
      XCTAssertEqual(forward(alone).values, shape.part(outputs, image: image, steps: shape.steps), "image \(image)")
    }
  }
}
