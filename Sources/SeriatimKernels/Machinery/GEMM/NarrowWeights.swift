// Packed weights of half or a quarter the width, for inference: what streams from a cache or from memory is what one row
// waits for. They are widened to floats in registers, between the load and the multiply-add, and all sums are floats in
// the order of the depth, as ever: a row has the same bits alone and in any batch.
//
// A panel of `depth` steps, `panelWidth` columns each:
//
//   float32    floats, a step behind the other.
//   bfloat16   words of two steps: the first in the low half, the second in the high half, so that a shift, or a mask,
//              makes a register of floats on every level. An odd depth ends with a half that is not read.
//              c = start + sum a b: the bits of float32 weights that have been rounded to bfloat16.
//   int8       a row of `panelWidth` scales, floats, one a column; then whole numbers q, a byte each.
//              c = start + scale * (sum a q).

/// How the elements of packed weights are kept.
public enum WeightForm {
  case float32
  case bfloat16
  case int8

  /// Of one element.
  var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    case .int8: 1
    }
  }

  /// Floats that one panel takes.
  @inline(__always)
  func panelSize(depth: Int) -> Int {
    switch self {
    case .float32: depth &* panelWidth
    case .bfloat16: (depth &+ 1) / 2 &* panelWidth
    case .int8: panelWidth &+ depth &* (panelWidth / 4)
    }
  }

  /// Floats that `packNarrow` writes for a `(depth, columns)` matrix.
  public func packedSize(depth: Int, columns: Int) -> Int { panelCount(columns) &* panelSize(depth: depth) }
}

/// Packs rows of a weight as columns of a product's right factor, in bfloat16 or int8.
///
/// - Parameters:
///   - packed: `form.packedSize(depth:columns:)` floats, written whole
///   - weight: rows of `depth`; for int8 whole numbers in -127...127
///   - scales: one a row of the weight; only for int8
///   - row: that of a column, nil for a column of zeros; asked for columns past the end, too
func packNarrow(
  _ packed: Output, _ form: WeightForm, _ weight: Input, _ scales: Input?, depth: Int, columns: Int,
  row: (_ column: Int) -> Int?
) {
  let panels = panelCount(columns)
  parallel(tasks: min(panels, taskLimit(work: depth &* panels &* panelWidth))) { task, tasks in
    for panel in untilCancelled(share(of: panels, task, tasks), work: 8 &* depth &* panelWidth) {
      let target = packed + panel &* form.panelSize(depth: depth)
      for lane in 0..<panelWidth {
        let source = row(panel &* panelWidth &+ lane)
        if form == .int8 { target[lane] = source.map { scales?[$0] ?? 1 } ?? 0 }
        packColumn(
          UnsafeMutableRawPointer(target), form, lane: lane, source.map { weight + $0 &* depth }, depth: depth)
      }
    }
  }
}

/// - Parameter source: nil for a column of zeros
private func packColumn(_ panel: UnsafeMutableRawPointer, _ form: WeightForm, lane: Int, _ source: Input?, depth: Int) {
  if form == .int8 {
    let bytes = (panel + 4 &* panelWidth).assumingMemoryBound(to: Int8.self)
    for step in 0..<depth {
      bytes[step &* panelWidth &+ lane] = source.map { Int8(truncatingIfNeeded: Int32($0[step])) } ?? 0
    }
    return
  }
  let halves = panel.assumingMemoryBound(to: UInt16.self)
  for step in 0..<roundedUp(depth, to: 2) {
    var half: UInt16 = 0
    if step < depth, let source { half = roundedToBFloat16(source[step]) }
    halves[(step / 2 &* panelWidth &+ lane) &* 2 &+ step & 1] = half
  }
}

/// To the nearest, ties to even; not for NaN.
private func roundedToBFloat16(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits &>> 16 & 1)) &>> 16)
}

/// `productTile` for any form. `tile.b` is the first panel.
@inline(__always)
func productTile(_ form: WeightForm, panels: Int = 1, rows: Int, _ tile: ProductTile) {
  switch form {
  case .float32: productTile(panels: panels, rows: rows, tile)
  case .bfloat16: narrowTile(BFloat16Panels.self, panels: panels, rows: rows, tile)
  case .int8: narrowTile(Int8Panels.self, panels: panels, rows: rows, tile)
  }
}

@inline(never)
@_optimize(speed)
private func narrowTile<Form: NarrowPanels>(_ form: Form.Type, panels: Int, rows: Int, _ tile: ProductTile) {
  if tile.width >= panelWidth {
    withTile(panels: panels, rows: rows, NarrowTile<Form>(tile: tile))
  } else {
    edgeTile(rows: rows, width: panelWidth, tile) { narrowTile(form, panels: 1, rows: rows, $0) }
  }
}

