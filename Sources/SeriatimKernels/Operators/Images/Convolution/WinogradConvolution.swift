// Convolution by Winograd's transforms, for 3x3 and 5x5 kernels with stride and dilation 1.
//
// A panel is 48 tiles of 6x6 inputs, side by side over rows and images: per point of the tile a matrix (sources, 48). It
// is multiplied with the transformed weights of the point, and the 36 products of 8 target channels are transformed back
// while they are in the first-level cache.
//
//   multiply-adds     36 / (m m) per output, source and target: 2.25 instead of 9 for 3x3, 9 instead of 25 for 5x5
//   input transform   about 6 cycles per tile and source, against 36 targets / 32 of the multiply-adds
//   output transform  about 5 cycles per tile and target
//   panel             36 * sources * 192 bytes: 442 KB for 64 channels, in the second-level cache; four tiles of targets
//                     read a point of it (12 KB) one after another
//
// Weights are (group)(tile of targets)(point)(source)(target).

/// From this number of sources and of targets on, Winograd's method is faster than gathering.
let winogradChannels = 8

/// Floats of packed weights: the transformed ones, and behind them those of the gathered method.
func winogradPackedSize(_ pass: ConvolutionPass) -> Int {
  winogradPlace(pass, block: pass.groups &* pass.tiles, point: 0)
    &+ pass.groups &* pass.tiles &* tileRows &* pass.sources &* pass.taps
}

func winogradScratchSize(_ pass: ConvolutionPass) -> Int {
  let tiling = WinogradTiling(pass)
  return outlierSize(pass, strips: tiling.rows)
    &+ max(
      scratchSize(panel: winogradPanelSize(pass), work: winogradWorkSize(pass)),
      gatheredScratchSize(pass.strip(from: 0, rows: tiling.outputs)))
}

func winogradConvolution(
  _ target: Images<Output>, _ source: Images<Input>, _ packed: Input, _ end: ConvolutionEnd, _ pass: ConvolutionPass,
  work: Int, scratch: Output
) {
  let tiling = WinogradTiling(pass)
  let (strips, outputs) = (tiling.rows, tiling.outputs)
  let rest = scratch + outlierSize(pass, strips: strips)
  let hasOutliers = markOutliers(scratch, source, pass, strips: strips, outputs: outputs)
  run(
    WinogradConvolution(
      pass: pass, tiling: tiling, source: source, target: target, packed: packed, end: end,
      gathered: hasOutliers ? UnsafePointer(scratch) : nil), work: work, scratch: rest)
  guard hasOutliers else { return }
  for strip in 0..<(pass.batch &* strips) where scratch[strip] != 0 {
    let (image, row) = (strip / strips, strip % strips &* outputs)
    let rows = min(outputs, pass.vertical.outputs &- row)
    gatheredConvolution(
      Images(base: target.base + image &* target.stride + row &* pass.horizontal.outputs, stride: target.stride),
      Images(base: source.base + image &* source.stride, stride: source.stride),
      packed + winogradPlace(pass, block: pass.groups &* pass.tiles, point: 0), end,
      pass.strip(from: row, rows: rows), work: work / (pass.batch &* strips), scratch: rest)
  }
}

/// How outputs are cut into tiles.
private struct WinogradTiling {
  /// Outputs of a tile in each direction, and tiles of an image.
  let outputs, rows, columns: Int

  init(_ pass: ConvolutionPass) {
    outputs = 7 &- pass.vertical.kernel
    rows = (pass.vertical.outputs &+ outputs &- 1) / outputs
    columns = (pass.horizontal.outputs &+ outputs &- 1) / outputs
  }
}

private struct WinogradConvolution: ConvolutionMethod {
  let pass: ConvolutionPass
  let tiling: WinogradTiling
  let source: Images<Input>
  let target: Images<Output>
  let packed: Input
  let end: ConvolutionEnd
  /// Rows of tiles that are not written, (image)(row): those that are not 0.
  let gathered: Input?

  private var outputs: Int { tiling.outputs }
  private var rows: Int { tiling.rows }
  private var columns: Int { tiling.columns }
  private var groupPanels: Int { panelCount(of: pass.batch &* rows &* columns) }
  var panels: Int { pass.groups &* groupPanels }
  var sources: Int { pass.sources }
  var tiles: Int { pass.tiles }
  var panelSize: Int { winogradPanelSize(pass) }
  var workSize: Int { winogradWorkSize(pass) }

  func prepare(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output) {
    // A call with a constant number of outputs, so that every loop over them is unrolled.
    if outputs == 4 {
      transformInputs(panel, sources: sources, memory, work: work, outputs: 4)
    } else {
      transformInputs(panel, sources: sources, memory, work: work, outputs: 2)
    }
  }

