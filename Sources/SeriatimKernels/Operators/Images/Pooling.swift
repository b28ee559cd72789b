// Pooling of planes, torch's rules. Windows may reach over the border: what lies outside is no candidate for a maximum,
// and counts as zeros for an average or not at all (`countPadding`).
//
//   max       y = the largest of the window; NaN wins; of equals the first. index: its place in the plane
//   average   y = the window's sum / its size
//   adaptive  window v of V over H rows: floor(v H / V) ..< ceil((v + 1) H / V)
//
// Each reads every input about once: bound by memory. Planes are shared out.

/// The sizes of a pooling; all but the paddings are positive.
public struct PoolingShape {
  public var planes, height, width, outHeight, outWidth: Int
  public var kernelHeight, kernelWidth, strideY, strideX, paddingY, paddingX, dilationY, dilationX: Int

  /// From 13 numbers in the order of the fields.
  public init(_ sizes: UnsafePointer<Int>) {
    (planes, height, width, outHeight, outWidth) = (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])
    (kernelHeight, kernelWidth, strideY, strideX) = (sizes[5], sizes[6], sizes[7], sizes[8])
    (paddingY, paddingX, dilationY, dilationX) = (sizes[9], sizes[10], sizes[11], sizes[12])
  }

  /// Whether all sizes are positive and every window touches the plane.
  public var isSound: Bool {
    planes > 0 && height > 0 && width > 0 && outHeight > 0 && outWidth > 0 && kernelHeight > 0 && kernelWidth > 0
      && strideY > 0 && strideX > 0 && paddingY >= 0 && paddingX >= 0 && dilationY > 0 && dilationX > 0
      && reaches(outHeight, strideY, paddingY, kernelHeight, dilationY, height)
      && reaches(outWidth, strideX, paddingX, kernelWidth, dilationX, width)
  }

  private func reaches(_ outputs: Int, _ stride: Int, _ padding: Int, _ kernel: Int, _ dilation: Int, _ size: Int)
    -> Bool
  {
    // The first window's last element that can be inside, and the last window's first one.
    2 &* padding <= dilation &* (kernel &- 1) &+ 1 && (outputs &- 1) &* stride &- padding < size
  }

  fileprivate var inPlane: Int { height &* width }
  fileprivate var outPlane: Int { outHeight &* outWidth }
  fileprivate var rowWork: Int { 4 &* outWidth &* kernelHeight &* kernelWidth }
  fileprivate var tasks: Int { min(planes, taskLimit(work: planes &* outPlane &* kernelHeight &* kernelWidth)) }

  /// The taps of a window along an axis that are inside, and the first one's position.
  @inline(__always)
  fileprivate func inside(_ start: Int, _ kernel: Int, _ dilation: Int, _ size: Int) -> Range<Int> {
    let first = start < 0 ? (dilation &- 1 &- start) / dilation : 0
    let last = min(kernel, (size &- start &+ dilation &- 1) / dilation)
    return min(first, kernel)..<max(last, min(first, kernel))
  }

  fileprivate func rows(_ row: Int) -> Range<Int> {
    inside(row &* strideY &- paddingY, kernelHeight, dilationY, height)
  }

  fileprivate func columns(_ column: Int) -> Range<Int> {
    inside(column &* strideX &- paddingX, kernelWidth, dilationX, width)
  }
}

/// The larger of two, NaN if either is.
@inline(__always)
private func larger(_ a: Lanes, _ b: Lanes) -> Lanes {
  a.replacing(with: b, where: (a .< b) .| (b .!= b))
}

/// Maxima, and where they were.
///
/// - Parameters:
///   - y: `(planes, out height, out width)`
///   - index: the same shape, or nil
///   - x: `(planes, height, width)`
public func maxPool(
  y: UnsafeMutablePointer<Float>, index: UnsafeMutablePointer<Int32>?, x: UnsafePointer<Float>, shape: PoolingShape
) {
  parallel(tasks: shape.tasks) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: shape.planes, task, tasks) {
      if lookout.isCancelled(after: shape.outPlane) { return }
      let input = x + plane &* shape.inPlane
      let output = y + plane &* shape.outPlane
      if let index {
        maxPlane(output, index + plane &* shape.outPlane, input, shape, &lookout)
      } else if shape.kernelHeight == 2, shape.kernelWidth == 2, shape.strideY == 2, shape.strideX == 2,
        shape.paddingY == 0, shape.paddingX == 0, shape.dilationY == 1, shape.dilationX == 1,
        2 &* shape.outHeight <= shape.height, 2 &* shape.outWidth <= shape.width
      {
        maxPlaneByTwo(output, input, shape)
      } else {
        maxPlane(output, nil, input, shape, &lookout)
      }
    }
  }
}

