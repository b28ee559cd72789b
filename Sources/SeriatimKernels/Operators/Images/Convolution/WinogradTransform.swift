// The one-dimensional transforms of Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2016) on six points,
// 0, ±a, ±b and infinity, by the construction of Toom and Cook:
//
//   y = A^T [(G g) * (B^T d)]     d: 6 inputs   g: r taps   y: m = 7 - r outputs   (3 taps: 4 outputs; 5 taps: 2)
//
//   row of A^T for y_i:    points to the power i;               at infinity 1 for the last output
//   row of G at a point p: (1, p, ..., p^(r-1)) / N(p);         at infinity (0, ..., 0, 1)
//   row of B^T at p:       the coefficients of M(x) / (x - p);  at infinity those of M(x) = x (x^2 - a^2) (x^2 - b^2)
//   N(p) = product of (p - q) over the other finite points q
//
// B^T does not depend on the number of taps. a = 3/4 and b = 5/4 keep the powers near 1: with them the error of a 3x3
// convolution is about a quarter of that with the usual 1 and 2 (Tests/python/functional/test_conv2d.py states it).

/// Points of a 6x6 tile.
let winogradPoints = 36

private let a: Float = 0.75
private let b: Float = 1.25

/// `B^T d`
@inline(__always)
func winogradInput(_ d: InlineArray<6, Lanes>) -> InlineArray<6, Lanes> {
  let (p, q) = (broadcast(-a * a), broadcast(-b * b))
  let (d0, d1, d2) = (d[unchecked: 0], d[unchecked: 1], d[unchecked: 2])
  let (d3, d4, d5) = (d[unchecked: 3], d[unchecked: 4], d[unchecked: 5])
  let (evenA, oddA) = (multiplyAdd(d4, q, d2), multiplyAdd(d3, q, d1))
  let (evenB, oddB) = (multiplyAdd(d4, p, d2), multiplyAdd(d3, p, d1))
  return [
    multiplyAdd(evenA, p, multiplyAdd(d2, q, d0)),
    multiplyAdd(evenA, broadcast(a), oddA), multiplyAdd(evenA, broadcast(-a), oddA),
    multiplyAdd(evenB, broadcast(b), oddB), multiplyAdd(evenB, broadcast(-b), oddB),
    multiplyAdd(multiplyAdd(d5, q, d3), p, oddA),
  ]
}

/// `A^T m`: four outputs, or two for `outputs` 2, and zeros.
@inline(__always)
func winogradOutput(_ m: InlineArray<6, Lanes>, outputs: Int) -> InlineArray<4, Lanes> {
  let (m0, m5) = (m[unchecked: 0], m[unchecked: 5])
  let (evenA, oddA) = (m[unchecked: 1] + m[unchecked: 2], m[unchecked: 1] - m[unchecked: 2])
  let (evenB, oddB) = (m[unchecked: 3] + m[unchecked: 4], m[unchecked: 3] - m[unchecked: 4])
  let first = m0 + evenA + evenB
  let second = multiplyAdd(broadcast(a) * oddA, broadcast(b), oddB)
  if outputs == 2 { return [first, second + m5, broadcast(0), broadcast(0)] }
  return [
    first, second,
    multiplyAdd(broadcast(a * a) * evenA, broadcast(b * b), evenB),
    multiplyAdd(multiplyAdd(m5, broadcast(a * a * a), oddA), broadcast(b * b * b), oddB),
  ]
}

/// `G g` of as many kernels as a tile has rows; `g` has three taps, or five.
@inline(__always)
func winogradTaps(_ g: InlineArray<5, TileLanes>, taps: Int) -> InlineArray<6, TileLanes> {
  let (p, q) = (a * a, b * b)
  let (normA, normB) = (1 / (2 * p * (p - q)), 1 / (2 * q * (q - p)))
  var (evenA, evenB) = (g[unchecked: 0] + p * g[unchecked: 2], g[unchecked: 0] + q * g[unchecked: 2])
  var (oddA, oddB) = (a * g[unchecked: 1], b * g[unchecked: 1])
  if taps == 5 {
    evenA += (p * p) * g[unchecked: 4]
    evenB += (q * q) * g[unchecked: 4]
    oddA += (a * p) * g[unchecked: 3]
    oddB += (b * q) * g[unchecked: 3]
  }
  return [
    (1 / (p * q)) * g[unchecked: 0], normA * (evenA + oddA), normA * (evenA - oddA), normB * (evenB + oddB),
    normB * (evenB - oddB), g[unchecked: taps &- 1],
  ]
}

// Rows of images are turned into phases: the m-th of every tile side by side in a register.

/// `row[i * m + j]` for j in 0..<6 and i in the lanes.
@inline(__always)
func loadPhases(_ row: Input, outputs m: Int) -> InlineArray<6, Lanes> {
  if m == 4 {
    let here = fourPhases(row)
    let next = fourPhases(row + 4)
    return [
      here[unchecked: 0], here[unchecked: 1], here[unchecked: 2], here[unchecked: 3], next[unchecked: 0],
      next[unchecked: 1],
    ]
  }
  let (p0, p1) = Lanes.separated(load(row), load(row + laneCount))
  let (p2, p3) = Lanes.separated(load(row + 2), load(row + (2 &+ laneCount)))
  let (p4, p5) = Lanes.separated(load(row + 4), load(row + (4 &+ laneCount)))
  return [p0, p1, p2, p3, p4, p5]
}

@inline(__always)
private func fourPhases(_ row: Input) -> InlineArray<4, Lanes> {
  let (even, odd) = Lanes.separated(load(row), load(row + laneCount))
  let (laterEven, laterOdd) = Lanes.separated(load(row + 2 &* laneCount), load(row + 3 &* laneCount))
  let (p0, p2) = Lanes.separated(even, laterEven)
  let (p1, p3) = Lanes.separated(odd, laterOdd)
  return [p0, p1, p2, p3]
}

/// `row[i * m + j] = phases[j]` for j in 0..<m.
@inline(__always)
func storePhases(_ phases: InlineArray<4, Lanes>, _ row: Output, outputs m: Int) {
  if m == 2 {
    let (first, second) = Lanes.alternated(phases[unchecked: 0], phases[unchecked: 1])
    store(first, row)
    store(second, row + laneCount)
    return
  }
  let (evenLow, evenHigh) = Lanes.alternated(phases[unchecked: 0], phases[unchecked: 2])
  let (oddLow, oddHigh) = Lanes.alternated(phases[unchecked: 1], phases[unchecked: 3])
  let (first, second) = Lanes.alternated(evenLow, oddLow)
  let (third, fourth) = Lanes.alternated(evenHigh, oddHigh)
  store(first, row)
  store(second, row + laneCount)
  store(third, row + 2 &* laneCount)
  store(fourth, row + 3 &* laneCount)
}