private struct NarrowTile<Form: NarrowPanels>: TileBody {
  let tile: ProductTile

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    var sums: PanelTiles<panels, rows> = zeroTiles()
    if !Form.isScaled { start(&sums, tile) }
    let panelStride = Form.form.panelSize(depth: tile.depth)
    Form.multiplyAdd(
      &sums, tile.a, rowStride: tile.rowStride, Form.isScaled ? tile.b + panelWidth : tile.b, panelStride: panelStride,
      depth: tile.depth)
    if Form.isScaled {
      var scaled: PanelTiles<panels, rows> = zeroTiles()
      start(&scaled, tile)
      for panel in 0..<panels {
        for column in 0..<panelRegisters {
          let scale = load(tile.b + panel &* panelStride + column &* laneCount)
          for row in 0..<rows {
            sums[unchecked: panel][unchecked: row][unchecked: column] = multiplyAdd(
              scaled[unchecked: panel][unchecked: row][unchecked: column],
              sums[unchecked: panel][unchecked: row][unchecked: column], scale)
          }
        }
      }
    }
    finish(sums, tile)
  }
}

/// Multiply-adds with panels of one form.
private protocol NarrowPanels {
  static var form: WeightForm { get }
  static var isScaled: Bool { get }
  /// As the `multiplyAdd` of floats, without the scales, which are before `b`.
  static func multiplyAdd<let panels: Int, let rows: Int>(
    _ sums: inout PanelTiles<panels, rows>, _ a: Input, rowStride: Int, _ b: Input, panelStride: Int, depth: Int)
}

private enum BFloat16Panels: NarrowPanels {
  @inline(__always)
  static var form: WeightForm { .bfloat16 }
  @inline(__always)
  static var isScaled: Bool { false }

  @inline(__always)
  static func multiplyAdd<let panels: Int, let rows: Int>(
    _ sums: inout PanelTiles<panels, rows>, _ a: Input, rowStride: Int, _ b: Input, panelStride: Int, depth: Int
  ) {
    var inner = sums
    var (a, b) = (a, b)
    for _ in 0..<(depth / 2) {
      for panel in 0..<panels {
        addStep(&inner, panel, a, rowStride: rowStride, b + panel &* panelStride, isSecond: false)
        addStep(&inner, panel, a + 1, rowStride: rowStride, b + panel &* panelStride, isSecond: true)
      }
      a += 2
      b += panelWidth
    }
    if depth & 1 != 0 {
      for panel in 0..<panels {
        addStep(&inner, panel, a, rowStride: rowStride, b + panel &* panelStride, isSecond: false)
      }
    }
    sums = inner
  }

  @inline(__always)
  private static func addStep<let panels: Int, let rows: Int>(
    _ sums: inout PanelTiles<panels, rows>, _ panel: Int, _ a: Input, rowStride: Int, _ b: Input, isSecond: Bool
  ) {
    addProducts(&sums, panel, a, rowStride: rowStride) { column in
      let words = unsafeBitCast(load(b + column &* laneCount), to: WordLanes.self)
      return unsafeBitCast(isSecond ? words & WordLanes(repeating: 0xffff_0000) : words &<< 16, to: Lanes.self)
    }
  }
}

private enum Int8Panels: NarrowPanels {
  @inline(__always)
  static var form: WeightForm { .int8 }
  @inline(__always)
  static var isScaled: Bool { true }

  @inline(__always)
  static func multiplyAdd<let panels: Int, let rows: Int>(
    _ sums: inout PanelTiles<panels, rows>, _ a: Input, rowStride: Int, _ b: Input, panelStride: Int, depth: Int
  ) {
    var inner = sums
    var (a, b) = (a, UnsafeRawPointer(b))
    for _ in 0..<depth {
      for panel in 0..<panels {
        addProducts(&inner, panel, a, rowStride: rowStride) { column in
          widened(b + (panel &* panelStride &* 4 &+ column &* laneCount))
        }
      }
      a += 1
      b += panelWidth
    }
    sums = inner
  }
}

/// Adds one step of one panel, whose registers of weights `weights(column)` gives.
@inline(__always)
private func addProducts<let panels: Int, let rows: Int>(
  _ sums: inout PanelTiles<panels, rows>, _ panel: Int, _ a: Input, rowStride: Int, _ weights: (_ column: Int) -> Lanes
) {
  if holdsInputs {
    // Few registers: one of weights at a time.
    for column in 0..<panelRegisters {
      let weight = weights(column)
      for row in 0..<rows {
        sums[unchecked: panel][unchecked: row][unchecked: column] = multiplyAdd(
          sums[unchecked: panel][unchecked: row][unchecked: column], broadcast(a[row &* rowStride]), weight)
      }
    }
    return
  }
  var held = InlineArray<3, Lanes>(repeating: Lanes(repeating: 0))
  for column in 0..<panelRegisters { held[unchecked: column] = weights(column) }
  for row in 0..<rows {
    let input = broadcast(a[row &* rowStride])
    for column in 0..<panelRegisters {
      sums[unchecked: panel][unchecked: row][unchecked: column] = multiplyAdd(
        sums[unchecked: panel][unchecked: row][unchecked: column], input, held[unchecked: column])
    }
  }
}
