// Planes of another size, each output a mean of one or four inputs: which ones, and with what weights, tables of both
// axes say, so that all of torch's rules are the caller's.
//
//   nearest    y[i, j] = x[a, b]                                                  a = rows[i], b = columns[j]
//   bilinear   y[i, j] = (1 - p) ((1 - q) x[a, b] + q x[a, b']) + p ((1 - q) x[a', b] + q x[a', b'])
//              p = rowWeights[i], q = columnWeights[j], a' = min(a + 1, height - 1), b' alike; a, b where the weight is 0:
//              0 of what is not finite would be NaN
//   backward   the same weights from outputs to inputs, output after output: every sum is one chain
//
// Each reads and writes every element once or a few times: bound by memory. Planes are shared out.

/// The sizes and tables of an upsampling; weights are nil for the nearest.
public struct UpsampleShape {
  public var planes, height, width, outHeight, outWidth: Int
  /// `(outHeight,)` and `(outWidth,)`: places in a plane's rows and columns
  public var rows, columns: UnsafePointer<Int32>
  /// The same shapes, from 0 to 1; both or neither
  public var rowWeights, columnWeights: UnsafePointer<Float>?

  /// From the sizes and tables, as they are.
  public init(
    planes: Int, height: Int, width: Int, outHeight: Int, outWidth: Int, rows: UnsafePointer<Int32>,
    columns: UnsafePointer<Int32>, rowWeights: UnsafePointer<Float>?, columnWeights: UnsafePointer<Float>?
  ) {
    (self.planes, self.height, self.width) = (planes, height, width)
    (self.outHeight, self.outWidth, self.rows, self.columns) = (outHeight, outWidth, rows, columns)
    (self.rowWeights, self.columnWeights) = (rowWeights, columnWeights)
  }

  /// `body(output's row in all planes, upper and lower input row, weight of the lower)`, for all rows of a task's planes, until the
  /// call is cancelled.
  @inline(__always)
  fileprivate func forEachRow(_ planes: Range<Int>, _ body: (_ output: Int, _ upper: Int, _ lower: Int, Float) -> Void)
  {
    var lookout = Lookout(asksAtOnce: true)
    for plane in planes {
      for row in 0..<outHeight {
        if lookout.isCancelled(after: 8 &* outWidth) { return }
        let (upper, weight) = (Int(rows[row]), rowWeights.map { $0[row] } ?? 0)
        let start = plane &* height
        body(
          (plane &* outHeight &+ row) &* outWidth, (start &+ upper) &* width,
          (start &+ following(upper, weight, height)) &* width, weight)
      }
    }
  }

  @inline(__always)
  fileprivate func following(_ place: Int, _ weight: Float, _ size: Int) -> Int {
    weight == 0 ? place : min(place &+ 1, size &- 1)
  }

  fileprivate func work(_ perElement: Int) -> Int {
    min(planes, taskLimit(work: planes &* (outHeight &* outWidth &+ height &* width) &* perElement))
  }
}

/// Planes of another size.
///
/// - Parameters:
///   - y: `(planes, outHeight, outWidth)`
///   - x: `(planes, height, width)`
public func upsample(y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, shape: UpsampleShape) {
  parallel(tasks: shape.work(4)) { task, tasks in
    shape.forEachRow(share(of: shape.planes, task, tasks)) { output, upper, lower, p in
      for j in 0..<shape.outWidth {
        let b = Int(shape.columns[j])
        guard let q = shape.columnWeights?[j] else {
          y[output &+ j] = x[upper &+ b]
          continue
        }
        let next = shape.following(b, q, shape.width)
        let above = (1 - q) * x[upper &+ b] + q * x[upper &+ next]
        let below = (1 - q) * x[lower &+ b] + q * x[lower &+ next]
        y[output &+ j] = (1 - p) * above + p * below
      }
    }
  }
}

/// The gradient of `upsample`.
///
/// - Parameters:
///   - gradX: `(planes, height, width)`, overwritten
///   - gradY: `(planes, outHeight, outWidth)`
public func upsampleBackward(
  gradX: UnsafeMutablePointer<Float>, gradY: UnsafePointer<Float>, shape: UpsampleShape
) {
  parallel(tasks: shape.work(8)) { task, tasks in
    let planes = share(of: shape.planes, task, tasks)
    let plane = shape.height &* shape.width
    fillZero(gradX + planes.lowerBound &* plane, planes.count &* plane)
    shape.forEachRow(planes) { output, upper, lower, p in
      for j in 0..<shape.outWidth {
        let (b, grad) = (Int(shape.columns[j]), gradY[output &+ j])
        guard let q = shape.columnWeights?[j] else {
          gradX[upper &+ b] += grad
          continue
        }
        let next = shape.following(b, q, shape.width)
        let (above, below) = ((1 - p) * grad, p * grad)
        gradX[upper &+ b] += (1 - q) * above
        gradX[upper &+ next] += q * above
        gradX[lower &+ b] += (1 - q) * below
        gradX[lower &+ next] += q * below
      }
    }
  }
}
