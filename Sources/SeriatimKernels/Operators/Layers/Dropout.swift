// Dropout: y = x / (1 - p) where a random word is at least p 2^32, else 0. The word depends on the seed, the offset (the
// number of the call) and the element's position alone, so the mask is the same for any number of threads, and backward
// draws it again instead of keeping it.

/// y = dropout(x). The gradient is the same function of the gradient. y may be x.
///
/// - Parameters:
///   - threshold: floor(p * 2^32)
///   - scale: 1 / (1 - p)
///   - seed: the key; offset: the upper half of the counter, whose lower half is the element's index / 4
public func dropout(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, count: Int, threshold: UInt32, scale: Float, seed: UInt64,
  offset: UInt64
) {
  let key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed &>> 32))
  // One block a lane, four elements a block.
  let stripe = 4 &* laneCount
  let stripes = roundedUp(count, to: stripe) / stripe
  parallel(tasks: min(stripes, taskLimit(work: count, leastWork: 8_192))) { task, tasks in
    for index in untilCancelled(share(of: stripes, task, tasks), work: 8 &* stripe) {
      dropStripe(
        y: y, x: x, first: index &* stripe, count: count, threshold: threshold, scale: scale,
        block: UInt64(index &* laneCount), key: key,
        offset: offset)
    }
  }
}

/// The elements of one stripe, whose blocks are `block` and those behind it.
@inline(never)
@_optimize(speed)
private func dropStripe(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, first: Int, count: Int, threshold: UInt32, scale: Float,
  block: UInt64, key: (UInt32, UInt32), offset: UInt64
) {
  var lanes = WordLanes(repeating: 0)
  for lane in 0..<laneCount { lanes[lane] = UInt32(lane) }
  // A stripe begins at a multiple of laneCount, so adding the lane cannot carry into the upper word.
  let words = philox(
    counter: (
      WordLanes(repeating: UInt32(truncatingIfNeeded: block)) &+ lanes,
      WordLanes(repeating: UInt32(truncatingIfNeeded: block &>> 32)),
      WordLanes(repeating: UInt32(truncatingIfNeeded: offset)),
      WordLanes(repeating: UInt32(truncatingIfNeeded: offset &>> 32))
    ), key: key)
  let bound = SIMD4<UInt32>(repeating: threshold)
  for lane in 0..<laneCount {
    let position = first &+ 4 &* lane
    let keep = SIMD4(words.0[lane], words.1[lane], words.2[lane], words.3[lane]) .>= bound
    if position &+ 4 <= count {
      let value = UnsafeRawPointer(x + position).loadUnaligned(as: SIMD4<Float>.self) * scale
      let kept = SIMD4<Float>(repeating: 0).replacing(with: value, where: keep)
      UnsafeMutableRawPointer(y + position).storeBytes(of: kept, as: SIMD4<Float>.self)
    } else {
      for element in 0..<max(0, count &- position) {
        y[position &+ element] = keep[element] ? x[position &+ element] * scale : 0
      }
    }
  }
}
