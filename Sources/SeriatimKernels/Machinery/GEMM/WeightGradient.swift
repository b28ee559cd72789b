// c (+)= a^T b, the gradient of a weight matrix: a holds the gradients of the outputs, b the inputs, one row a frame,
// and the sum runs over the frames. Both factors are packed as the sum proceeds: depthBlock frames at a time, the rows of
// c in blocks whose packed part of `a` stays in the second-level cache.
//
// Every output is one chain in the order of the frames (c is loaded back into the tile for the next block of frames), and
// the workers share out rows of c, so the bits do not depend on their number.

import SeriatimSystem

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

/// Rows of c in groups: group g has the rows from `g * rows` on, and its part of a the columns from `g * stride` on.
struct RowGroups {
  let count: Int
  let rows: Int
  let stride: Int

  /// Tiles of one group.
  var tiles: Int { (rows &+ tileRows &- 1) / tileRows }
}

/// One product of a weight gradient: `c = a^T b`, or `c += a^T b`, and the sums of a's columns, the gradient of a bias.
struct GradientTarget {
  /// `(rows, columns)`, row stride `outputStride`.
  let c: Output
  let outputStride: Int
  /// `(depth, columns)`
  let b: RowSource
  let columns: Int
  /// One float a row of c, overwritten or added to like c; or nil.
  let sums: Output?
}

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
  weightGradient(
    GradientTarget(c: c, outputStride: outputStride, b: b, columns: columns, sums: nil), nil, accumulate: accumulate, a,
    groups: RowGroups(count: 1, rows: rows, stride: 0), depth: depth, scratch: scratch)
}

/// One or two products with the same left factor, whose rows are in groups: a is read and packed once.
func weightGradient(
  _ first: GradientTarget, _ second: GradientTarget?, accumulate: Bool, _ a: RowSource, groups: RowGroups, depth: Int,
  scratch: Output
) {
  let tiles = groups.count &* groups.tiles
  let columns = first.columns &+ (second?.columns ?? 0)
  let limit = min(tiles, taskLimit(work: groups.count &* groups.rows &* columns &* depth))
  parallel(tasks: limit) { task, tasks in
    let mine = share(of: tiles, task, tasks)
    let gradient = GradientBlock(
      first: first, second: second, accumulate: accumulate, a: a, groups: groups, depth: depth,
      scratch: scratch + task &* scratchPerWorker)
    var tile = mine.lowerBound
    while tile < mine.upperBound {
      let end = min(mine.upperBound, tile &+ rowBlock / tileRows)
      gradient.run(tile..<end)
      tile = end
    }
  }
}

private struct GradientBlock {
  let first: GradientTarget
  let second: GradientTarget?
  let accumulate: Bool
  let a: RowSource
  let groups: RowGroups
  let depth: Int
  let scratch: Output

  /// Some tiles of c, at most `rowBlock` rows, over the whole depth.
  func run(_ tiles: Range<Int>) {
    clearSums(of: first, tiles)
    if let second { clearSums(of: second, tiles) }
    var step = 0
    repeat {
      if srt_is_cancelled() { return }
      let steps = min(depthBlock, depth &- step)
      packTiles(tiles, first: step, steps: steps)
      multiply(first, tiles, first: step, steps: steps)
      if let second { multiply(second, tiles, first: step, steps: steps) }
      step &+= steps
    } while step < depth
  }

  private func multiply(_ target: GradientTarget, _ tiles: Range<Int>, first: Int, steps: Int) {
    let packedB = scratch + rowBlock &* depthBlock
    let start: ProductStart = accumulate || first > 0 ? .output : .zero
    var column = 0
    var lookout = Lookout()
    while column < target.columns, !lookout.isCancelled(after: steps &* tiles.count &* tileRows &* panelWidth) {
      let width = target.columns &- column
      packPanel(packedB, target.b.offset(by: column), first: first, steps: steps, columns: min(panelWidth, width))
      forEachTile(tiles) { index, group, row, rows in
        productTile(
          rows: rows,
          ProductTile(
            start: start, a: scratch + index &* tileRows &* steps, rowStride: 1, depthStride: tileRows, b: packedB,
            depth: steps, c: target.c + (group &* groups.rows &+ row) &* target.outputStride + column,
            outputStride: target.outputStride, width: width))
      }
      column &+= panelWidth
    }
  }