/// Windows of 2x2 without padding, side by side.
private func maxPlaneByTwo(_ y: Output, _ x: Input, _ shape: PoolingShape) {
  for row in 0..<shape.outHeight {
    let (upper, lower) = (x + 2 &* row &* shape.width, x + (2 &* row &+ 1) &* shape.width)
    let output = y + row &* shape.outWidth
    var column = 0
    while column &+ laneCount <= shape.outWidth {
      let place = 2 &* column
      let first = larger(load(upper + place), load(lower + place))
      let second = larger(load(upper + place + laneCount), load(lower + place + laneCount))
      let (left, right) = Lanes.separated(first, second)
      store(larger(left, right), output + column)
      column &+= laneCount
    }
    while column < shape.outWidth {
      let place = 2 &* column
      let left = larger(broadcast(upper[place]), broadcast(lower[place]))
      let right = larger(broadcast(upper[place &+ 1]), broadcast(lower[place &+ 1]))
      output[column] = larger(left, right)[0]
      column &+= 1
    }
  }
}

private func maxPlane(
  _ y: Output, _ index: UnsafeMutablePointer<Int32>?, _ x: Input, _ shape: PoolingShape, _ lookout: inout Lookout
) {
  for row in 0..<shape.outHeight {
    if lookout.isCancelled(after: shape.rowWork) { return }
    let rows = shape.rows(row)
    for column in 0..<shape.outWidth {
      let columns = shape.columns(column)
      var best = -Float.infinity
      var place = -1
      for i in rows {
        let line = (row &* shape.strideY &- shape.paddingY &+ i &* shape.dilationY) &* shape.width
        for j in columns {
          let here = line &+ column &* shape.strideX &- shape.paddingX &+ j &* shape.dilationX
          let value = x[here]
          if place < 0 || value > best || (value != value && best == best) {
            best = value
            place = here
          }
        }
      }
      y[row &* shape.outWidth &+ column] = best
      if let index { index[row &* shape.outWidth &+ column] = Int32(truncatingIfNeeded: place) }
    }
  }
}

/// The gradient of `maxPool`: every output's to where its maximum was.
///
/// - Parameters:
///   - gradX: `(planes, height, width)`, overwritten
///   - gradY, index: `(planes, out height, out width)`
public func maxPoolBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, index: UnsafePointer<Int32>, shape: PoolingShape
) {
  parallel(tasks: shape.tasks) { task, tasks in
    for plane in untilCancelled(share(of: shape.planes, task, tasks), work: shape.inPlane &+ 4 &* shape.outPlane) {
      let target = gradX + plane &* shape.inPlane
      fillZero(target, shape.inPlane)
      for place in plane &* shape.outPlane..<(plane &+ 1) &* shape.outPlane {
        let position = Int(index[place])
        if position >= 0, position < shape.inPlane { target[position] += gradY[place] }
      }
    }
  }
}

/// What an average divides by.
public enum AverageDivisor {
  /// the window, as far as the padded plane reaches
  case padded
  /// the part of the window that is inside
  case inside
  /// a number
  case fixed(Float)
}

extension PoolingShape {
  /// What one window's sum is multiplied by.
  @inline(__always)
  fileprivate func weight(_ row: Int, _ column: Int, _ divisor: AverageDivisor) -> Float {
    switch divisor {
    case .fixed(let count): return 1 / count
    case .inside: return 1 / Float(max(1, rows(row).count &* columns(column).count))
    case .padded:
      let (y, x) = (row &* strideY &- paddingY, column &* strideX &- paddingX)
      let tall = min(y &+ kernelHeight, height &+ paddingY) &- y
      let wide = min(x &+ kernelWidth, width &+ paddingX) &- x
      return 1 / Float(tall &* wide)
    }
  }
}

/// Averages. `dilation` must be 1.
///
/// - Parameters:
///   - y: `(planes, out height, out width)`
///   - x: `(planes, height, width)`
public func averagePool(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, shape: PoolingShape, divisor: AverageDivisor
) {
  parallel(tasks: shape.tasks) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: shape.planes, task, tasks) {
      let input = x + plane &* shape.inPlane
      let output = y + plane &* shape.outPlane
      for row in 0..<shape.outHeight {
        if lookout.isCancelled(after: shape.rowWork) { return }
        for column in 0..<shape.outWidth {
          let columns = shape.columns(column)
          let first = column &* shape.strideX &- shape.paddingX &+ columns.lowerBound
          let lines = shape.rows(row)
          let corner = input + (row &* shape.strideY &- shape.paddingY &+ lines.lowerBound) &* shape.width + first
          let weight = shape.weight(row, column, divisor)
          output[row &* shape.outWidth &+ column] = windowMean(corner, shape.width, lines.count, columns.count) {
            $0 * weight
          }
        }
      }
    }
  }
}

