// Convolutional LSTM against its equations in doubles, its gradients against differences of these: memory, tails, the
// same bits for 1 and 2 threads and for an image alone and in a batch.
import XCTest

@testable import SeriatimKernels

final class ConvLSTMTests: XCTestCase {
  /// What a call reads; without a bias or a state before, these are empty.
  private struct Call {
    var shape: ConvRecurrentShape
    let hard: Bool
    var inputs, weight, bias, h0, c0: [Float]

    /// The states and the cells of all steps by the equations.
    func states(
      inputs: [Double], weight: [Double], bias: [Double], h0: [Double], c0: [Double]
    ) -> (y: [Double], cells: [Double]) {
      let functions = DoubleGates(hard: hard)
      var (h, c) = (h0, c0)
      if h.isEmpty { h = [Double](repeating: 0, count: shape.state) }
      if c.isEmpty { c = [Double](repeating: 0, count: shape.state) }
      var (y, cells) = ([Double](), [Double]())
      for step in 0..<shape.steps {
        var sums = Array(inputs[step * 4 * shape.state..<(step + 1) * 4 * shape.state])
        addConvolution(&sums, weight[...], h, gates: 4, shape: shape)
        shape.forEachState { image, channel, pixel in
          let place = shape.place(image, channel, pixel)
          let (i, f, o, g) = (sum(0), sum(1), sum(2), sum(3))
          func sum(_ gate: Int) -> Double {
            let shift = bias.isEmpty ? 0 : bias[gate * shape.hidden + channel]
            return sums[shape.place(image, channel, pixel, gates: 4, gate: gate)] + shift
          }
          c[place] = functions.gate(f) * c[place] + functions.gate(i) * functions.candidate(g)
          h[place] = functions.gate(o) * functions.candidate(c[place])
        }
        y += h
        cells += c
      }
      return (y, cells)
    }
  }

  private func call(_ shape: ConvRecurrentShape, hard: Bool, given: Bool) -> Call {
    var random = Seeded(UInt64(shape.hidden * 100 + shape.pixels))
    return Call(
      shape: shape, hard: hard, inputs: random.floats(4 * shape.steps * shape.state).map { 2 * $0 },
      weight: random.floats(4 * shape.weightCount).map { 0.3 * $0 },
      bias: given ? random.floats(4 * shape.hidden) : [], h0: given ? random.floats(shape.state) : [],
      c0: given ? random.floats(shape.state) : [])
  }

  /// y, cells, gates.
  private func forward(_ call: Call) -> [Guarded] {
    let shape = call.shape
    let weight = Guarded(call.weight)
    let packed = Guarded(convLSTMPackedSize(shape, backward: false))
    packConvLSTM(packed.pointer, weight: weight.pointer, shape: shape, backward: false)
    let (y, cells) = (Guarded(shape.steps * shape.state), Guarded(shape.steps * shape.state))
    let gates = Guarded(call.inputs)
    let scratch = Guarded(convLSTMForwardScratchSize(shape))
    convLSTMForward(
      y: y.pointer, cells: cells.pointer, gates: gates.pointer, h0: optional(call.h0), c0: optional(call.c0),
      packed: packed.pointer, bias: optional(call.bias), shape: shape, hard: call.hard, scratch: scratch.pointer)
    for buffer in [packed, y, cells, gates, scratch] { buffer.check() }
    return [y, cells, gates]
  }

  private func check(_ shape: ConvRecurrentShape, hard: Bool, given: Bool) {
    let call = call(shape, hard: hard, given: given)
    let name = "\(shape) hard \(hard) given \(given)"
    var random = Seeded(3)
    let (gradY, gradH) = (random.floats(shape.steps * shape.state), random.floats(shape.state))
    let gradC = random.floats(shape.state)
    let results = withOneAndTwoThreads(name) {
      let kept = forward(call)
      let outputs = kept.map(\.values)
      let back = Guarded(convLSTMPackedSize(shape, backward: true))
      packConvLSTM(back.pointer, weight: Guarded(call.weight).pointer, shape: shape, backward: true)
      let (gradH0, gradC0) = (Guarded(shape.state), Guarded(shape.state))
      // Added to what is there, or written over it.
      let gradWeight = Guarded(call.weight.count, filledWith: given ? 1 : .nan)
      let gradBias = Guarded(4 * shape.hidden, filledWith: given ? 1 : .nan)
      let scratch = Guarded(convLSTMBackwardScratchSize(shape))
      convLSTMBackward(
        gradH0: gradH0.pointer, gradC0: gradC0.pointer, gates: kept[2].pointer, gradWeight: gradWeight.pointer,
        gradBias: gradBias.pointer, accumulate: given, gradY: Guarded(gradY).pointer, gradH: optional(gradH),
        gradC: optional(gradC), y: kept[0].pointer, cells: kept[1].pointer, h0: optional(call.h0),
        c0: optional(call.c0), packedBackward: back.pointer, shape: shape, hard: hard, scratch: scratch.pointer)
      for buffer in kept + [back, gradH0, gradC0, gradWeight, gradBias, scratch] { buffer.check() }
      return outputs + [kept[2].values, gradWeight.values, gradBias.values, gradH0.values, gradC0.values]
    }
    let arrays = [call.inputs, call.weight, call.bias, call.h0, call.c0].map { $0.map(Double.init) }
    func states(_ a: [[Double]]) -> (y: [Double], cells: [Double]) {
      call.states(inputs: a[0], weight: a[1], bias: a[2], h0: a[3], c0: a[4])
    }
    let want = states(arrays)
    assertClose(results[0], want.y, 1e-5, "y, \(name)")
    assertClose(results[1], want.cells, 1e-5, "cells, \(name)")
    for (index, what) in ["inputs", "weight", "bias", "h0", "c0"].enumerated() where !arrays[index].isEmpty {
      let added: Float = given && (index == 1 || index == 2) ? 1 : 0
      assertGradient(
        results[3 + index].map { $0 - added }, at: arrays[index].map(Float.init), 2e-5, "grad \(what), \(name)",
        step: hard ? 1e-7 : 1e-5
      ) { moved in
        var all = arrays
        all[index] = moved
        let (y, cells) = states(all)
        return inner(y, gradY) + inner(Array(y.suffix(shape.state)), gradH)
          + inner(Array(cells.suffix(shape.state)), gradC)
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
      alone.c0 = shape.part(whole.c0, image: image, steps: 1)
      for (one, all) in zip(forward(alone), outputs) {
        XCTAssertEqual(one.values, shape.part(all, image: image, steps: shape.steps), "image \(image)")
      }
    }
  }
}
