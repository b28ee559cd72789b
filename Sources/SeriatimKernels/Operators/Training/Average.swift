// The exponential moving average of a flat buffer: 8 bytes read and 4 written a value, so memory is the limit.
//
//   a = a + w (x - a),   w = 1 - decay
//
// A value that does not change is its own average to the last bit.

/// One step. `average` and `data` are `(count,)` and apart from each other; `average` is updated in place. `weight`: w,
/// since a decay near 1, rounded, would lose digits of it.
public func averageStep(
  average: UnsafeMutablePointer<Float>, data: UnsafePointer<Float>, weight: Float, count: Int
) {
  forEachRegister(of: count) { index, width in
    let old = load(average + index, first: width)
    let difference = load(data + index, first: width) - old
    // Of numbers so far apart that their difference is infinite the two parts.
    let parts = multiplyAdd(old * broadcast(1 - weight), broadcast(weight), load(data + index, first: width))
    let sum = parts.replacing(with: multiplyAdd(old, broadcast(weight), difference), where: isFinite(difference))
    store(sum, average + index, first: width)
  }
}