  @inline(__always)
  private func transformInputs(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output, outputs: Int) {
    let group = panel / groupPanels
    let (height, width) = (pass.vertical.inputs, pass.horizontal.inputs)
    // A transposed pass is one with its kernel turned around: the taps reach back instead of forward.
    let reach = pass.vertical.kernel &- 1
    let paddingY = pass.vertical.transposed ? reach &- pass.vertical.padding : pass.vertical.padding
    let paddingX = pass.horizontal.transposed ? reach &- pass.horizontal.padding : pass.horizontal.padding
    let half = work + rowSpace
    let pointStride = winogradPointStride(pass)
    withRuns(panel: panel &- group &* groupPanels, images: pass.batch, rows: rows, columns: columns) { runs, _, tiles in
      for channel in sources {
        runs.forEach { run in
          let plane =
            source.base + run.image &* source.stride + (group &* pass.sources &+ channel) &* pass.sourcePlane
          let from = run.column &* outputs &- paddingX
          let count = run.count &* outputs &+ 6 &- outputs
          for i in 0..<6 {
            let y = run.row &* outputs &+ i &- paddingY
            let target = half + i &* 6 &* halfStride + run.lane
            if y < 0 || y >= height {
              for j in 0..<6 { fillZero(target + j &* halfStride, run.count) }
              continue
            }
            var row = UnsafePointer(work)
            let line = plane + y &* width
            if from >= 0 && from &+ roundedUp(run.count, to: laneCount) &* outputs &+ 4 <= width {
              row = line + from
            } else {
              ClippedRow(from: from, count: count, width: width).copy(line, to: work)
            }
            var lane = 0
            while lane < run.count {
              let points = winogradInput(loadPhases(row + lane &* outputs, outputs: outputs))
              for j in 0..<6 { store(points[unchecked: j], target + j &* halfStride + lane) }
              lane &+= laneCount
            }
          }
        }
        var lane = 0
        while lane < tiles {
          for j in 0..<6 {
            var column = InlineArray<6, Lanes>(repeating: broadcast(0))
            for i in 0..<6 { column[unchecked: i] = load(half + (i &* 6 &+ j) &* halfStride + lane) }
            let points = winogradInput(column)
            for i in 0..<6 {
              store(
                points[unchecked: i], memory + (i &* 6 &+ j) &* pointStride + channel &* panelWidth + lane)
            }
          }
          lane &+= laneCount
        }
      }
    }
  }

  func finish(_ panel: Int, tiles: Range<Int>, _ memory: Input, work: Output) {
    let group = panel / groupPanels
    let pointStride = winogradPointStride(pass)
    withRuns(panel: panel &- group &* groupPanels, images: pass.batch, rows: rows, columns: columns) { runs, _, count in
      var first = tiles.lowerBound
      var lookout = Lookout()
      let blockWork = blockTiles &* winogradPoints &* winogradProducts &* pass.sources
      while first < tiles.upperBound, !lookout.isCancelled(after: blockWork) {
        let last = min(first &+ blockTiles, tiles.upperBound)
        for point in 0..<winogradPoints {
          for tile in first..<last {
            productTile(
              rows: min(tileRows, pass.targets &- tile &* tileRows),
              ProductTile(
                start: .zero, a: packed + winogradPlace(pass, block: group &* pass.tiles &+ tile, point: point),
                rowStride: 1, depthStride: tileRows, b: memory + point &* pointStride, depth: pass.sources,
                c: work + ((tile &- first) &* winogradPoints &+ point) &* winogradProducts, outputStride: panelWidth,
                width: roundedUp(count, to: laneCount)))
          }
        }
        for target in (first &* tileRows)..<min(last &* tileRows, pass.targets) {
          let (tile, row) = (target / tileRows &- first, target % tileRows)
          let products = work + tile &* winogradPoints &* winogradProducts + row &* panelWidth
          let channel = group &* pass.targets &+ target
          if outputs == 4 {
            transformOutputs(products, channel: channel, runs, tiles: count, outputs: 4)
          } else {
            transformOutputs(products, channel: channel, runs, tiles: count, outputs: 2)
          }
        }
        first = last
      }
    }
  }

  /// The tiles of one target channel; `products` are `winogradProducts` apart from point to point.
  @inline(__always)
  private func transformOutputs(
    _ products: Output, channel: Int, _ runs: PanelRuns, tiles: Int, outputs: Int
  ) {
    let shift = broadcast(end.bias.map { $0[channel] } ?? 0)
    withStack(of: Float.self, count: 4 &* panelWidth &* 4) { rows in
      var lane = 0
      while lane < tiles {
        var half = InlineArray<24, Lanes>(repeating: broadcast(0))
        for j in 0..<6 {
          var column = InlineArray<6, Lanes>(repeating: broadcast(0))
          for i in 0..<6 {
            column[unchecked: i] = load(products + (i &* 6 &+ j) &* winogradProducts + lane)
          }
          let sums = winogradOutput(column, outputs: outputs)
          for i in 0..<outputs { half[unchecked: i &* 6 &+ j] = sums[unchecked: i] }
        }
        for i in 0..<outputs {
          var line = InlineArray<6, Lanes>(repeating: broadcast(0))
          for j in 0..<6 { line[unchecked: j] = half[unchecked: i &* 6 &+ j] }
          var sums = winogradOutput(line, outputs: outputs)
          for j in 0..<outputs { sums[unchecked: j] = end.activation.apply(sums[unchecked: j] + shift) }
          storePhases(sums, rows + i &* panelWidth &* outputs + lane &* outputs, outputs: outputs)
        }
        lane &+= laneCount
      }
      let plane = target.base + channel &* pass.targetPlane
      let (height, width) = (pass.vertical.outputs, pass.horizontal.outputs)
      runs.forEach { run in
        if let gathered, gathered[run.image &* self.rows &+ run.row] != 0 { return }
        let column = run.column &* outputs
        let count = min(run.count &* outputs, width &- column)
        for i in 0..<min(outputs, height &- run.row &* outputs) {
          addRow(
            plane + run.image &* target.stride + (run.row &* outputs &+ i) &* width + column,
            rows + i &* panelWidth &* outputs + run.lane &* outputs, count: count, accumulate: end.accumulate)
        }
      }
    }
  }
}