/// The gradient of `averagePool`; gradX is overwritten.
public func averagePoolBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, shape: PoolingShape, divisor: AverageDivisor
) {
  parallel(tasks: shape.tasks) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: shape.planes, task, tasks) {
      let target = gradX + plane &* shape.inPlane
      fillZero(target, shape.inPlane)
      for row in 0..<shape.outHeight {
        if lookout.isCancelled(after: shape.rowWork) { return }
        for column in 0..<shape.outWidth {
          let columns = shape.columns(column)
          let first = column &* shape.strideX &- shape.paddingX &+ columns.lowerBound
          let grad =
            gradY[plane &* shape.outPlane &+ row &* shape.outWidth &+ column] * shape.weight(row, column, divisor)
          for i in shape.rows(row) {
            addToRow(
              target + (row &* shape.strideY &- shape.paddingY &+ i) &* shape.width + first, grad, columns.count)
          }
        }
      }
    }
  }
}

/// `share` of the sum of a window's elements, in another unit where that is too large for a float.
@inline(__always)
private func windowMean(_ corner: Input, _ stride: Int, _ rows: Int, _ columns: Int, _ share: (Float) -> Float) -> Float
{
  var total: Float = 0
  for row in 0..<rows { total += rowSum(corner + row &* stride, columns) }
  if total - total == 0 { return share(total) }
  total = 0
  for row in 0..<rows {
    for column in 0..<columns { total += corner[row &* stride &+ column] * 0x1p-64 }
  }
  return share(total) * 0x1p64
}

@inline(__always)
private func rowSum(_ row: Input, _ count: Int) -> Float {
  var (index, total) = (0, Float(0))
  if count >= laneCount {
    var lanes = broadcast(0)
    while index &+ laneCount <= count {
      lanes += load(row + index)
      index &+= laneCount
    }
    total = sum(lanes)
  }
  while index < count {
    total += row[index]
    index &+= 1
  }
  return total
}

@inline(__always)
private func addToRow(_ row: Output, _ value: Float, _ count: Int) {
  var index = 0
  while index &+ laneCount <= count {
    store(load(row + index) + broadcast(value), row + index)
    index &+= laneCount
  }
  while index < count {
    row[index] += value
    index &+= 1
  }
}

/// Averages over windows that share out the plane.
///
/// - Parameters:
///   - y: `(planes, outHeight, outWidth)`
///   - x: `(planes, height, width)`
public func adaptiveAveragePool(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, planes: Int, height: Int, width: Int, outHeight: Int,
  outWidth: Int
) {
  parallel(tasks: min(planes, taskLimit(work: planes &* height &* width))) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: planes, task, tasks) {
      let input = x + plane &* height &* width
      for row in 0..<outHeight {
        let rows = part(row, of: height, outHeight)
        if lookout.isCancelled(after: rows.count &* width &+ 16 &* outWidth) { return }
        for column in 0..<outWidth {
          let columns = part(column, of: width, outWidth)
          let corner = input + rows.lowerBound &* width + columns.lowerBound
          y[(plane &* outHeight &+ row) &* outWidth &+ column] = windowMean(corner, width, rows.count, columns.count) {
            $0 / Float(rows.count &* columns.count)
          }
        }
      }
    }
  }
}

/// The gradient of `adaptiveAveragePool`; gradX is overwritten.
public func adaptiveAveragePoolBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, planes: Int, height: Int, width: Int,
  outHeight: Int, outWidth: Int
) {
  parallel(tasks: min(planes, taskLimit(work: planes &* height &* width))) { task, tasks in
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: planes, task, tasks) {
      let target = gradX + plane &* height &* width
      fillZero(target, height &* width)
      for row in 0..<outHeight {
        let rows = part(row, of: height, outHeight)
        if lookout.isCancelled(after: rows.count &* width &+ 16 &* outWidth) { return }
        for column in 0..<outWidth {
          let columns = part(column, of: width, outWidth)
          let grad =
            gradY[(plane &* outHeight &+ row) &* outWidth &+ column] / Float(rows.count &* columns.count)
          for line in rows { addToRow(target + line &* width + columns.lowerBound, grad, columns.count) }
        }
      }
    }
  }
}

@inline(__always)
private func part(_ index: Int, of size: Int, _ parts: Int) -> Range<Int> {
  (index &* size / parts)..<(((index &+ 1) &* size &+ parts &- 1) / parts)
}
