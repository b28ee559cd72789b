// Natural logarithms of a register, and of 1 + x in one: for softmax and losses.

/// ln x: -inf for 0 and what is flushed to it, NaN below and for NaN, infinity for infinity. Max error 2 ulp, measured in
/// LogarithmTests.
///
///   x = 2^k m, m in [sqrt(1/2), sqrt(2));   ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...),   s = (m - 1) / (m + 1)
@inline(__always)
func naturalLogarithm(_ x: Lanes) -> Lanes {
  let bits = unsafeBitCast(x, to: IntegerLanes.self)
  // Subtracting the bits of sqrt(1/2) carries into the exponent exactly when m >= sqrt(2) would be left.
  let power = (bits &- 0x3f35_04f3) &>> 23
  let m = unsafeBitCast(bits &- (power &<< 23), to: Lanes.self)
  // |k| is far below 2^23: as in `powerOfTwo`, its float is made of the low bits of a float of that size.
  let k = unsafeBitCast(power &+ 0x4b40_0000, to: Lanes.self) - broadcast(12_582_912)
  let s = (m - broadcast(1)) / (m + broadcast(1))
  let square = s * s
  var series = multiplyAdd(broadcast(2.0 / 9), broadcast(2.0 / 11), square)
  series = multiplyAdd(broadcast(2.0 / 7), series, square)
  series = multiplyAdd(broadcast(2.0 / 5), series, square)
  series = multiplyAdd(broadcast(2.0 / 3), series, square)
  let fraction = multiplyAdd(s + s, series, square * s)
  let value = multiplyAdd(multiplyAdd(fraction, k, broadcast(-2.121_944_4e-4)), k, broadcast(0.693_359_375))
  let finite = value.replacing(with: x, where: x .== broadcast(.infinity))
  let positive = finite.replacing(with: broadcast(-.infinity), where: x .== broadcast(0))
  return positive.replacing(with: broadcast(.nan), where: .!(x .>= broadcast(0)))
}

/// ln (1 + x) for -1/2 <= x <= 1, by the same series: 2 artanh s with s = x / (x + 2), |s| <= 1/3. Max error 2 ulp.
@_transparent
func logarithmOfOnePlus(_ x: Lanes) -> Lanes {
  let s = x / (x + broadcast(2))
  let square = s * s
  var series = multiplyAdd(broadcast(2.0 / 13), broadcast(2.0 / 15), square)
  series = multiplyAdd(broadcast(2.0 / 11), series, square)
  series = multiplyAdd(broadcast(2.0 / 9), series, square)
  series = multiplyAdd(broadcast(2.0 / 7), series, square)
  series = multiplyAdd(broadcast(2.0 / 5), series, square)
  series = multiplyAdd(broadcast(2.0 / 3), series, square)
  return multiplyAdd(s + s, series, square * s)
}
