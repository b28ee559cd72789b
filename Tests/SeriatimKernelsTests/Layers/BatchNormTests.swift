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

/// A batch in parts, whose moments and sums are put together in doubles.
struct NormalizationParts {
  let groups: Int
  let members: [Int]

  /// `call(part, nil, nil)` gives mean and spread of a part; `call(part, common, nil)` the sums of dy and dy xhat, by the
  /// mean and variance of all; with the means of these, too, y and grad x.
  func check(
    wanted: (y: [Float], gradX: [Float]), _ name: String,
    call: (_ part: Int, _ common: [Guarded]?, _ means: [Guarded]?) -> [[Float]]
  ) {
    let count = Double(members.reduce(0, +))
    var (mean, spread) = ([Double](repeating: 0, count: groups), [Double](repeating: 0, count: groups))
    var before = 0.0
    for (part, own) in members.enumerated() {
      let found = call(part, nil, nil).map { $0.map(Double.init) }
      let together = before + Double(own)
      for group in 0..<groups {
        let difference = found[0][group] - mean[group]
        mean[group] += difference * Double(own) / together
        spread[group] += found[1][group] + difference * difference * before * Double(own) / together
      }
      before = together
    }
    let common = [Guarded(mean.map { Float($0) }), Guarded(spread.map { Float($0 / count) })]
    var sums = [[Double]](repeating: [Double](repeating: 0, count: groups), count: 2)
    for part in members.indices {
      for (index, own) in call(part, common, nil).enumerated() {
        for group in 0..<groups { sums[index][group] += Double(own[group]) }
      }
    }
    let means = sums.map { Guarded($0.map { Float($0 / count) }) }
    let found = members.indices.map { call($0, common, means) }
    assertClose(found.flatMap { $0[0] }, wanted.y.map(Double.init), 1e-5, "y, \(name)")
    assertClose(found.flatMap { $0[1] }, wanted.gradX.map(Double.init), 1e-5, "grad x, \(name)")
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
          rows: rows, columns: columns, training: training, shift: nil, slope: nil)
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

  /// A batch in two parts, normalised by the moments of both together, is the whole one.
  private func checkParts(rows: Int, columns: Int, first: Int) {
    let name = "\(first) of \(rows) x \(columns)"
    var random = Seeded(UInt64(rows * columns))
    let count = rows * columns
    let (x, gradY) = (Guarded(random.floats(count).map { $0 + 0.5 }), Guarded(random.floats(count)))
    let (weight, bias) = (random.floats(columns), random.floats(columns))
    let (y, mean, inverse, gradX) = (Guarded(count), Guarded(columns), Guarded(columns), Guarded(count))
    batchNormForward(
      y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: nil, runningVariance: nil, x: x.pointer,
      weight: optional(weight), bias: optional(bias), rows: rows, columns: columns, training: true, momentum: 0,
      epsilon: 1e-3)
    batchNormBackward(
      gradX: gradX.pointer, gradWeight: nil, gradBias: nil, accumulate: false, gradY: gradY.pointer, x: x.pointer,
      mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight), rows: rows, columns: columns,
      training: true, shift: nil, slope: nil)
    NormalizationParts(groups: columns, members: [first, rows - first]).check(
      wanted: (y.values, gradX.values), name
    ) { part, common, means in
      let (start, own) = part == 0 ? (0, first) : (first * columns, rows - first)
      let moments = [Guarded(columns), Guarded(columns)]
      batchNormForward(
        y: nil, mean: moments[0].pointer, inverse: moments[1].pointer, runningMean: nil, runningVariance: nil,
        x: x.pointer + start, weight: nil, bias: nil, rows: own, columns: columns, training: true, momentum: 0,
        epsilon: 1)
      guard let common else { return moments.map(\.values) }
      let (y, mean, inverse) = (Guarded(own * columns), Guarded(columns), Guarded(columns))
      batchNormForward(
        y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: common[0].pointer,
        runningVariance: common[1].pointer, x: x.pointer + start, weight: optional(weight), bias: optional(bias),
        rows: own, columns: columns, training: false, momentum: 0, epsilon: 1e-3)
      let (gradX, sums) = (Guarded(own * columns), [Guarded(columns), Guarded(columns)])
      batchNormBackward(
        gradX: means == nil ? nil : gradX.pointer, gradWeight: means == nil ? sums[1].pointer : nil,
        gradBias: means == nil ? sums[0].pointer : nil, accumulate: false, gradY: gradY.pointer + start,
        x: x.pointer + start, mean: mean.pointer, inverse: inverse.pointer, weight: optional(weight), rows: own,
        columns: columns, training: true, shift: means?[0].pointer, slope: means?[1].pointer)
      for buffer in moments + sums + [y, mean, inverse, gradX] { buffer.check() }
      return means == nil ? sums.map(\.values) : [y.values, gradX.values]
    }
  }

  func testParts() {
    for columns in sizes(around: laneCount) { checkParts(rows: 7, columns: columns, first: 3) }
    checkParts(rows: 2, columns: 3, first: 1)
    checkParts(rows: 500, columns: 83, first: 499)
  }

  /// What is not finite in x, and has no part in the gradient of a frozen normalisation, is not read.
  func testEvaluationsGradientReadsNoInput() {
    let (rows, columns) = (3, laneCount + 1)
    var random = Seeded(1)
    let gradY = random.floats(rows * columns)
    let gradX = Guarded(rows * columns)
    batchNormBackward(
      gradX: gradX.pointer, gradWeight: nil, gradBias: nil, accumulate: false, gradY: Guarded(gradY).pointer,
      x: Guarded(rows * columns).pointer, mean: Guarded(columns, filledWith: 1).pointer,
      inverse: Guarded(columns, filledWith: 2).pointer, weight: nil, rows: rows, columns: columns, training: false,
      shift: nil, slope: nil)
    gradX.check()
    XCTAssertEqual(gradX.values, gradY.map { 2 * $0 })
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
