// Convolutional GRU against its equations in doubles, its gradients against differences of these: memory, tails, the
// same bits for 1 and 2 threads and for an image alone and in a batch.
import XCTest

@testable import SeriatimKernels

final class ConvGRUTests: XCTestCase {
  /// What a call reads; without a bias or a state before, these are empty.
  private struct Call {
    var shape: ConvRecurrentShape
    let hard: Bool
    var inputs, weight, bias, h0: [Float]

    /// The states of all steps by the equations.
    func states(inputs: [Double], weight: [Double], bias: [Double], h0: [Double]) -> [Double] {
      let functions = DoubleGates(hard: hard)
      let both = 2 * shape.weightCount
      var h = h0.isEmpty ? [Double](repeating: 0, count: shape.state) : h0
      var y = [Double]()
      for step in 0..<shape.steps {
        let own = Array(inputs[step * 3 * shape.state..<(step + 1) * 3 * shape.state])
        var gates = [Double](repeating: 0, count: 2 * shape.state)
        var candidate = [Double](repeating: 0, count: shape.state)
        func input(_ image: Int, _ channel: Int, _ pixel: Int, _ gate: Int) -> Double {
          own[shape.place(image, channel, pixel, gates: 3, gate: gate)]
            + (bias.isEmpty ? 0 : bias[gate * shape.hidden + channel])
        }
        addConvolution(&gates, weight[..<both], h, gates: 2, shape: shape)
        var resetState = h
        shape.forEachState { image, channel, pixel in
          let r = gates[shape.place(image, channel, pixel, gates: 2)] + input(image, channel, pixel, 0)
          resetState[shape.place(image, channel, pixel)] *= functions.gate(r)
        }
        addConvolution(&candidate, weight[both...], resetState, gates: 1, shape: shape)
        shape.forEachState { image, channel, pixel in
          let place = shape.place(image, channel, pixel)
          let z = functions.gate(
            gates[shape.place(image, channel, pixel, gates: 2, gate: 1)] + input(image, channel, pixel, 1))
          let n = functions.candidate(candidate[place] + input(image, channel, pixel, 2))
          h[place] = (1 - z) * h[place] + z * n
        }
        y += h
      }
      return y
    }
  }

  private func call(_ shape: ConvRecurrentShape, hard: Bool, given: Bool) -> Call {
    var random = Seeded(UInt64(shape.hidden * 100 + shape.pixels))
    return Call(
      shape: shape, hard: hard, inputs: random.floats(3 * shape.steps * shape.state).map { 2 * $0 },
      weight: random.floats(3 * shape.weightCount).map { 0.3 * $0 },
      bias: given ? random.floats(3 * shape.hidden) : [], h0: given ? random.floats(shape.state) : [])
  }

  /// y and the gates.
  private func forward(_ call: Call) -> [Guarded] {
    let shape = call.shape
    let packed = Guarded(convGRUPackedSize(shape, backward: false))
    packConvGRU(packed.pointer, weight: Guarded(call.weight).pointer, shape: shape, backward: false)
    let (y, gates) = (Guarded(shape.steps * shape.state), Guarded(call.inputs))
    let scratch = Guarded(convGRUForwardScratchSize(shape))
    convGRUForward(
      y: y.pointer, gates: gates.pointer, h0: optional(call.h0), packed: packed.pointer, bias: optional(call.bias),
      shape: shape, hard: call.hard, scratch: scratch.pointer)
    for buffer in [packed, y, gates, scratch] { buffer.check() }
    return [y, gates]
  }

  private func check(_ shape: ConvRecurrentShape, hard: Bool, given: Bool) {
    let call = call(shape, hard: hard, given: given)
    let name = "\(shape) hard \(hard) given \(given)"
    var random = Seeded(3)
    let (gradY, gradState) = (random.floats(shape.steps * shape.state), random.floats(shape.state))
    let results = withOneAndTwoThreads(name) {
      let kept = forward(call)
      let y = kept[0].values
      let back = Guarded(convGRUPackedSize(shape, backward: true))
      packConvGRU(back.pointer, weight: Guarded(call.weight).pointer, shape: shape, backward: true)
      let gradH0 = Guarded(shape.state)
      let gradWeight = Guarded(call.weight.count, filledWith: given ? 1 : .nan)
      let gradBias = Guarded(3 * shape.hidden, filledWith: given ? 1 : .nan)
      let scratch = Guarded(convGRUBackwardScratchSize(shape))
      convGRUBackward(
        gradH0: gradH0.pointer, gates: kept[1].pointer, gradWeight: gradWeight.pointer, gradBias: gradBias.pointer,
        accumulate: given, gradY: Guarded(gradY).pointer, gradState: optional(gradState), y: kept[0].pointer,
        h0: optional(call.h0), packedBackward: back.pointer, shape: shape, hard: hard, scratch: scratch.pointer)
      for buffer in kept + [back, gradH0, gradWeight, gradBias, scratch] { buffer.check() }
      return [y, kept[1].values, gradWeight.values, gradBias.values, gradH0.values]
    }
    let arrays = [call.inputs, call.weight, call.bias, call.h0].map { $0.map(Double.init) }
    func states(_ a: [[Double]]) -> [Double] { call.states(inputs: a[0], weight: a[1], bias: a[2], h0: a[3]) }
    assertClose(results[0], states(arrays), 1e-5, "y, \(name)")
    for (index, what) in ["inputs", "weight", "bias", "h0"].enumerated() where !arrays[index].isEmpty {
      let added: Float = given && (index == 1 || index == 2) ? 1 : 0
      assertGradient(
        results[1 + index].map { $0 - added }, at: arrays[index].map(Float.init), 2e-5, "grad \(what), \(name)",
        step: hard ? 1e-7 : 1e-5
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
      for hard in [false, true] { for given in [false, true] { check(shape, hard: hard, given: given) } }
    }
  }

  func testAnImageHasTheSameBitsAloneAndInABatch() {
    let shape = ConvRecurrentShape([3, 3, tileRows + 1, 5, laneCount + 1, 3])
    let whole = call(shape, hard: false, given: true)
    let outputs = forward(whole).map(\.values)
    for image in 0..<shape.batch {
      var alone = whole
      alone.shape = shape.alone
      alone.inputs = shape.part(whole.inputs, image: image, steps: shape.steps)
      alone.h0 = shape.part(whole.h0, image: image, steps: 1)
      for (one, all) in zip(forward(alone), outputs) {
        XCTAssertEqual(one.values, shape.part(all, image: image, steps: shape.steps), "image \(image)")
      }
    }
  }
}
