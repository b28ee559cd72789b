// The gradients of a convolution's weights and bias:
//
//   grad_weight[k, c, i, j] = sum over n, v, u of grad_y[n, k, v, u] x[n, c, v sy + i dy - py, u sx + j dx - px]
//   grad_bias[k] = sum over n, v, u of grad_y[n, k, v, u]
//
// A tile is 8 of the (c, i, j) by 48 of the k: the inputs are broadcast from 8 places of a padded copy of x, and grad_y,
// turned so that the k of a pixel lie side by side, is the packed factor. Both copies are made for some images at a time,
// as many as the second-level caches like, and within them a tile runs over some rows at a time, so that what it reads of
// grad_y stays near. Every sum runs over images, rows and columns in order, whatever the number of threads.

import SeriatimSystem

/// Floats of the turned grad_y of one round: more than one image only if they fit.
private let roundSize = 1 << 19
/// Pixels that a tile runs over at a time.
private let chunkPixels = 1024

/// Sizes of the copies.
private struct GradientLayout {
  let shape: ConvolutionShape
  let images: Int
  let pitch, plane: Int
  /// Panels of output channels of a group.
  let panels: Int
  let rows: Int

  init(_ shape: ConvolutionShape) {
    self.shape = shape
    panels = (shape.groupOutputs &+ panelWidth &- 1) / panelWidth
    rows = shape.groupInputs &* shape.taps
    pitch = shape.width &+ 2 &* shape.paddingX
    plane = pitch &* (shape.height &+ 2 &* shape.paddingY)
    let image = max(shape.groups &* panels &* panelWidth &* shape.outPlane, shape.inChannels &* plane)
    images = max(1, min(shape.batch, roundSize / image))
  }

  var turnedSize: Int { shape.groups &* panels &* panelWidth &* images &* shape.outPlane }
  var paddedSize: Int { images &* shape.inChannels &* plane }
  var sumsSize: Int { shape.groups &* panels &* panelWidth &* rows }
}

/// Floats of scratch that `convolutionWeightGradient` needs.
public func convolutionWeightGradientScratchSize(_ shape: ConvolutionShape) -> Int {
  if ConvolutionPass(shape, transposed: false).method == .depthwise {
    return depthwiseGradientScratchSize(shape)
  }
  let layout = GradientLayout(shape)
  return layout.turnedSize &+ layout.paddedSize &+ layout.sumsSize
}

/// The gradients of weight and bias; either may be nil.
///
/// - Parameters:
///   - gradWeight: like the weights, `weightStride` floats from one output channel to the next; gradBias: `(K,)`.
///     Overwritten, or added to
///   - gradY: `(N, K, out height, out width)`, `outStride` floats from one image to the next
///   - x: `(N, C, height, width)`, `inStride` floats from one image to the next
///   - scratch: `convolutionWeightGradientScratchSize` floats
public func convolutionWeightGradient(
  gradWeight: UnsafeMutablePointer<Float>?, weightStride: Int, gradBias: UnsafeMutablePointer<Float>?,
  accumulate: Bool, gradY: UnsafePointer<Float>, outStride: Int, x: UnsafePointer<Float>, inStride: Int,
  shape: ConvolutionShape, scratch: UnsafeMutablePointer<Float>
) {
  let grad = Images<Input>(base: gradY, stride: outStride)
  if let gradBias { biasGradient(gradBias, accumulate: accumulate, grad, shape) }
  guard let gradWeight else { return }
  let source = Images<Input>(base: x, stride: inStride)
  if ConvolutionPass(shape, transposed: false).method == .depthwise {
    return depthwiseWeightGradient(
      gradWeight, stride: weightStride, accumulate: accumulate, grad, source, shape, scratch: scratch)
  }
  let layout = GradientLayout(shape)
  let turned = scratch
  let padded = turned + layout.turnedSize
  let sums = padded + layout.paddedSize
  let tiles = (layout.rows &+ tileRows &- 1) / tileRows
  var image = 0
  while image < shape.batch, !srt_is_cancelled() {
    let images = min(layout.images, shape.batch &- image)
    turn(turned, grad, first: image, images: images, layout)
    pad(padded, source, first: image, images: images, layout)
    let first = image == 0
    parallel(tasks: min(shape.groups &* tiles, taskLimit(work: shape.work))) { task, tasks in
      for index in share(of: shape.groups &* tiles, task, tasks) {
        let group = index / tiles
        let row = (index &- group &* tiles) &* tileRows
        GradientTile(
          layout: layout, group: group, row: row, images: images, first: first, turned: turned, padded: padded,
          sums: sums
        ).run(rows: min(tileRows, layout.rows &- row))
      }
    }
    image &+= images
  }
  unpackSums(gradWeight, stride: weightStride, accumulate: accumulate, sums, layout)
}

