// Maps of every observation by itself, with numbers of its sequence.
//
//   scaled   y[t] = (x[t] - shift[s]) * scale[s]
//   rotated  y[t, 3p + i] = sum over j of matrix[s, i, j] x[t, 3p + j]
//   warped   y[t, d] = x[t, k] + weight[s, d] (x[t, k + 1] - x[t, k]),  k = index[s, d]
//
// and of rows: interpolated  y[i] = x[k] + weight[i] (x[k + 1] - x[k]),  k = index[i].

/// - Parameters:
///   - y: `(rows, features)`; may be x
///   - shift, scale: `(sequences, features)`
public func raggedScale(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, sequences: ConcatenatedSequences,
  shift: UnsafePointer<Float>, scale: UnsafePointer<Float>
) {
  let features = sequences.features
  sequences.forEachPiece(work: sequences.total &* features) { sequence, rows, _ in
    let (shift, scale) = (shift + sequence &* features, scale + sequence &* features)
    for row in rows {
      let (source, target) = (x + row &* features, y + row &* features)
      var column = 0
      while column < features {
        let width = min(laneCount, features &- column)
        let centred = load(source + column, first: width) - load(shift + column, first: width)
        store(centred * load(scale + column, first: width), target + column, first: width)
        column &+= laneCount
      }
    }
  }
}

/// - Parameters:
///   - y: `(rows, features)`, points of three coordinates behind each other; must not be x
///   - matrices: `(sequences, 3, 3)`
public func rotatePoints(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, sequences: ConcatenatedSequences,
  matrices: UnsafePointer<Float>
) {
  let features = sequences.features
  sequences.forEachPiece(work: 3 &* sequences.total &* features) { sequence, rows, _ in
    let matrix = matrices + 9 &* sequence
    for row in rows {
      var place = row &* features
      let end = place &+ features
      while place < end {
        let (a, b, c) = (x[place], x[place &+ 1], x[place &+ 2])
        y[place] = multiplyAdd(multiplyAdd(matrix[0] * a, matrix[1], b), matrix[2], c)
        y[place &+ 1] = multiplyAdd(multiplyAdd(matrix[3] * a, matrix[4], b), matrix[5], c)
        y[place &+ 2] = multiplyAdd(multiplyAdd(matrix[6] * a, matrix[7], b), matrix[8], c)
        place &+= 3
      }
    }
  }
}

/// - Parameters:
///   - y: `(rows, columns)`; must not be x
///   - index: `(sequences, columns)`, below `features - 1`, or that with a weight of zero
///   - weight: `(sequences, columns)`
public func interpolateColumns(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, sequences: ConcatenatedSequences, columns: Int,
  index: UnsafePointer<Int64>, weight: UnsafePointer<Float>
) {
  let last = sequences.features &- 1
  sequences.forEachPiece(work: 4 &* sequences.total &* columns) { sequence, rows, _ in
    let (index, weight) = (index + sequence &* columns, weight + sequence &* columns)
    for row in rows {
      let source = x + row &* sequences.features
      for column in 0..<columns {
        let left = Int(index[column])
        let value = source[left]
        y[row &* columns &+ column] = multiplyAdd(value, weight[column], source[min(left &+ 1, last)] - value)
      }
    }
  }
}

/// - Parameters:
///   - y: `(rows, features)`; must not be x
///   - x: `(sources, features)`
///   - index: `(rows,)`, below `sources`
///   - weight: `(rows,)`; zero: the next row is not read
public func interpolateRows(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, features: Int, index: UnsafePointer<Int64>,
  weight: UnsafePointer<Float>, rows: Int
) {
  parallel(tasks: min(rows, taskLimit(work: rows &* features))) { task, tasks in
    for row in untilCancelled(share(of: rows, task, tasks), work: 16 &+ 2 &* features) {
      let (source, target) = (x + Int(index[row]) &* features, y + row &* features)
      if weight[row] == 0 {
        copyPadded(target, source, features, width: features)
        continue
      }
      let share = broadcast(weight[row])
      var column = 0
      while column < features {
        let width = min(laneCount, features &- column)
        let value = load(source + column, first: width)
        let difference = load(source + features + column, first: width) - value
        store(multiplyAdd(value, share, difference), target + column, first: width)
        column &+= laneCount
      }
    }
  }
}
