// Batch normalisation of rows against float64, its gradients against differences: memory, tails, and the same bits for 1
// and 2 threads. ImageNormTests has the same for images.
import XCTest

@testable import SeriatimKernels

/// What a normalisation of `groups` columns or channels gives out.
struct NormalizationCase {
  /// The group of an element, and the number of elements of each.
  let group: (Int) -> Int
  let groups, members: Int
  let training, affine: Bool

  struct Output {
    var y: [Double]
    var runningMean, runningVariance: [Double]
  }

  /// By the equations, in doubles; without `affine` weight and bias are not looked at.
  func forward(_ x: [Double], _ weight: [Double], _ bias: [Double], _ mean: [Double], _ variance: [Double]) -> Output {
    var (own, spread) = (mean, variance)
    var output = Output(y: x, runningMean: mean, runningVariance: variance)
    if training {
      own = [Double](repeating: 0, count: groups)
      spread = own
      for (index, value) in x.enumerated() { own[group(index)] += value / Double(members) }
      for (index, value) in x.enumerated() {
        let difference = value - own[group(index)]
        spread[group(index)] += difference * difference / Double(members)
      }
      for index in 0..<groups {
        let unbiased = spread[index] * Double(members) / Double(max(members - 1, 1))
        output.runningMean[index] += 0.3 * (own[index] - mean[index])
        output.runningVariance[index] += 0.3 * (unbiased - variance[index])
      }
    }
    for (index, value) in x.enumerated() {
      let own = (value - own[group(index)]) / (spread[group(index)] + 1e-3).squareRoot()
      output.y[index] = affine ? own * weight[group(index)] + bias[group(index)] : own
    }
    return output
  }

  /// Holds a kernel to it. `call` gives y, running mean, running variance, grad x, grad weight, grad bias.
  func check(
    _ count: Int, _ name: String,
    call: (_ x: Guarded, _ weight: [Float], _ bias: [Float], _ mean: [Float], _ variance: [Float], _ gradY: Guarded)
      -> [[Float]]
  ) {
    var random = Seeded(UInt64(count))
    let (x, gradY) = (Guarded(random.floats(count).map { $0 + 0.5 }), Guarded(random.floats(count)))
    let (weight, bias) = (random.floats(groups), random.floats(groups))
    let (mean, variance) = (random.floats(groups), random.floats(groups).map { $0 + 1.5 })
    let results = withOneAndTwoThreads(name) {
      call(x, affine ? weight : [], affine ? bias : [], mean, variance, gradY)
    }
    x.check()
    gradY.check()
    let doubles = [x.values, weight, bias, mean, variance].map { $0.map(Double.init) }
    func forward(_ a: [[Double]]) -> Output { self.forward(a[0], a[1], a[2], a[3], a[4]) }
    let want = forward(doubles)
    assertClose(results[0], want.y, 1e-5, "y, \(name)")
    assertClose(results[1], want.runningMean, 1e-6, "running mean, \(name)")
    assertClose(results[2], want.runningVariance, 1e-6, "running variance, \(name)")
    for (index, what) in ["x", "weight", "bias"].enumerated() where affine || index == 0 {
      // The gradients of weight and bias were added to 1.
      let added: Float = index == 0 ? 0 : 1
      assertGradient(
        results[3 + index].map { $0 - added }, at: doubles[index].map(Float.init), 3e-5, "grad \(what), \(name)"
      ) { moved in
        var all = doubles
        all[index] = moved
        return inner(forward(all).y, gradY.values)
      }
    }
  }
}

final class BatchNormTests: XCTestCase {
  private func check(rows: Int, columns: Int, training: Bool, affine: Bool) {
    let group = { $0 % columns }
    let norm = NormalizationCase(group: group, groups: columns, members: rows, training: training, affine: affine)
    let name = "\(rows) x \(columns), training \(training), affine \(affine)"
    norm.check(rows * columns, name) { x, weight, bias, startMean, startVariance, gradY in
      let (y, mean, inverse) = (Guarded(x.count), Guarded(columns), Guarded(columns))
      let (runningMean, runningVariance) = (Guarded(startMean), Guarded(startVariance))
      batchNormForward(
        y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: runningMean.pointer,
        runningVariance: runningVariance.pointer, x: x.pointer, weight: optional(weight), bias: optional(bias),
        rows: rows, columns: columns, training: training, momentum: 0.3, epsilon: 1e-3)
      let gradX = Guarded(x.count)
      let (gradWeight, gradBias) = (Guarded(columns, filledWith: 1), Guarded(columns, filledWith: 1))
      func back(_ gradX: Guarded, _ weightGrad: Guarded?, _ biasGrad: Guarded?, accumulate: Bool) {
        batchNormBackward(
          gradX: gradX.pointer, gradWeight: weightGrad?.pointer, gradBias: biasGrad?.pointer, accumulate: accumulate,
          gradY: gradY.pointer, x: x.pointer, mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight),
          rows: rows, columns: columns, training: training)
      }
      back(gradX, gradWeight, gradBias, accumulate: true)
      let (alone, overwritten) = (Guarded(x.count), Guarded(columns))
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
      for columns in sizes(around: laneCount) {
        for affine in [false, true] { check(rows: 7, columns: columns, training: training, affine: affine) }
      }
      check(rows: 2, columns: 3, training: training, affine: true)
      check(rows: 64, columns: 2 * laneCount, training: training, affine: true)
      // Enough for two workers.
      check(rows: 500, columns: 83, training: training, affine: true)
    }
  }
}
