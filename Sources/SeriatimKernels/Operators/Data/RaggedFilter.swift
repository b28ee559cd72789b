// Filters along time: every output is made of a window of its own sequence's rows.
//
//   mean    y[t] = mean of x[t - width / 2 ... t - width / 2 + width - 1], of what of it is inside the sequence
//   median  the same with the median; of an even number the mean of the middle two
//   delta   y[t] = sum over n = 1..reach of n (x[t + n] - x[t - n]) / (2 sum over n of n^2), the ends repeated
//
// Work a float: `width` additions, `width^2 / 2` compare-exchanges, `2 reach` multiply-adds.

/// How a window becomes one value.
public enum WindowKind { case mean, median }

/// Floats of scratch that `raggedFilter` needs for medians, 0 for means.
public func raggedFilterScratchSize(width: Int, kind: WindowKind) -> Int {
  kind == .median ? threadLimit() &* width &* laneCount : 0
}

/// - Parameters:
///   - y: `(rows, features)`; must not be x
///   - scratch: `raggedFilterScratchSize` floats
public func raggedFilter(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, sequences: ConcatenatedSequences, width: Int,
  kind: WindowKind, scratch: UnsafeMutablePointer<Float>
) {
  let features = sequences.features
  let effort = kind == .median ? width &* width / 2 : width
  sequences.forEachPiece(work: sequences.total &* features &* effort) { sequence, rows, task in
    let all = sequences.rows(sequence)
    for row in rows {
      let first = max(all.lowerBound, row &- width / 2)
      let window = first..<min(all.upperBound, row &- width / 2 &+ width)
      var column = 0
      while column < features {
        let lanes = min(laneCount, features &- column)
        let source = x + column
        let value: Lanes
        switch kind {
        case .mean:
          var sum = broadcast(0)
          for other in window { sum += load(source + other &* features, first: lanes) }
          value = sum / broadcast(Float(window.count))
        case .median:
          let sorted = scratch + task &* width &* laneCount
          for (place, other) in window.enumerated() {
            store(load(source + other &* features, first: lanes), sorted + place &* laneCount)
          }
          value = median(sorted, window.count)
        }
        store(value, y + row &* features + column, first: lanes)
        column &+= laneCount
      }
    }
  }
}

/// The median of each lane of `count` registers, whose order is lost: bubbles the greater half up.
@inline(__always)
private func median(_ values: UnsafeMutablePointer<Float>, _ count: Int) -> Lanes {
  for pass in 0...count / 2 {
    var carried = load(values)
    for place in 1..<max(1, count &- pass) {
      let next = load(values + place &* laneCount)
      store(carried.atMost(next), values + (place &- 1) &* laneCount)
      carried = carried.atLeast(next)
    }
    store(carried, values + (count &- pass &- 1) &* laneCount)
  }
  let upper = load(values + count / 2 &* laneCount)
  if count % 2 == 1 { return upper }
  return (upper + load(values + (count / 2 &- 1) &* laneCount)) * broadcast(0.5)
}

/// - Parameters:
///   - y: rows of `features` floats, `stride` floats apart; must not be x
public func raggedDeltas(
  y: UnsafeMutablePointer<Float>, stride: Int, x: UnsafePointer<Float>, sequences: ConcatenatedSequences, reach: Int
) {
  let features = sequences.features
  var squares = 0
  for distance in 1...reach { squares &+= distance &* distance }
  let share = broadcast(1 / Float(2 &* squares))
  sequences.forEachPiece(work: 2 &* reach &* sequences.total &* features) { sequence, rows, _ in
    let all = sequences.rows(sequence)
    for row in rows {
      var column = 0
      while column < features {
        let width = min(laneCount, features &- column)
        let source = x + column
        var sum = broadcast(0)
        for distance in 1...reach {
          let after = load(source + min(row &+ distance, all.upperBound &- 1) &* features, first: width)
          let before = load(source + max(row &- distance, all.lowerBound) &* features, first: width)
          sum = multiplyAdd(sum, broadcast(Float(distance)), after - before)
        }
        store(sum * share, y + row &* stride + column, first: width)
        column &+= laneCount
      }
    }
  }
}
