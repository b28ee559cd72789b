// Softmax and its logarithm over the last axis, with the row's maximum taken off first:
//
//   softmax_j = e^(x_j - m) / s      log_softmax_j = x_j - m - ln s      m = max x,  s = sum e^(x_j - m)

/// y = softmax(x) or log_softmax(x), row by row.
///
/// - Parameters:
///   - y, x: `(rows, columns)`; y may be x
public func softmaxForward(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, rows: Int, columns: Int, logarithm: Bool
) {
  parallel(tasks: min(rows, taskLimit(work: rows &* columns, leastWork: 8_192))) { task, tasks in
    for part in inParts(share(of: rows, task, tasks), work: 8 &* columns) {
      for row in part { softmaxRow(y + row &* columns, x + row &* columns, columns, logarithm: logarithm) }
    }
  }
}

private func softmaxRow(_ y: Output, _ x: Input, _ count: Int, logarithm: Bool) {
  let peak = maximum(x, count)
  var total = broadcast(0)
  var first = 0
  while first < count {
    let width = count &- first
    // The lanes past the end hold e^(-inf) = 0.
    var shifted = broadcast(-.infinity)
    if width >= laneCount {
      shifted = load(x + first) - broadcast(peak)
    } else {
      for lane in 0..<width { shifted[lane] = x[first &+ lane] - peak }
    }
    let value = exponential(shifted)
    total += value
    store(logarithm ? shifted : value, y + first, first: width)
    first &+= laneCount
  }
  let scale = logarithm ? naturalLogarithm(broadcast(sum(total)))[0] : 1 / sum(total)
  first = 0
  while first < count {
    let width = count &- first
    let value = load(y + first, first: width)
    store(logarithm ? value - broadcast(scale) : value * broadcast(scale), y + first, first: width)
    first &+= laneCount
  }
}

/// The largest of `count` values; NaN if one is NaN.
private func maximum(_ x: Input, _ count: Int) -> Float {
  var peak = x[0]
  // Beside a NaN nothing is larger or not: it stays.
  for index in 1..<max(count, 1) where !(x[index] <= peak) && !peak.isNaN { peak = x[index] }
  return peak
}

/// The gradient of either.
///
///   softmax: grad_x = y (grad_y - sum grad_y y)      log_softmax: grad_x = grad_y - e^y sum grad_y
///
/// - Parameters:
///   - gradX, gradY, y: `(rows, columns)`; gradX may be gradY; y is the forward output
public func softmaxBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, y: UnsafePointer<Float>, rows: Int, columns: Int,
  logarithm: Bool
) {
  parallel(tasks: min(rows, taskLimit(work: rows &* columns, leastWork: 8_192))) { task, tasks in
    for row in untilCancelled(share(of: rows, task, tasks), work: 8 &* columns) {
      let (grad, value, target) = (gradY + row &* columns, y + row &* columns, gradX + row &* columns)
      var total = broadcast(0)
      var first = 0
      while first < columns {
        let part = load(grad + first, first: columns &- first)
        total += logarithm ? part : part * load(value + first, first: columns &- first)
        first &+= laneCount
      }
      var (all, unit, back) = (broadcast(sum(total)), broadcast(1), broadcast(1))
      if logarithm, all[0] - all[0] != 0 {
        // The sum of large gradients, in another unit.
        (unit, back) = (broadcast(0x1p-32), broadcast(0x1p32))
        all = broadcast(0)
        for column in 0..<columns { all[0] += grad[column] * unit[0] }
        all = broadcast(all[0])
      }
      first = 0
      while first < columns {
        let width = columns &- first
        let (part, output) = (load(grad + first, first: width), load(value + first, first: width))
        store(
          logarithm ? (part * unit - exponential(output) * all) * back : output * (part - all), target + first,
          first: width)
        first &+= laneCount
      }
    }
  }
}
