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

/// Elements 0, 2, 4, ... of two registers behind each other.
@_transparent
func evens(_ first: Lanes, _ second: Lanes) -> Lanes { Lanes(lowHalf: first.evenHalf, highHalf: second.evenHalf) }

/// Elements 1, 3, 5, ...
@_transparent
func odds(_ first: Lanes, _ second: Lanes) -> Lanes { Lanes(lowHalf: first.oddHalf, highHalf: second.oddHalf) }

/// The first halves of two registers, element by element in turn.
@_transparent
func alternateLow(_ even: Lanes, _ odd: Lanes) -> Lanes {
  var result = even
  result.evenHalf = even.lowHalf
  result.oddHalf = odd.lowHalf
  return result
}

/// The second halves.
@_transparent
func alternateHigh(_ even: Lanes, _ odd: Lanes) -> Lanes {
  var result = even
  result.evenHalf = even.highHalf
  result.oddHalf = odd.highHalf
  return result
}

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
  let (first, second) = (load(row), load(row + laneCount))
  let (third, fourth) = (load(row + 2), load(row + (2 &+ laneCount)))
  let (fifth, sixth) = (load(row + 4), load(row + (4 &+ laneCount)))
  return [
    evens(first, second), odds(first, second), evens(third, fourth), odds(third, fourth), evens(fifth, sixth),
    odds(fifth, sixth),
  ]
}

@inline(__always)
private func fourPhases(_ row: Input) -> InlineArray<4, Lanes> {
  let (first, second) = (load(row), load(row + laneCount))
  let (third, fourth) = (load(row + 2 &* laneCount), load(row + 3 &* laneCount))
  let (even, odd) = (evens(first, second), odds(first, second))
  let (laterEven, laterOdd) = (evens(third, fourth), odds(third, fourth))
  return [evens(even, laterEven), evens(odd, laterOdd), odds(even, laterEven), odds(odd, laterOdd)]
}

/// Floats that `loadPhases` reads.
func phasesReach(outputs m: Int) -> Int { m &* laneCount &+ 4 }

/// `row[i * m + j] = phases[j]` for j in 0..<m.
@inline(__always)
func storePhases(_ phases: InlineArray<4, Lanes>, _ row: Output, outputs m: Int) {
  let (p0, p1) = (phases[unchecked: 0], phases[unchecked: 1])
  if m == 2 {
    store(alternateLow(p0, p1), row)
    store(alternateHigh(p0, p1), row + laneCount)
    return
  }
  let (p2, p3) = (phases[unchecked: 2], phases[unchecked: 3])
  let (evenLow, evenHigh) = (alternateLow(p0, p2), alternateHigh(p0, p2))
  let (oddLow, oddHigh) = (alternateLow(p1, p3), alternateHigh(p1, p3))
  store(alternateLow(evenLow, oddLow), row)
  store(alternateHigh(evenLow, oddLow), row + laneCount)
  store(alternateLow(evenHigh, oddHigh), row + 2 &* laneCount)
  store(alternateHigh(evenHigh, oddHigh), row + 3 &* laneCount)
}