/// `turned[panel][image, pixel][output channel of the panel]`
private func turn(_ turned: Output, _ grad: Images<Input>, first: Int, images: Int, _ layout: GradientLayout) {
  let shape = layout.shape
  let pixels = shape.outPlane
  let jobs = shape.groups &* layout.panels &* images
  parallel(tasks: min(jobs, taskLimit(work: jobs &* pixels &* panelWidth))) { task, tasks in
    for job in untilCancelled(share(of: jobs, task, tasks), work: pixels &* panelWidth) {
      let (panel, image) = (job / images, job % images)
      let group = panel / layout.panels
      let channel = (panel &- group &* layout.panels) &* panelWidth
      let source =
        grad.base + (first &+ image) &* grad.stride + (group &* shape.groupOutputs &+ channel) &* pixels
      packPanel(
        turned + (panel &* layout.images &+ image) &* pixels &* panelWidth, stride: panelWidth, width: panelWidth,
        source, depthStride: 1, columnStride: pixels, depth: pixels,
        columns: min(panelWidth, shape.groupOutputs &- channel))
    }
  }
}

/// x with its border of zeros.
private func pad(_ padded: Output, _ source: Images<Input>, first: Int, images: Int, _ layout: GradientLayout) {
  let shape = layout.shape
  let planes = images &* shape.inChannels
  parallel(tasks: min(planes, taskLimit(work: planes &* layout.plane))) { task, tasks in
    for plane in untilCancelled(share(of: planes, task, tasks), work: layout.plane) {
      let (image, channel) = (plane / shape.inChannels, plane % shape.inChannels)
      let input = source.base + (first &+ image) &* source.stride + channel &* shape.inPlane
      for row in 0..<(shape.height &+ 2 &* shape.paddingY) {
        let y = row &- shape.paddingY
        let target = padded + plane &* layout.plane + row &* layout.pitch
        if y < 0 || y >= shape.height {
          fillZero(target, layout.pitch)
        } else {
          ClippedRow(from: 0 &- shape.paddingX, count: layout.pitch, width: shape.width)
            .copy(input + y &* shape.width, to: target)
        }
      }
    }
  }
}

/// Up to `tileRows` of a group's (c, i, j) against all its output channels, over the images of a round.
private struct GradientTile: TileBody {
  let layout: GradientLayout
  let group, row, images: Int
  let first: Bool
  let turned, padded: Input
  let sums: Output

  init(
    layout: GradientLayout, group: Int, row: Int, images: Int, first: Bool, turned: Output, padded: Output, sums: Output
  ) {
    (self.layout, self.group, self.row, self.images, self.first) = (layout, group, row, images, first)
    (self.turned, self.padded, self.sums) = (UnsafePointer(turned), UnsafePointer(padded), sums)
  }

  @inline(never)
  func run(rows: Int) { withTile(rows: rows, self) }

  /// Where the inputs of a (c, i, j) begin.
  @inline(never)
  private func offset(of place: Int) -> Int {
    let shape = layout.shape
    let (channel, tap) = (place / shape.taps, place % shape.taps)
    let (i, j) = (tap / shape.kernelWidth, tap % shape.kernelWidth)
    return (group &* shape.groupInputs &+ channel) &* layout.plane &+ i &* shape.dilationY &* layout.pitch
      &+ j &* shape.dilationX
  }