/// Room for a row of inputs of one run, and what lies behind it in its last registers.
private let rowSpace = panelWidth &* 4 &+ 8 &* laneCount

/// From one half-transformed point to the next: a run's last register reaches behind its tiles.
private let halfStride = panelWidth &+ laneCount

/// From one point of a panel to the next. Not a multiple of the first-level cache's period.
func winogradPointStride(_ pass: ConvolutionPass) -> Int { pass.sources &* panelWidth &+ 16 }

func winogradPanelSize(_ pass: ConvolutionPass) -> Int { winogradPoints &* winogradPointStride(pass) }

/// Floats of the products of one point: a tile.
private let winogradProducts = tileRows &* panelWidth

/// Tiles that read a point of the panel one after another, while it is in the first-level cache.
private let blockTiles = 4

/// Where the transformed weights of a point begin. From one point to the next is no multiple of a cache's period.
@inline(__always)
private func winogradPlace(_ pass: ConvolutionPass, block: Int, point: Int) -> Int {
  (block &* winogradPoints &+ point) &* (pass.sources &* tileRows &+ 16)
}

/// A row and the half-transformed inputs; at another time, the products of some tiles of targets.
func winogradWorkSize(_ pass: ConvolutionPass) -> Int {
  max(rowSpace &+ winogradPoints &* halfStride, blockTiles &* winogradPoints &* winogradProducts)
}

/// Transforms the weights: `G g G^T` for every kernel g; and keeps them as they are besides.
func packWinograd(_ packed: Output, _ weights: ConvolutionWeights, _ pass: ConvolutionPass) {
  let blocks = pass.groups &* pass.tiles
  let pointStride = winogradPlace(pass, block: 0, point: 1)
  packGathered(packed + winogradPlace(pass, block: blocks, point: 0), weights, pass)
  parallel(tasks: min(blocks, taskLimit(work: pass.packedSize))) { task, tasks in
    for block in untilCancelled(share(of: blocks, task, tasks), work: 8 &* pass.packedSize / blocks) {
      let (group, tile) = (block / pass.tiles, block % pass.tiles)
      let channels = min(tileRows, pass.targets &- tile &* tileRows)
      for source in 0..<pass.sources {
        let kernel = weights.kernel(group, tile &* tileRows, source)
        let target = packed + winogradPlace(pass, block: block, point: 0) + source &* tileRows
        if pass.vertical.kernel == 3 {
          transformKernels(target, pointStride, kernel, weights.targetStride, channels, pass, taps: 3)
        } else {
          transformKernels(target, pointStride, kernel, weights.targetStride, channels, pass, taps: 5)
        }
      }
    }
  }
}

/// The kernels of one source and of `channels` targets, zeros behind them.
@inline(__always)
private func transformKernels(
  _ target: Output, _ pointStride: Int, _ kernel: Input, _ targetStride: Int, _ channels: Int,
  _ pass: ConvolutionPass, taps: Int
) {
  let turned = pass.vertical.transposed
  var half = InlineArray<30, TileLanes>(repeating: TileLanes(repeating: 0))
  for j in 0..<taps {
    var column = InlineArray<5, TileLanes>(repeating: TileLanes(repeating: 0))
    for i in 0..<taps {
      let place = i &* taps &+ j
      let source = kernel + (turned ? taps &* taps &- 1 &- place : place)
      if channels == tileRows {
        for channel in 0..<tileRows { column[unchecked: i][channel] = source[channel &* targetStride] }
      } else {
        for channel in 0..<channels { column[unchecked: i][channel] = source[channel &* targetStride] }
      }
    }
    let points = winogradTaps(column, taps: taps)
    for i in 0..<6 { half[unchecked: i &* 5 &+ j] = points[unchecked: i] }
  }
  for i in 0..<6 {
    var line = InlineArray<5, TileLanes>(repeating: TileLanes(repeating: 0))
    for j in 0..<taps { line[unchecked: j] = half[unchecked: i &* 5 &+ j] }
    let points = winogradTaps(line, taps: taps)
    for j in 0..<6 {
      UnsafeMutableRawPointer(target + (i &* 6 &+ j) &* pointStride).storeBytes(
        of: points[unchecked: j], as: TileLanes.self)
    }
  }
}
