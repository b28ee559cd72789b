// Convolution as a matrix product whose right factor, (channels and taps, output pixels), is never whole in memory: the
// rows of one panel, 48 pixels wide, are gathered into scratch, multiplied with all weights, and forgotten.
//
// Gathering costs one move per tap, channel and pixel against `targets` multiply-adds: a few per cent of the time from 32
// target channels on. Weights are (tile of targets)(source, tap)(target), so that a step of the depth reads them side by
// side.

/// One phase of a pass.
struct GatheredConvolution: ConvolutionMethod {
  let pass: ConvolutionPass
  let source: Images<Input>
  let target: Images<Output>
  let packed: Input
  let end: ConvolutionEnd
  let phaseY, phaseX: Int
  private let rows, columns, taps: Int

  init(
    pass: ConvolutionPass, source: Images<Input>, target: Images<Output>, packed: Input, end: ConvolutionEnd,
    phaseY: Int, phaseX: Int
  ) {
    self.pass = pass
    self.source = source
    self.target = target
    self.packed = packed
    self.end = end
    self.phaseY = phaseY
    self.phaseX = phaseX
    rows = pass.vertical.count(phase: phaseY)
    columns = pass.horizontal.count(phase: phaseX)
    taps = pass.vertical.taps(phase: phaseY) &* pass.horizontal.taps(phase: phaseX)
  }

  private var depth: Int { pass.sources &* taps }
  private var groupPanels: Int { (pass.batch &* rows &* columns &+ panelWidth &- 1) / panelWidth }
  var panels: Int { pass.groups &* groupPanels }
  var sources: Int { pass.sources }
  var tiles: Int { pass.tiles }
  var panelSize: Int { gatheredPanelSize(pass) }
  var workSize: Int { gatheredWorkSize }
  var packedSize: Int { pass.groups &* pass.tiles &* tileRows &* depth }

  func prepare(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output) {
    let group = panel / groupPanels
    let first = (panel &- group &* groupPanels) &* panelWidth
    let (vertical, horizontal) = (pass.vertical, pass.horizontal)
    withRuns(first: first, images: pass.batch, rows: rows, columns: columns) { runs, width in
      for run in runs {
        let image = source.base + run.image &* source.stride + group &* pass.sources &* pass.sourcePlane
        // The last register that is used has no lanes that were never written.
        let count = run.lane &+ run.count == width ? roundedUp(width, to: laneCount) &- run.lane : run.count
        var step = memory + sources.lowerBound &* taps &* panelWidth + run.lane
        for i in 0..<vertical.kernel {
          guard let offsetY = vertical.offset(i, phase: phaseY) else { continue }
          let y = run.row &* vertical.scale &+ offsetY
          for j in 0..<horizontal.kernel {
            guard let offsetX = horizontal.offset(j, phase: phaseX) else { continue }
            let x = run.column &* horizontal.scale &+ offsetX
            var target = step
            if y < 0 || y >= vertical.inputs {
              for _ in sources {
                fillZero(target, count)
                target += taps &* panelWidth
              }
            } else {
              var row = image + sources.lowerBound &* pass.sourcePlane + y &* horizontal.inputs
              for _ in sources {
                copyClipped(target, row, from: x, step: horizontal.scale, count: run.count, width: horizontal.inputs)
                fillZero(target + run.count, count &- run.count)
                target += taps &* panelWidth
                row += pass.sourcePlane
              }
            }
            step += panelWidth
          }
        }
      }
    }
  }

  func finish(_ panel: Int, tiles: Range<Int>, _ memory: Input, work: Output) {
    let group = panel / groupPanels
    let first = (panel &- group &* groupPanels) &* panelWidth
    withRuns(first: first, images: pass.batch, rows: rows, columns: columns) { runs, width in
      for tile in tiles {
        let channel = tile &* tileRows
        let height = min(tileRows, pass.targets &- channel)
        productTile(
          rows: height,
          ProductTile(
            start: .zero, a: packed + (group &* pass.tiles &+ tile) &* tileRows &* depth, rowStride: 1,
            depthStride: tileRows, b: memory, depth: depth, c: work, outputStride: panelWidth,
            width: roundedUp(width, to: laneCount)))
        for row in 0..<height {
          place(work + row &* panelWidth, channel: group &* pass.targets &+ channel &+ row, runs, width: width)
        }
      }
    }
  }

  /// Sums of one channel to where they belong.
  @inline(__always)
  private func place(_ sums: Output, channel: Int, _ runs: UnsafeBufferPointer<PanelRun>, width: Int) {
    let shift = broadcast(end.bias.map { $0[channel] } ?? 0)
    var lane = 0
    while lane < width {
      store(end.activation.apply(load(sums + lane) + shift), sums + lane)
      lane &+= laneCount
    }
    let plane = target.base + channel &* pass.targetPlane
    for run in runs {
      let row = phaseY &+ run.row &* pass.vertical.step
      let column = phaseX &+ run.column &* pass.horizontal.step
      let output = plane + run.image &* target.stride + row &* pass.horizontal.outputs + column
      placeRow(output, step: pass.horizontal.step, sums + run.lane, count: run.count, accumulate: end.accumulate)
    }
  }
}

/// `target (+)= values`, the targets `step` floats apart.
@inline(__always)
func placeRow(_ target: Output, step: Int = 1, _ values: Input, count: Int, accumulate: Bool) {
  if step == 1 && !accumulate { return copyPadded(target, values, count, width: count) }
  var index = 0
  if step == 1 {
    while index &+ laneCount <= count {
      store(load(target + index) + load(values + index), target + index)
      index &+= laneCount
    }
  }
  while index < count {
    target[index &* step] = accumulate ? target[index &* step] + values[index] : values[index]
    index &+= 1
  }
}

func gatheredPanelSize(_ pass: ConvolutionPass) -> Int { pass.sources &* pass.taps &* panelWidth }

let gatheredWorkSize = tileRows &* panelWidth

/// Phase by phase: (group)(tile of targets)(source, tap of the phase)(target).
func packGathered(_ packed: Output, _ weights: ConvolutionWeights, _ pass: ConvolutionPass) {
  let blocks = pass.groups &* pass.tiles
  let (vertical, horizontal) = (pass.vertical, pass.horizontal)
  var phaseStart = packed
  for phaseY in 0..<vertical.phases {
    for phaseX in 0..<horizontal.phases {
      let depth = pass.sources &* vertical.taps(phase: phaseY) &* horizontal.taps(phase: phaseX)
      let start = phaseStart
      parallel(tasks: min(blocks, taskLimit(work: blocks &* tileRows &* depth))) { task, tasks in
        for block in share(of: blocks, task, tasks) {
          let (group, tile) = (block / pass.tiles, block % pass.tiles)
          var target = start + block &* tileRows &* depth
          for source in 0..<pass.sources {
            for i in 0..<vertical.kernel where vertical.offset(i, phase: phaseY) != nil {
              for j in 0..<horizontal.kernel where horizontal.offset(j, phase: phaseX) != nil {
                for row in 0..<tileRows {
                  let channel = tile &* tileRows &+ row
                  target[row] =
                    channel < pass.targets
                    ? weights.kernel(group, channel, source)[i &* horizontal.kernel &+ j] : 0
                }
                target += tileRows
              }
            }
          }
        }
      }
      phaseStart += blocks &* tileRows &* depth
    }
  }
}
