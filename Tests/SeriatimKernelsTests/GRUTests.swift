// GRU against a float64 twin, forward and backward: hidden sizes around the register, batches around the tile, ragged
// and equal lengths, both directions, both reset conventions, with and without given states.
import Foundation
import XCTest

@testable import SeriatimKernels

/// One direction of one layer in float64, sequence by sequence, with back-propagation written out.
private struct Twin {
  let inputSize: Int
  let hiddenSize: Int
  let resetAfter: Bool
  let weightIH, weightHH, biasIH, biasHH: [Double]
  var gradWeightIH, gradWeightHH, gradBiasIH, gradBiasHH: [Double]

  init(_ inputSize: Int, _ hiddenSize: Int, _ resetAfter: Bool, _ parameters: [[Float]]) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.resetAfter = resetAfter
    weightIH = parameters[0].map(Double.init)
    weightHH = parameters[1].map(Double.init)
    biasIH = parameters[2].map(Double.init)
    biasHH = parameters[3].map(Double.init)
    gradWeightIH = weightIH.map { _ in 0 }
    gradWeightHH = weightHH.map { _ in 0 }
    gradBiasIH = biasIH.map { _ in 0 }
    gradBiasHH = biasHH.map { _ in 0 }
  }

  struct Frame { var x, h, r, z, n, q, y: [Double] }

  func step(_ x: [Double], _ h: [Double]) -> Frame {
    let size = hiddenSize
    func dot(_ weights: [Double], _ row: Int, _ v: [Double]) -> Double {
      v.indices.reduce(0) { $0 + weights[row * v.count + $1] * v[$1] }
    }
    var frame = Frame(x: x, h: h, r: [], z: [], n: [], q: [], y: [])
    let logistic = { (v: Double) in 1 / (1 + exp(-v)) }
    for u in 0..<size {
      frame.r.append(logistic(dot(weightIH, u, x) + biasIH[u] + dot(weightHH, u, h) + biasHH[u]))
      let row = size + u
      frame.z.append(logistic(dot(weightIH, row, x) + biasIH[row] + dot(weightHH, row, h) + biasHH[row]))
    }
    let reset = zip(frame.r, h).map(*)
    for u in 0..<size {
      let row = 2 * size + u
      let input = dot(weightIH, row, x) + biasIH[row]
      let state = dot(weightHH, row, resetAfter ? h : reset) + biasHH[row]
      frame.q.append(resetAfter ? state : reset[u])
      frame.n.append(tanh(resetAfter ? input + frame.r[u] * state : input + state))
      frame.y.append((1 - frame.z[u]) * frame.n[u] + frame.z[u] * h[u])
    }
    return frame
  }

  /// Adds to the gradients; gives those of x and h.
  mutating func back(_ frame: Frame, _ dy: [Double]) -> (x: [Double], h: [Double]) {
    let size = hiddenSize
    var (dr, dz, dn, dq) = (dy, dy, dy, dy)
    var dh = [Double](repeating: 0, count: size)
    for u in 0..<size {
      dz[u] = dy[u] * (frame.h[u] - frame.n[u]) * frame.z[u] * (1 - frame.z[u])
      dn[u] = dy[u] * (1 - frame.z[u]) * (1 - frame.n[u] * frame.n[u])
      dh[u] = dy[u] * frame.z[u]
      dq[u] = dn[u] * frame.r[u]
      dr[u] = dn[u] * frame.q[u]
    }
    if !resetAfter {
      dq = dn
      for u in 0..<size {
        let back = (0..<size).reduce(0.0) { $0 + dn[$1] * weightHH[(2 * size + $1) * size + u] }
        dr[u] = back * frame.h[u]
        dh[u] += back * frame.r[u]
      }
    }
    for u in 0..<size { dr[u] *= frame.r[u] * (1 - frame.r[u]) }
    var dx = [Double](repeating: 0, count: inputSize)
    for (gate, (input, state)) in [(dr, dr), (dz, dz), (dn, dq)].enumerated() {
      let source = gate == 2 && !resetAfter ? frame.q : frame.h
      for u in 0..<size {
        let row = gate * size + u
        gradBiasIH[row] += input[u]
        gradBiasHH[row] += state[u]
        for i in 0..<inputSize {
          dx[i] += input[u] * weightIH[row * inputSize + i]
          gradWeightIH[row * inputSize + i] += input[u] * frame.x[i]
        }
        for v in 0..<size {
          if gate < 2 || resetAfter { dh[v] += state[u] * weightHH[row * size + v] }
          gradWeightHH[row * size + v] += state[u] * source[v]
        }
      }
    }
    return (dx, dh)
  }
}

