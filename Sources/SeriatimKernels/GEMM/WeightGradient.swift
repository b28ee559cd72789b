// c (+)= a^T b, the gradient of a weight matrix: a holds the gradients of the outputs, b the inputs, one row a frame,
// and the sum runs over the frames. Both factors are packed as the sum proceeds: depthBlock frames at a time, the rows of
// c in blocks whose packed part of `a` stays in the second-level cache.
//
// Every output is one chain in the order of the frames (c is loaded back into the tile for the next block of frames), and
// the workers share out rows of c, so the bits do not depend on their number.

/// Where the rows of a factor are: row r starts at `base + rows[r] * stride`, or at `base + r * stride` when there is
/// no index. A negative index is a row of zeros.
public struct RowSource {
  let base: UnsafePointer<Float>
  let stride: Int
  let index: UnsafePointer<Int32>?

  /// A row-major matrix, or the rows of one that `index` lists.
  public init(_ base: UnsafePointer<Float>, stride: Int, index: UnsafePointer<Int32>? = nil) {
    self.base = base
    self.stride = stride
    self.index = index
  }

  @inline(__always)
  func row(_ position: Int) -> Input? {
    guard let index else { return base + position &* stride }
    let row = Int(index[position])
    return row < 0 ? nil : base + row &* stride
  }

  @inline(__always)
  func offset(by columns: Int) -> RowSource { RowSource(base + columns, stride: stride, index: index) }
}

/// Floats of scratch that `weightGradient` needs.
public func weightGradientScratchSize() -> Int {
  threadLimit() &* scratchPerWorker
}

private let scratchPerWorker = (rowBlock &+ panelWidth) &* depthBlock

/// `c = a^T b`, or `c += a^T b`, over all threads.
///
/// - Parameters:
///   - c: `(rows, columns)`, row stride `outputStride`; must not overlap the factors
///   - a: `(depth, rows)`
///   - b: `(depth, columns)`
///   - scratch: `weightGradientScratchSize()` floats
public func weightGradient(
  _ c: UnsafeMutablePointer<Float>, outputStride: Int, accumulate: Bool, _ a: RowSource, _ b: RowSource,
  rows: Int, columns: Int, depth: Int, scratch: UnsafeMutablePointer<Float>
) {
  let tiles = roundedUp(rows, to: tileRows) / tileRows
  let limit = min(tiles, taskLimit(work: rows &* columns &* depth))
  parallel(tasks: limit) { task, tasks in
    let mine = share(of: tiles, task, tasks)
    let space = scratch + task &* scratchPerWorker
    var row = mine.lowerBound &* tileRows
    let end = min(rows, mine.upperBound &* tileRows)
    while row < end {
      let count = min(rowBlock, end &- row)
      gradientBlock(
        c + row &* outputStride, outputStride: outputStride, accumulate: accumulate, a.offset(by: row), b, rows: count,
        columns: columns, depth: depth, space)
      row &+= count
    }
  }
}

/// At most `rowBlock` rows of c, over the whole depth.
private func gradientBlock(
  _ c: Output, outputStride: Int, accumulate: Bool, _ a: RowSource, _ b: RowSource,
  rows: Int, columns: Int, depth: Int, _ scratch: Output
) {
  let packedA = scratch
  let packedB = scratch + rowBlock &* depthBlock
  var first = 0
  repeat {
    let steps = min(depthBlock, depth &- first)
    packRows(packedA, a, first: first, steps: steps, columns: rows, width: tileRows)
    var column = 0
    while column < columns {
      let width = min(panelWidth, columns &- column)
      packRows(packedB, b.offset(by: column), first: first, steps: steps, columns: width, width: panelWidth)
      var row = 0
      while row < rows {
        productTile(
          rows: min(tileRows, rows &- row),
          ProductTile(
            start: accumulate || first > 0 ? .output : .zero, a: packedA + row &* steps, rowStride: 1,
            depthStride: tileRows, b: packedB, depth: steps, c: c + row &* outputStride + column,
            outputStride: outputStride, width: width))
        row &+= tileRows
      }
      column &+= panelWidth
    }
    first &+= steps
  } while first < depth
}

/// Packs `steps` rows from row `first` on, cut into panels of `width` columns, each panel `(steps, width)`.
private func packRows(_ packed: Output, _ source: RowSource, first: Int, steps: Int, columns: Int, width: Int) {
  for step in 0..<steps {
    let row = source.row(first &+ step)
    var column = 0
    while column < columns {
      let target = packed + column &* steps + step &* width
      if let row {
        copyPadded(target, row + column, min(width, columns &- column), width: width)
      } else {
        fillZero(target, width)
      }
      column &+= width
    }
  }
}

/// `sums (+)=` the sum of the rows of a, over all threads: the gradient of a bias.
///
/// - Parameters:
///   - sums: `(columns,)`
///   - a: `(depth, columns)`, row stride `stride`
public func columnSums(
  _ sums: UnsafeMutablePointer<Float>, accumulate: Bool, _ a: UnsafePointer<Float>, stride: Int, depth: Int,
  columns: Int
) {
  let strips = roundedUp(columns, to: laneCount) / laneCount
  parallel(tasks: min(strips, taskLimit(work: depth &* columns))) { task, tasks in
    for strip in share(of: strips, task, tasks) {
      let column = strip &* laneCount
      let width = columns &- column
      var total = accumulate ? load(sums + column, first: width) : broadcast(0)
      for row in 0..<depth { total += load(a + row &* stride + column, first: width) }
      store(total, sums + column, first: width)
    }
  }
}
