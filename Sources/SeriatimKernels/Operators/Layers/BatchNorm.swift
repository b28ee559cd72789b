// Batch normalisation of rows (Ioffe and Szegedy 2015), torch's rules:
//
//   y = (x - mean) / sqrt(var + eps) * weight + bias
//
// In training mean and var are the batch's (var biased), and the running ones move by `momentum` towards them (var
// unbiased); in evaluation the running ones are used.
//
//   grad_bias = sum dy      grad_weight = sum dy xhat      xhat = (x - mean) inv
//   grad_x = weight inv (dy - (grad_bias + xhat grad_weight) / rows)      in training
//   grad_x = weight inv dy                                                in evaluation
//
// A batch in parts that are not in one place is normalised by the moments of all of them: each part's are summed here
// (forward without y), a part is normalised as in evaluation, by what they are together, and its gradient is made by the
// means of dy and dy xhat over all parts (shift, slope).
//
// Columns are shared out a register at a time, so a column's sums run in the order of the rows.

import SeriatimSystem

/// What normalises a column: kept for backward.
///
/// - Parameters:
///   - y, x: `(rows, columns)`; y may not be x in training, and may be nil there: only moments are wanted
///   - mean, inverse: `(columns,)`: the mean and 1 / sqrt(var + eps) that were used; without y `inverse` is the sum of
///     squared differences to the mean
///   - runningMean, runningVariance: `(columns,)`; read in evaluation, updated in training; nil in training only
///   - weight, bias: `(columns,)` or nil for 1 and 0
/// - Returns: false if a batch has a variance that is infinite: the running ones are then as they were
@discardableResult
public func batchNormForward(
  y: UnsafeMutablePointer<Float>?, mean: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>,
  runningMean: UnsafeMutablePointer<Float>?, runningVariance: UnsafeMutablePointer<Float>?, x: UnsafePointer<Float>,
  weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?, rows: Int, columns: Int, training: Bool,
  momentum: Float, epsilon: Float
) -> Bool {
  forEachRegister(of: columns, leastWork: max(laneCount, 16_384 / rows)) { column, width in
    var (average, variance, spread) = (broadcast(0), broadcast(0), broadcast(0))
    if training {
      for part in inParts(0..<rows, work: rowWork) {
        for row in part { average += load(x + row &* columns + column, first: width) }
      }
      average /= broadcast(Float(rows))
      for part in inParts(0..<rows, work: rowWork) {
        for row in part {
          let difference = load(x + row &* columns + column, first: width) - average
          variance = multiplyAdd(variance, difference, difference)
        }
      }
      spread = variance
      variance /= broadcast(Float(rows))
    } else if let runningMean, let runningVariance {
      average = load(runningMean + column, first: width)
      variance = load(runningVariance + column, first: width)
    }
    let inverted = broadcast(1) / (variance + broadcast(epsilon)).squareRoot()
    store(average, mean + column, first: width)
    // Of a batch the spread, until all columns are done.
    store(training ? spread : inverted, inverse + column, first: width)
    guard let y else { return }
    var (scale, shift) = (inverted, broadcast(0))
    if let weight { scale *= load(weight + column, first: width) }
    if let bias { shift = load(bias + column, first: width) }
    for part in inParts(0..<rows, work: rowWork) {
      for row in part {
        let value = load(x + row &* columns + column, first: width)
        store(multiplyAdd(shift, value - average, scale), y + row &* columns + column, first: width)
      }
    }
  }
  // Running statistics move last, and all: a call that is cancelled leaves them as they were.
  if y == nil || !training || srt_is_cancelled() { return true }
  for column in 0..<columns where inverse[column] == .infinity { return false }
  for column in stride(from: 0, to: columns, by: laneCount) {
    let width = columns &- column
    let (average, spread) = (load(mean + column, first: width), load(inverse + column, first: width))
    if let runningMean, let runningVariance {
      let (target, variance) = (runningMean + column, runningVariance + column)
      let (old, oldVariance) = (load(target, first: width), load(variance, first: width))
      let unbiased = spread / broadcast(Float(max(rows &- 1, 1)))
      store(multiplyAdd(old, broadcast(momentum), average - old), target, first: width)
      store(multiplyAdd(oldVariance, broadcast(momentum), unbiased - oldVariance), variance, first: width)
    }
    let inverted = broadcast(1) / (spread / broadcast(Float(rows)) + broadcast(epsilon)).squareRoot()
    store(inverted, inverse + column, first: width)
  }
  return true
}

/// A register's: it stands for a line of memory.
private let rowWork = 4 &* laneCount

/// The gradients of `batchNormForward`.
///
/// - Parameters:
///   - gradX: `(rows, columns)` or nil; may be gradY
///   - gradWeight, gradBias: `(columns,)` or nil; added to when `accumulate`
///   - mean, inverse: from the forward call
///   - shift, slope: `(columns,)` or nil: the means of dy and dy xhat that gradX is made by, instead of those of the rows
public func batchNormBackward(
  gradX: UnsafeMutablePointer<Float>?, gradWeight: UnsafeMutablePointer<Float>?,
  gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool, gradY: UnsafePointer<Float>, x: UnsafePointer<Float>,
  mean: UnsafePointer<Float>, inverse: UnsafePointer<Float>, weight: UnsafePointer<Float>?, rows: Int, columns: Int,
  training: Bool, shift: UnsafePointer<Float>?, slope: UnsafePointer<Float>?
) {
  let isSummed = gradWeight != nil || gradBias != nil || (training && shift == nil)
  forEachRegister(of: columns, leastWork: max(laneCount, 16_384 / rows)) { column, width in
    let average = load(mean + column, first: width)
    let inverted = load(inverse + column, first: width)
    var (total, weighted) = (broadcast(0), broadcast(0))
    for part in inParts(0..<(isSummed ? rows : 0), work: 2 &* rowWork) {
      for row in part {
        let grad = load(gradY + row &* columns + column, first: width)
        let normal = (load(x + row &* columns + column, first: width) - average) * inverted
        total += grad
        weighted = multiplyAdd(weighted, grad, normal)
      }
    }
    if let gradWeight {
      let old = accumulate ? load(gradWeight + column, first: width) : broadcast(0)
      store(old + weighted, gradWeight + column, first: width)
    }
    if let gradBias {
      let old = accumulate ? load(gradBias + column, first: width) : broadcast(0)
      store(old + total, gradBias + column, first: width)
    }
    guard let gradX else { return }
    var scale = inverted
    if let weight { scale *= load(weight + column, first: width) }
    var part = broadcast(1 / Float(rows))
    if let shift, let slope {
      (total, weighted, part) = (load(shift + column, first: width), load(slope + column, first: width), broadcast(1))
    }
    // In evaluation no number of x, NaN neither, has to do with it: what stands there is the mean.
    let (source, stride) = training ? (x, columns) : (mean, 0)
    if !training { (total, weighted) = (broadcast(0), broadcast(0)) }
    for rows in inParts(0..<rows, work: 2 &* rowWork) {
      for row in rows {
        let grad = load(gradY + row &* columns + column, first: width)
        let normal = (load(source + row &* stride + column, first: width) - average) * inverted
        store(
          scale * (grad - part * multiplyAdd(total, normal, weighted)), gradX + row &* columns + column, first: width)
      }
    }
  }
}
