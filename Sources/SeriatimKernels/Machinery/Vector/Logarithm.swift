// Natural logarithms: of one float, for softmax needs one a row; and of 1 + x in a register, for losses.

/// ln x for finite x >= the smallest normal float. Max error 1.5 ulp, measured in ExponentialTests.
///
///   x = 2^k m, m in [sqrt(1/2), sqrt(2));   ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...),   s = (m - 1) / (m + 1)
func naturalLogarithm(_ x: Float) -> Float {
  let bits = Int32(bitPattern: x.bitPattern)
  // Subtracting the bits of sqrt(1/2) carries into the exponent exactly when m >= sqrt(2) would be left.
  let k = (bits &- 0x3f35_04f3) >> 23
  let m = Float(bitPattern: UInt32(bitPattern: bits &- (k << 23)))
  let s = (m - 1) / (m + 1)
  let square = s * s
  var series: Float = 2.0 / 11
  series = multiplyAdd(2.0 / 9, series, square)
  series = multiplyAdd(2.0 / 7, series, square)
  series = multiplyAdd(2.0 / 5, series, square)
  series = multiplyAdd(2.0 / 3, series, square)
  let fraction = multiplyAdd(2 * s, series, square * s)
  return multiplyAdd(multiplyAdd(fraction, Float(k), 2.121_944_4e-4 * -1), Float(k), 0.693_359_375)
}

/// ln (1 + x) for 0 <= x <= 1, by the same series: 2 artanh s with s = x / (x + 2) <= 1/3. Max error 2 ulp.
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