  @inline(__always)
  @_optimize(speed)
  func run<let panels: Int, let rows: Int>(_ size: TileSize<panels, rows>.Type) {
    let shape = layout.shape
    var offsets = InlineArray<rows, Int>(repeating: 0)
    for index in 0..<rows { offsets[unchecked: index] = offset(of: row &+ index) }
    let lines = max(1, chunkPixels / shape.outWidth)
    var lookout = Lookout()
    for image in 0..<images {
      var line = 0
      while line < shape.outHeight {
        let count = min(lines, shape.outHeight &- line)
        if lookout.isCancelled(after: count &* shape.outWidth &* tileRows &* panelWidth &* layout.panels) { return }
        let fresh = first && image == 0 && line == 0
        for panel in 0..<layout.panels {
          let index = group &* layout.panels &+ panel
          let target = sums + (index &* layout.rows &+ row) &* panelWidth
          let gradients =
            turned + ((index &* layout.images &+ image) &* shape.outPlane &+ line &* shape.outWidth) &* panelWidth
          let inputs =
            padded + image &* shape.inChannels &* layout.plane + line &* shape.strideY &* layout.pitch
          let columns = shape.groupOutputs &- panel &* panelWidth
          if columns > 2 &* laneCount {
            add(target, inputs, offsets, gradients, lines: count, fresh: fresh, Tile<rows, 3>.self)
          } else if columns > laneCount {
            add(target, inputs, offsets, gradients, lines: count, fresh: fresh, Tile<rows, 2>.self)
          } else {
            add(target, inputs, offsets, gradients, lines: count, fresh: fresh, Tile<rows, 1>.self)
          }
        }
        line &+= count
      }
    }
  }

  @inline(__always)
  private func add<let rows: Int, let columns: Int>(
    _ target: Output, _ inputs: Input, _ offsets: InlineArray<rows, Int>, _ gradients: Input, lines: Int, fresh: Bool,
    _ size: Tile<rows, columns>.Type
  ) {
    let shape = layout.shape
    var tile = Tile<rows, columns>(repeating: InlineArray(repeating: broadcast(0)))
    if !fresh {
      for row in 0..<rows {
        for column in 0..<columns {
          tile[unchecked: row][unchecked: column] = load(target + row &* panelWidth + column &* laneCount)
        }
      }
    }
    var gradients = gradients
    var inputs = inputs
    let (step, width) = (shape.strideX, shape.outWidth)
    let next = shape.strideY &* layout.pitch &- width &* step
    for _ in 0..<lines {
      for _ in 0..<width {
        var factors = InlineArray<columns, Lanes>(repeating: broadcast(0))
        for column in 0..<columns { factors[unchecked: column] = load(gradients + column &* laneCount) }
        for row in 0..<rows {
          let input = broadcast(inputs[offsets[unchecked: row]])
          for column in 0..<columns {
            tile[unchecked: row][unchecked: column] = multiplyAdd(
              tile[unchecked: row][unchecked: column], input, factors[unchecked: column])
          }
        }
        inputs += step
        gradients += panelWidth
      }
      inputs += next
    }
    for row in 0..<rows {
      for column in 0..<columns {
        store(tile[unchecked: row][unchecked: column], target + row &* panelWidth + column &* laneCount)
      }
    }
  }
}

/// `(panel)(c, i, j)(k)` to `(k)(c, i, j)`.
private func unpackSums(
  _ gradWeight: Output, stride: Int, accumulate: Bool, _ sums: Input, _ layout: GradientLayout
) {
  let shape = layout.shape
  parallel(tasks: min(shape.outChannels, taskLimit(work: shape.outChannels &* layout.rows))) { task, tasks in
    for channel in untilCancelled(share(of: shape.outChannels, task, tasks), work: 16 &* layout.rows) {
      let (group, inner) = (channel / shape.groupOutputs, channel % shape.groupOutputs)
      let panel = group &* layout.panels &+ inner / panelWidth
      let source = sums + panel &* layout.rows &* panelWidth + inner % panelWidth
      let target = gradWeight + channel &* stride
      for row in 0..<layout.rows {
        let value = source[row &* panelWidth]
        target[row] = accumulate ? target[row] + value : value
      }
    }
  }
}

/// Sums of the planes of every output channel.
private func biasGradient(
  _ gradBias: Output, accumulate: Bool, _ grad: Images<Input>, _ shape: ConvolutionShape
) {
  let pixels = shape.outPlane
  parallel(tasks: min(shape.outChannels, taskLimit(work: shape.outChannels &* shape.batch &* pixels))) { task, tasks in
    for channel in share(of: shape.outChannels, task, tasks) {
      var total = broadcast(0)
      for image in untilCancelled(0..<shape.batch, work: pixels) {
        let plane = grad.base + image &* grad.stride + channel &* pixels
        var first = 0
        while first < pixels {
          total += load(plane + first, first: pixels &- first)
          first &+= laneCount
        }
      }
      gradBias[channel] = sum(total) + (accumulate ? gradBias[channel] : 0)
    }
  }
}