final class GRUTests: XCTestCase {
  private func check(
    lengths: [Int], inputSize: Int, hiddenSize: Int, reverse: Bool, resetAfter: Bool, givenState: Bool
  ) {
    var random = Seeded(UInt64(lengths.count * 1000 + hiddenSize))
    let sizes = batchSizes(lengths)
    let (rows, batch) = (lengths.reduce(0, +), lengths.count)
    let parameters = [
      random.floats(3 * hiddenSize * inputSize), random.floats(3 * hiddenSize * hiddenSize),
      random.floats(3 * hiddenSize), random.floats(3 * hiddenSize),
    ].map { $0.map { min(0.5, 1.5 / Float(hiddenSize).squareRoot()) * $0 } }
    let x = random.floats(rows * inputSize)
    let state = givenState ? random.floats(batch * hiddenSize) : nil
    let (gradY, gradFinal) = (random.floats(rows * hiddenSize), random.floats(batch * hiddenSize))
    let shape = GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, resetAfter: resetAfter)
    let name = "\(lengths) I\(inputSize) H\(hiddenSize) reverse \(reverse) after \(resetAfter) state \(givenState)"

    let results = withOneAndTwoThreads(name) {
      let packed = Guarded(shape.packedSize)
      packGRU(
        packed.pointer, shape, weightIH: parameters[0], weightHH: parameters[1], biasIH: parameters[2],
        biasHH: parameters[3])
      packed.check()
      let back = Guarded(shape.packedBackwardSize)
      packGRUBackward(back.pointer, shape, weightIH: parameters[0], weightHH: parameters[1])
      back.check()
      let ragged = raggedBatch(lengths)
      // A wider output than H, as for one half of a bidirectional layer.
      let stride = hiddenSize + 3
      let (y, final, cache) = (Guarded(rows * stride), Guarded(batch * hiddenSize), Guarded(rows * shape.gateStride))
      gruForward(
        shape, y: y.pointer, outputStride: stride, finalState: final.pointer, cache: cache.pointer, x: x,
        ragged: ragged, initialState: state, packed: packed.pointer, reverse: reverse,
        scratch: Guarded(shape.forwardScratchSize(batch: batch, rows: rows, steps: lengths[0], training: true)).pointer)
      for buffer in [y, final, cache] { buffer.check() }
      let plain = Guarded(rows * hiddenSize)
      let scratch = Guarded(shape.forwardScratchSize(batch: batch, rows: rows, steps: lengths[0], training: false))
      gruForward(
        shape, y: plain.pointer, outputStride: hiddenSize, finalState: final.pointer, cache: nil, x: x,
        ragged: ragged, initialState: state, packed: packed.pointer, reverse: reverse, scratch: scratch.pointer)
      for buffer in [plain, scratch] { buffer.check() }
      for row in 0..<rows {
        for unit in 0..<hiddenSize {
          XCTAssertEqual(
            y.pointer[row * stride + unit], plain.pointer[row * hiddenSize + unit], "training and inference")
        }
      }
      let gradX = Guarded(rows * inputSize)
      let gradState = Guarded(batch * hiddenSize)
      let grads = parameters.map { Guarded($0.map { _ in Float(1) }) }
      let space = Guarded(shape.backwardScratchSize(batch: batch, rows: rows))
      gruBackward(
        shape,
        RecurrentGradients(
          x: gradX.pointer, initialState: gradState.pointer, weightIH: grads[0].pointer, weightHH: grads[1].pointer,
          biasIH: grads[2].pointer, biasHH: grads[3].pointer, accumulate: true),
        gradY: gradY, gradOutputStride: hiddenSize, gradFinalState: gradFinal, cache: cache.pointer, x: x,
        y: y.pointer, outputStride: stride, ragged: ragged, initialState: state, packed: back.pointer,
        reverse: reverse, scratch: space.pointer)
      for buffer in [gradX, gradState, cache, space] + grads { buffer.check() }
      return [plain.values, final.values, gradX.values, gradState.values] + grads.map(\.values)
    }

