// Convolution as a matrix product whose right factor, (channels and taps, output pixels), is never whole in memory: the
// rows of one panel, 48 pixels wide, are gathered into scratch, multiplied with all weights, and forgotten.
//
// The planes are first copied with their borders, some images at a time (PhasedPlane.swift): then gathering is copying,
// one move per tap, channel and pixel against `targets` multiply-adds, a few per cent of the time from 32 target channels
// on. Weights are (tile of targets)(source, tap)(target), so that a step of the depth reads them side by side.

/// Floats of the copies: more than one image only if they fit.
private let copySize = 1 << 20

/// The images of a round, copied.
private struct GatheredRound {
  let layout: PhasedPlane
  let images: Int

  init(_ pass: ConvolutionPass) {
    layout = PhasedPlane(gathering: pass)
    images =
      layout.isPlain ? pass.batch : max(1, min(pass.batch, copySize / (pass.groups &* pass.sources &* layout.size)))
  }

  func size(_ pass: ConvolutionPass) -> Int {
    layout.isPlain ? 0 : images &* pass.groups &* pass.sources &* layout.size &+ laneCount
  }

  func fill(_ copies: Output, _ source: Images<Input>, first: Int, images: Int, _ pass: ConvolutionPass) {
    let channels = pass.groups &* pass.sources
    let planes = images &* channels
    parallel(tasks: min(planes, taskLimit(work: planes &* layout.size))) { task, tasks in
      for plane in share(of: planes, task, tasks) {
        let (image, channel) = (plane / channels, plane % channels)
        layout.fill(
          copies + plane &* layout.size,
          source.base + (first &+ image) &* source.stride + channel &* pass.sourcePlane)
      }
    }
  }
}

func gatheredScratchSize(_ pass: ConvolutionPass) -> Int {
  GatheredRound(pass).size(pass) &+ scratchSize(panel: gatheredPanelSize(pass), work: gatheredWorkSize)
}

/// Called for whole passes and for strips of Winograd's: its code exists once.
@inline(never)
func gatheredConvolution(
  _ target: Images<Output>, _ source: Images<Input>, _ packed: Input, _ end: ConvolutionEnd, _ pass: ConvolutionPass,
  work: Int, scratch: Output
) {
  let round = GatheredRound(pass)
  var image = 0
  while image < pass.batch {
    let images = min(round.images, pass.batch &- image)
    var copies = source
    if !round.layout.isPlain {
      round.fill(scratch, source, first: image, images: images, pass)
      copies = Images(base: scratch, stride: pass.groups &* pass.sources &* round.layout.size)
    }
    var packed = packed
    for phaseY in 0..<pass.vertical.phases {
      for phaseX in 0..<pass.horizontal.phases {
        let method = GatheredConvolution(
          pass: pass, layout: round.layout, images: images, source: copies,
          target: Images(base: target.base + image &* target.stride, stride: target.stride), packed: packed, end: end,
          phaseY: phaseY, phaseX: phaseX)
        if method.panels > 0 { run(method, work: work, scratch: scratch + round.size(pass)) }
        packed += method.packedSize
      }
    }
    image &+= images
  }
}

/// One phase of a pass over some images.
private struct GatheredConvolution: ConvolutionMethod {
  let pass: ConvolutionPass
  let layout: PhasedPlane
  let images: Int
  let source: Images<Input>
  let target: Images<Output>
  let packed: Input
  let end: ConvolutionEnd
  let phaseY, phaseX: Int
  private let rows, columns, taps: Int

  init(
    pass: ConvolutionPass, layout: PhasedPlane, images: Int, source: Images<Input>, target: Images<Output>,
    packed: Input, end: ConvolutionEnd, phaseY: Int, phaseX: Int
  ) {
    (self.pass, self.layout, self.images) = (pass, layout, images)
    (self.source, self.target, self.packed, self.end) = (source, target, packed, end)
    (self.phaseY, self.phaseX) = (phaseY, phaseX)
    rows = pass.vertical.count(phase: phaseY)
    columns = pass.horizontal.count(phase: phaseX)
    taps = pass.vertical.taps(phase: phaseY) &* pass.horizontal.taps(phase: phaseX)
  }

