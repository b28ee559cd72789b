// The squared norm of a flat buffer and its scaling: what clipping the gradient's norm needs.

/// Elements summed in float32 before the sum moves to float64: fixed, so that the bits do not depend on the threads.
private let normBlock = 4_096

/// Floats of scratch that `sumOfSquares` needs.
public func sumOfSquaresScratchSize(count: Int) -> Int { (count &+ normBlock &- 1) / normBlock }

/// The sum of the squares of `(count,)` floats.
public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int, scratch: UnsafeMutablePointer<Float>) -> Double {
  let blocks = sumOfSquaresScratchSize(count: count)
  parallel(tasks: min(blocks, taskLimit(work: count))) { task, tasks in
    for block in untilCancelled(share(of: blocks, task, tasks), work: normBlock) {
      scratch[block] = blockSum(x + block &* normBlock, min(normBlock, count &- block &* normBlock))
    }
  }
  var total = 0.0
  for block in untilCancelled(0..<blocks, work: normBlock) {
    let sum = Double(scratch[block])
    total += sum.isFinite ? sum : wideSum(x + block &* normBlock, min(normBlock, count &- block &* normBlock))
  }
  return total
}

/// `blockSum` of numbers whose squares a float does not hold.
private func wideSum(_ x: Input, _ count: Int) -> Double {
  var total = 0.0
  for index in 0..<count { total += Double(x[index]) * Double(x[index]) }
  return total
}

private func blockSum(_ x: Input, _ count: Int) -> Float {
  var (even, odd) = (broadcast(0), broadcast(0))
  var index = 0
  while index &+ 2 &* laneCount <= count {
    let (first, second) = (load(x + index), load(x + index + laneCount))
    even = multiplyAdd(even, first, first)
    odd = multiplyAdd(odd, second, second)
    index &+= 2 &* laneCount
  }
  while index < count {
    let value = load(x + index, first: count &- index)
    even = multiplyAdd(even, value, value)
    index &+= laneCount
  }
  return sum(even + odd)
}

/// `x *= factor`, `(count,)` floats in place.
public func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
  forEachRegister(of: count) { index, width in
    store(load(x + index, first: width) * broadcast(factor), x + index, first: width)
  }
}