    var twin = Twin(inputSize, hiddenSize, resetAfter, parameters)
    var want = [
      [Double](repeating: 0, count: rows * hiddenSize), [Double](repeating: 0, count: batch * hiddenSize),
      [Double](repeating: 0, count: rows * inputSize), [Double](repeating: 0, count: batch * hiddenSize),
    ]
    let offsets = sizes.indices.map { sizes[..<$0].reduce(0, +) }
    for (sequence, length) in lengths.enumerated() {
      let order = reverse ? Array((0..<length).reversed()) : Array(0..<length)
      var h = (0..<hiddenSize).map { Double(state?[sequence * hiddenSize + $0] ?? 0) }
      var frames: [Twin.Frame] = []
      for step in order {
        let row = Int(offsets[step]) + sequence
        let frame = twin.step((0..<inputSize).map { Double(x[row * inputSize + $0]) }, h)
        for unit in 0..<hiddenSize { want[0][row * hiddenSize + unit] = frame.y[unit] }
        h = frame.y
        frames.append(frame)
      }
      for unit in 0..<hiddenSize { want[1][sequence * hiddenSize + unit] = h[unit] }
      var dh = (0..<hiddenSize).map { Double(gradFinal[sequence * hiddenSize + $0]) }
      for (frame, step) in zip(frames, order).reversed() {
        let row = Int(offsets[step]) + sequence
        for unit in 0..<hiddenSize { dh[unit] += Double(gradY[row * hiddenSize + unit]) }
        let back = twin.back(frame, dh)
        for i in 0..<inputSize { want[2][row * inputSize + i] = back.x[i] }
        dh = back.h
      }
      for unit in 0..<hiddenSize { want[3][sequence * hiddenSize + unit] = dh[unit] }
    }
    want += [twin.gradWeightIH, twin.gradWeightHH, twin.gradBiasIH, twin.gradBiasHH].map { $0.map { $0 + 1 } }
    let names = ["y", "h_n", "grad x", "grad h0", "grad W_ih", "grad W_hh", "grad b_ih", "grad b_hh"]
    for (index, part) in names.enumerated() { assertClose(results[index], want[index], 1e-5, "\(part) of \(name)") }
  }

  func testSizesAroundTheRegister() {
    for hiddenSize in [1, 7, laneCount - 1, laneCount, laneCount + 1, panelWidth, panelWidth + 1] {
      for resetAfter in [true, false] {
        check(
          lengths: [5, 5, 3, 1], inputSize: 3, hiddenSize: hiddenSize, reverse: false, resetAfter: resetAfter,
          givenState: true)
      }
    }
  }

  func testBatchesAroundTheTile() {
    for batch in [1, 2, 3, tileRows - 1, tileRows, tileRows + 1, 2 * tileRows, 3 * tileRows + 2] {
      check(
        lengths: [Int](repeating: 4, count: batch), inputSize: 5, hiddenSize: 9, reverse: false, resetAfter: true,
        givenState: batch % 2 == 0)
    }
  }

  func testRaggedBothWays() {
    let ragged = [40, 17, 17, 9] + [Int](repeating: 3, count: 2 * tileRows) + [1, 1, 1]
    for reverse in [false, true] {
      for resetAfter in [true, false] {
        for givenState in [false, true] {
          check(
            lengths: ragged, inputSize: 4, hiddenSize: 18, reverse: reverse, resetAfter: resetAfter,
            givenState: givenState)
        }
      }
    }
  }

  func testLargeEnoughForTwoWorkers() {
    check(
      lengths: [Int](repeating: 12, count: 2 * tileRows + 5), inputSize: 33, hiddenSize: 70, reverse: false,
      resetAfter: true, givenState: false)
  }

  func testFewRowsSplitByUnits() {
    for resetAfter in [true, false] {
      for lengths in [[30], [9, 9, 4], [12, 11] + [Int](repeating: 5, count: 3 * tileRows)] {
        for hiddenSize in [128, 157] {
          check(
            lengths: lengths, inputSize: 6, hiddenSize: hiddenSize, reverse: lengths.count > 1, resetAfter: resetAfter,
            givenState: lengths.count == 3)
        }
      }
    }
  }

  func testASequenceHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(77)
    let (inputSize, hiddenSize) = (6, 117)
    let shape = GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, resetAfter: true)
    let packed = Guarded(shape.packedSize)
    packGRU(
      packed.pointer, shape, weightIH: random.floats(3 * hiddenSize * inputSize),
      weightHH: random.floats(3 * hiddenSize * hiddenSize), biasIH: nil, biasHH: nil)
    func run(_ lengths: [Int], _ x: [Float]) -> [Float] {
      let rows = lengths.reduce(0, +)
      let (y, final) = (Guarded(rows * hiddenSize), Guarded(lengths.count * hiddenSize))
      gruForward(
        shape, y: y.pointer, outputStride: hiddenSize, finalState: final.pointer, cache: nil, x: x,
        ragged: raggedBatch(lengths), initialState: nil, packed: packed.pointer,
        reverse: false,
        scratch: Guarded(shape.forwardScratchSize(batch: lengths.count, rows: rows, steps: lengths[0], training: false))
          .pointer)
      return final.values
    }
    let lengths = [Int](repeating: 9, count: 3 * tileRows) + [4, 2, 1]
    let sizes = batchSizes(lengths)
    let x = random.floats(lengths.reduce(0, +) * inputSize)
    let together = run(lengths, x)
    let offsets = sizes.indices.map { Int(sizes[..<$0].reduce(0, +)) }
    for (sequence, length) in lengths.enumerated() {
      let own = (0..<length).flatMap { step in
        (0..<inputSize).map { x[(offsets[step] + sequence) * inputSize + $0] }
      }
      XCTAssertEqual(
        run([length], own), Array(together[sequence * hiddenSize..<(sequence + 1) * hiddenSize]), "sequence \(sequence)"
      )
    }
  }
}