  private var depth: Int { pass.sources &* taps }
  private var groupPanels: Int { panelCount(of: images &* rows &* columns) }
  var panels: Int { pass.groups &* groupPanels }
  var sources: Int { pass.sources }
  var tiles: Int { pass.tiles }
  var panelSize: Int { gatheredPanelSize(pass) }
  var workSize: Int { gatheredWorkSize }
  var packedSize: Int { pass.groups &* pass.tiles &* tileRows &* depth }

  func prepare(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output) {
    let group = panel / groupPanels
    let (vertical, horizontal) = (pass.vertical, pass.horizontal)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: pass.taps) { offsets in
      var count = 0
      for i in 0..<vertical.kernel {
        guard let y = vertical.offset(i, phase: phaseY) else { continue }
        for j in 0..<horizontal.kernel {
          guard let x = horizontal.offset(j, phase: phaseX) else { continue }
          offsets[count] = (y &+ layout.paddingY) &* layout.pitch &+ layout.column(x &+ layout.paddingX)
          count &+= 1
        }
      }
      withRuns(panel: panel &- group &* groupPanels, images: images, rows: rows, columns: columns) { runs, width in
        var target = memory + sources.lowerBound &* taps &* panelWidth
        let rowStride = vertical.scale &* layout.pitch
        // Behind the last float that may be read.
        let end =
          source.base + (images &- 1) &* source.stride + pass.groups &* pass.sources &* layout.size
          + (layout.isPlain ? 0 : laneCount)
        for channel in sources {
          let plane = source.base + (group &* pass.sources &+ channel) &* layout.size
          for tap in 0..<taps {
            // Copies in whole registers: what they write too much is overwritten by what comes next, if anything does.
            let last = channel &+ 1 == sources.upperBound && tap &+ 1 == taps
            runs.forEach { run in
              let row = plane + run.image &* source.stride + run.row &* rowStride + run.column + offsets[tap]
              if last || row + roundedUp(run.count, to: laneCount) > end {
                copyPadded(target + run.lane, row, run.count, width: run.count)
              } else {
                var index = 0
                while index < run.count {
                  store(load(row + index), target + run.lane + index)
                  index &+= laneCount
                }
              }
            }
            if last { fillZero(target + width, roundedUp(width, to: laneCount) &- width) }
            target += panelWidth
          }
        }
      }
    }
  }

  func finish(_ panel: Int, tiles: Range<Int>, _ memory: Input, work: Output) {
    let group = panel / groupPanels
    withRuns(panel: panel &- group &* groupPanels, images: images, rows: rows, columns: columns) { runs, width in
      let isWhole = runs.count == 1 && width % laneCount == 0 && pass.horizontal.step == 1
      for tile in tiles {
        let channel = group &* pass.targets &+ tile &* tileRows
        let height = min(tileRows, pass.targets &- tile &* tileRows)
        var product = ProductTile(
          start: .zero, a: packed + (group &* pass.tiles &+ tile) &* tileRows &* depth, rowStride: 1,
          depthStride: tileRows, b: memory, depth: depth, c: work, outputStride: panelWidth,
          width: roundedUp(width, to: laneCount))
        if let bias = end.bias { product.start = .rows(bias + channel) }
        if isWhole && !(end.accumulate && end.bias != nil) {
          // Straight to where it belongs.
          product.c = place(runs.first) + channel &* pass.targetPlane
          product.outputStride = pass.targetPlane
          if end.accumulate { product.start = .output }
        }
        productTile(rows: height, product)
        if end.activation.isIdentity && product.c != work { continue }
        for row in 0..<height {
          let sums = product.c + row &* product.outputStride
          if !end.activation.isIdentity {
            var lane = 0
            while lane < width {
              store(end.activation.apply(load(sums + lane)), sums + lane)
              lane &+= laneCount
            }
          }
          guard product.c == work else { continue }
          runs.forEach { run in
            placeRow(
              place(run) + (channel &+ row) &* pass.targetPlane, step: pass.horizontal.step, sums + run.lane,
              count: run.count, accumulate: end.accumulate)
          }
        }
      }
    }
  }

  /// Where a run begins in channel 0.
  @inline(__always)
  private func place(_ run: PanelRun) -> Output {
    target.base + run.image &* target.stride
      + (phaseY &+ run.row &* pass.vertical.step) &* pass.horizontal.outputs
      + (phaseX &+ run.column &* pass.horizontal.step)
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

private func gatheredPanelSize(_ pass: ConvolutionPass) -> Int {
  pass.sources &* pass.taps &* panelWidth &+ laneCount
}

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
