// exp, sigmoid and tanh of a vector. No table, no branch: NaN passes through, and the clamps keep every intermediate
// finite. The maximum errors are measured over every float of the stated range in ExponentialTests.
//
//   exp(x) = 2^n (1 + q(r)),   n = round(x / ln 2),   r = x - n ln 2,   |r| <= ln 2 / 2
//
// n is found by adding 1.5 * 2^23, which pushes the fraction out of the significand; q(r) = exp(r) - 1 is a polynomial
// (the Taylor terms to r^7: its truncation error, r^8 / 8! < 5.2e-9, is under a twelfth of an ulp).

/// n as a float, and q(r) = exp(r) - 1.
@_transparent
func reducedExponential(_ x: Lanes) -> (power: Lanes, q: Lanes) {
  let magic = broadcast(12_582_912)
  let shifted = multiplyAdd(magic, x, broadcast(1.442_695_04))
  let power = shifted - magic
  // ln 2 in two parts: the first has so few bits that power * part is exact.
  var r = multiplyAdd(x, power, broadcast(-0.693_359_375))
  r = multiplyAdd(r, power, broadcast(2.121_944_4e-4))
  var q = multiplyAdd(broadcast(1.388_888_9e-3), r, broadcast(1.984_127e-4))
  q = multiplyAdd(broadcast(8.333_333_3e-3), q, r)
  q = multiplyAdd(broadcast(4.166_666_7e-2), q, r)
  q = multiplyAdd(broadcast(0.166_666_67), q, r)
  q = multiplyAdd(broadcast(0.5), q, r)
  q = multiplyAdd(r, q, r * r)
  return (power, q)
}

/// 2^n for a whole n in [-126, 127].
@_transparent
func powerOfTwo(_ n: Lanes) -> Lanes {
  // n + 127 sits in the low bits of (n + 127 + 2^23): shift them to where a float keeps its exponent.
  let biased = n + broadcast(8_388_735)
  let bits = unsafeBitCast(biased, to: IntegerLanes.self) &<< 23
  return unsafeBitCast(bits, to: Lanes.self)
}

/// `x` held between two bounds; NaN stays NaN.
@_transparent
func clamp(_ x: Lanes, from low: Float, to high: Float) -> Lanes {
  x.atMost(broadcast(high)).atLeast(broadcast(low))
}

/// e^x. Max error 1.5 ulp on [-87.3, 88.7]; below it 0, above it infinity.
@_transparent
func exponential(_ x: Lanes) -> Lanes {
  let bounded = clamp(x, from: -87.336, to: 88.72)
  let (power, q) = reducedExponential(bounded)
  // 2^128 is not a float: scale in two steps, so that results up to the largest float come out.
  let half = powerOfTwo(power - broadcast(1))
  let value = multiplyAdd(half, half, q) * broadcast(2)
  let low = value.replacing(with: broadcast(0), where: x .< broadcast(-87.336))
  return low.replacing(with: broadcast(.infinity), where: x .> broadcast(88.722_84))
}

/// e^x - 1 for x <= 0, with its digits near 0: 2^n q + (2^n - 1). Max error 3 ulp.
@_transparent
func exponentialMinusOne(_ x: Lanes) -> Lanes {
  let (power, q) = reducedExponential(clamp(x, from: -87, to: 0))
  let scale = powerOfTwo(power)
  return multiplyAdd(scale - broadcast(1), scale, q)
}

/// 1 / (1 + e^-x). Max error 2.5 ulp for x >= -87; 0 is never returned.
@_transparent
func sigmoid(_ x: Lanes) -> Lanes {
  broadcast(1) / sigmoidDenominator(x, bound: 87)
}

/// 1 + e^-x with x held within ±bound.
@_transparent
func sigmoidDenominator(_ x: Lanes, bound: Float) -> Lanes {
  let (power, q) = reducedExponential(clamp(broadcast(0) - x, from: -bound, to: bound))
  let scale = powerOfTwo(power)
  return broadcast(1) + multiplyAdd(scale, scale, q)
}

/// Two sigmoids for one division: the denominators' product must stay finite, so the arguments are held within ±43,
/// where the sigmoid is 2e-19 away from its limit. Max error 3.5 ulp on [-43, inf).
@_transparent
func sigmoids(_ a: Lanes, _ b: Lanes) -> (Lanes, Lanes) {
  let first = sigmoidDenominator(a, bound: 43)
  let second = sigmoidDenominator(b, bound: 43)
  let inverse = broadcast(1) / (first * second)
  return (second * inverse, first * inverse)
}

/// tanh x = m / (m + 2) with m = e^2x - 1 = 2^n q + (2^n - 1), which keeps its digits near 0. Max error 3 ulp.
@_transparent
func hyperbolicTangent(_ x: Lanes) -> Lanes {
  let bounded = clamp(x, from: -9.1, to: 9.1)
  let (power, q) = reducedExponential(bounded + bounded)
  let scale = powerOfTwo(power)
  let m = multiplyAdd(scale - broadcast(1), scale, q)
  return m / (m + broadcast(2))
}