  /// `body(place in the range, group, first row in the group, rows)`.
  @inline(__always)
  private func forEachTile(_ tiles: Range<Int>, _ body: (_ index: Int, _ group: Int, _ row: Int, _ rows: Int) -> Void) {
    var group = tiles.lowerBound / groups.tiles
    var row = (tiles.lowerBound &- group &* groups.tiles) &* tileRows
    for index in 0..<tiles.count {
      body(index, group, row, min(tileRows, groups.rows &- row))
      row &+= tileRows
      if row >= groups.rows {
        row = 0
        group &+= 1
      }
    }
  }

  private func clearSums(of target: GradientTarget, _ tiles: Range<Int>) {
    guard let sums = target.sums, !accumulate else { return }
    forEachTile(tiles) { _, group, row, rows in fillZero(sums + group &* groups.rows + row, rows) }
  }

  /// Packs `steps` rows of a, from row `first` on, each tile's columns `(steps, tileRows)`; and sums the columns.
  private func packTiles(_ tiles: Range<Int>, first: Int, steps: Int) {
    for step in 0..<steps {
      let source = a.row(first &+ step)
      // Rows lie too far apart for the hardware to guess the next one.
      let ahead = first &+ step &+ 4
      let coming = ahead < depth ? a.row(ahead) : nil
      forEachTile(tiles) { index, group, row, rows in
        let target = scratch + (index &* steps &+ step) &* tileRows
        let place = group &* groups.rows &+ row
        guard let source else { return fillZero(target, tileRows) }
        if let coming { srt_prefetch(coming + group &* groups.stride + row) }
        let column = source + group &* groups.stride + row
        if rows == tileRows {
          let values = UnsafeRawPointer(column).loadUnaligned(as: TileLanes.self)
          UnsafeMutableRawPointer(target).storeBytes(of: values, as: TileLanes.self)
          if let sums = self.first.sums { add(values, to: sums + place) }
          if let sums = second?.sums { add(values, to: sums + place) }
        } else {
          copyPadded(target, column, rows, width: tileRows)
          for index in 0..<rows {
            if let sums = self.first.sums { sums[place &+ index] += column[index] }
            if let sums = second?.sums { sums[place &+ index] += column[index] }
          }
        }
      }
    }
  }

  @inline(__always)
  private func add(_ values: TileLanes, to sums: Output) {
    let memory = UnsafeMutableRawPointer(sums)
    memory.storeBytes(of: memory.loadUnaligned(as: TileLanes.self) + values, as: TileLanes.self)
  }
}

/// Packs `steps` rows of at most `panelWidth` columns, from row `first` on.
@_optimize(speed)
private func packPanel(_ packed: Output, _ source: RowSource, first: Int, steps: Int, columns: Int) {
  for step in 0..<steps {
    if let row = source.row(first &+ step) {
      copyPadded(packed + step &* panelWidth, row, columns, width: panelWidth)
    } else {
      fillZero(packed + step &* panelWidth, panelWidth)
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
    for strip in untilCancelled(share(of: strips, task, tasks), work: 4 &* depth &* laneCount) {
      let column = strip &* laneCount
      let width = columns &- column
      var total = accumulate ? load(sums + column, first: width) : broadcast(0)
      for rows in inParts(0..<depth, work: 4 &* laneCount) {
        for row in rows { total += load(a + row &* stride + column, first: width) }
      }
      store(total, sums + column, first: width)
    }
  }
}
