// Convolution as a matrix product whose right factor, (channels and taps, output pixels), is never whole in memory.
//
// The planes are first copied with their borders, some images at a time (PhasedPlane.swift): then what a tap reads for 48
// outputs side by side is 48 floats side by side. A tile multiplies them where they are (DirectTile.swift), or they are
// gathered into a panel first, which all tiles of targets then read. Both give the same bits; a register and step costs
//
//   in place   tileRows / 2 cycles a tile, also for the columns between rows that no output needs
//   gathered   the same for outputs alone, and about `gatheringCost` once: loads and stores, and a panel that is read from
//              the second-level cache, for it has every input up to `taps` times
//
// so small planes with many targets are gathered. Weights are (tile of targets)(source, tap)(target): a step of the depth
// reads them side by side. Of an input gradient with stride 2 the two phases of a row are computed together, so that whole
// registers are written.

import SeriatimSystem

/// Floats of the copies: more than one image only if they fit. They stay in the second-level cache.
private let copySize = 1 << 18
/// Cycles to gather a register.
private let gatheringCost = 5

/// The images of a round, copied.
private struct GatheredRound {
  let layout: PhasedPlane
  let images: Int

  init(_ pass: ConvolutionPass) {
    layout = PhasedPlane(gathering: pass)
    images =
      layout.isPlain ? pass.batch : max(1, min(pass.batch, copySize / (pass.groups &* pass.sources &* layout.stride)))
  }

  func size(_ pass: ConvolutionPass) -> Int {
    layout.isPlain ? 0 : images &* pass.groups &* pass.sources &* layout.stride &+ panelWidth
  }

  func fill(_ copies: Output, _ source: Images<Input>, first: Int, images: Int, _ pass: ConvolutionPass) {
    let channels = pass.groups &* pass.sources
    let planes = images &* channels
    parallel(tasks: min(planes, taskLimit(work: planes &* layout.size))) { task, tasks in
      for plane in untilCancelled(share(of: planes, task, tasks), work: layout.size) {
        let (image, channel) = (plane / channels, plane % channels)
        layout.fill(
          copies + plane &* layout.stride,
          source.base + (first &+ image) &* source.stride + channel &* pass.sourcePlane)
      }
    }
  }
}

func gatheredScratchSize(_ pass: ConvolutionPass) -> Int {
  integersSize(2 &* pass.taps) &+ GatheredRound(pass).size(pass)
    &+ scratchSize(panel: gatheredPanelSize(pass), work: placingSize)
}

/// Called for whole passes and for strips of Winograd's: its code exists once.
@inline(never)
@_optimize(speed)
func gatheredConvolution(
  _ target: Images<Output>, _ source: Images<Input>, _ packed: Input, _ end: ConvolutionEnd, _ pass: ConvolutionPass,
  work: Int, scratch: Output
) {
  let round = GatheredRound(pass)
  let together = pass.horizontal.phases == 2 ? 2 : 1
  let (places, scratch) = takeIntegers(2 &* pass.taps, from: scratch)
  var image = 0
  while image < pass.batch, !srt_is_cancelled() {
    let images = min(round.images, pass.batch &- image)
    var copies = source
    if !round.layout.isPlain {
      round.fill(scratch, source, first: image, images: images, pass)
      copies = Images(base: scratch, stride: pass.groups &* pass.sources &* round.layout.stride)
    }
    var packed = packed
    for phaseY in 0..<min(pass.vertical.phases, pass.vertical.outputs) {
      var phaseX = 0
      while phaseX < pass.horizontal.phases {
        let method = GatheredConvolution(
          pass: pass, layout: round.layout, images: images, source: copies,
          target: Images(base: target.base + image &* target.stride, stride: target.stride), packed: packed, end: end,
          phaseY: phaseY, phaseX: phaseX, phases: together, places)
        if phaseX < pass.horizontal.outputs {
          run(method, work: work, scratch: scratch + round.size(pass))
        }
        packed += method.packedSize
        phaseX &+= together
      }
    }
    image &+= images
  }
}

/// One phase of a pass, or two of a row, over some images.
private struct GatheredConvolution: ConvolutionMethod {
  let pass: ConvolutionPass
  let layout: PhasedPlane
  let images: Int
  let source: Images<Input>
  let target: Images<Output>
  let packed: Input
  let end: ConvolutionEnd
  let phaseY, phaseX, phases: Int
  /// What is read for the first output: in the copy, and by a tile.
  private let offsets, places: UnsafePointer<Int>
  /// Taps of the first phase, and of all.
  private let firstTaps, taps: Int
  private let rows, columns: Int
  /// Whether tiles read the copy.
  private let isInPlace: Bool
  /// Where outputs lie side by side in a copy: rows of one stretch, stretches, and panels of each.
  private let stretchRows, stretches, stretchPanels: Int

  init(
    pass: ConvolutionPass, layout: PhasedPlane, images: Int, source: Images<Input>, target: Images<Output>,
    packed: Input, end: ConvolutionEnd, phaseY: Int, phaseX: Int, phases: Int, _ space: UnsafeMutablePointer<Int>
  ) {
    (self.pass, self.layout, self.images) = (pass, layout, images)
    (self.source, self.target, self.packed, self.end) = (source, target, packed, end)
    (self.phaseY, self.phaseX, self.phases) = (phaseY, phaseX, phases)
    rows = pass.vertical.count(phase: phaseY)
    columns = pass.horizontal.count(phase: phaseX)
    firstTaps = pass.vertical.taps(phase: phaseY) &* pass.horizontal.taps(phase: phaseX)
    var count = 0
    for phase in phaseX..<(phaseX &+ phases) {
      for i in 0..<pass.vertical.kernel {
        guard let y = pass.vertical.offset(i, phase: phaseY) else { continue }
        for j in 0..<pass.horizontal.kernel {
          guard let x = pass.horizontal.offset(j, phase: phase) else { continue }
          space[count] = layout.place(y &+ layout.paddingY, x &+ layout.paddingX)
          count &+= 1
        }
      }
    }
    taps = count
    // A row by itself, if it fills registers as well as all rows together.
    let length = (rows &- 1) &* layout.columns &+ columns
    let isByRow = rows &* registers(columns) <= registers(length)
    stretchRows = isByRow ? 1 : rows
    stretches = isByRow ? images &* rows : images
    stretchPanels = panelCount(of: isByRow ? columns : length)
    let read = stretches &* registers(isByRow ? columns : length)
    let each = pass.tiles &* tileRows / 2
    isInPlace =
      !layout.isPlain && read &* each <= registers(images &* rows &* columns) &* (each &+ gatheringCost)
    for tap in 0..<count { space[pass.taps &+ tap] = isInPlace ? space[tap] : tap &* panelWidth }
    (offsets, places) = (UnsafePointer(space), UnsafePointer(space + pass.taps))
  }

  private var groupPanels: Int { isInPlace ? stretches &* stretchPanels : panelCount(of: images &* rows &* columns) }
  private var sourceStride: Int { layout.isPlain ? layout.size : layout.stride }
  var panels: Int { pass.groups &* groupPanels }
  var sources: Int { pass.sources }
  var tiles: Int { pass.tiles }
  var panelSize: Int { isInPlace ? 0 : gatheredPanelSize(pass) }
  var workSize: Int { placingSize }
  var packedSize: Int { pass.groups &* pass.tiles &* tileRows &* pass.sources &* taps }

  func prepare(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output) {
    if isInPlace { return }
    let group = panel / groupPanels
    withRuns(panel: panel &- group &* groupPanels, images: images, rows: rows, columns: columns) { runs, _, _ in
      var target = memory + sources.lowerBound &* taps &* panelWidth
      for channel in sources {
        let plane = source.base + (group &* pass.sources &+ channel) &* sourceStride
        for tap in 0..<taps {
          // In whole registers: what they write too much is overwritten by what comes next, but another worker's is not.
          let isExact = layout.isPlain || channel &+ 1 == sources.upperBound && tap &+ 1 == taps
          runs.forEach { run in
            let row =
              plane + run.image &* source.stride + run.row &* layout.columns + run.column + offsets[tap]
            if isExact { return copyRow(target + run.lane, row, run.count) }
            var index = 0
            while index < run.count {
              store(load(row + index), target + run.lane + index)
              index &+= laneCount
            }
          }
          target += panelWidth
        }
      }
    }
  }

  func finish(_ panel: Int, tiles: Range<Int>, _ memory: Input, work: Output) {
    let group = panel / groupPanels
    let place = panel &- group &* groupPanels
    if !isInPlace {
      return withRuns(panel: place, images: images, rows: rows, columns: columns) { runs, _, width in
        multiply(tiles, group: group, memory, taps &* panelWidth, runs, width: width, target.base, work)
      }
    }
    let stretch = place / stretchPanels
    let (image, row) = stretchRows == 1 ? (stretch / rows, stretch % rows) : (stretch, 0)
    let start = source.base + image &* source.stride + group &* pass.sources &* sourceStride + row &* layout.columns
    let output =
      target.base + image &* target.stride + row &* pass.vertical.step &* pass.horizontal.outputs
    withRuns(
      panel: place &- stretch &* stretchPanels, images: 1, rows: stretchRows, columns: columns, pitch: layout.columns
    ) { runs, first, width in
      multiply(tiles, group: group, start + first, sourceStride, runs, width: width, output, work)
    }
  }

  /// Some tiles of the outputs of a panel; `inputs` are what tap 0 reads, or the gathered panel.
  @inline(never)
  @_optimize(speed)
  private func multiply(
    _ tiles: Range<Int>, group: Int, _ inputs: Input, _ stride: Int, _ runs: PanelRuns, width: Int, _ output: Output,
    _ work: Output
  ) {
    if runs.count == 0 { return }
    let block = tileRows &* panelWidth
    let shifts = work + (2 &* block &+ 2 &* panelWidth)
    let wide = width > 2 &* laneCount
    let isWhole =
      pass.horizontal.step == 1 && !end.accumulate && runs.first.count == width
      && width == (wide ? 3 : 2) &* laneCount
    var lookout = Lookout()
    for tile in tiles {
      if lookout.isCancelled(after: tileRows &* panelWidth &* pass.sources &* taps) { return }
      let channel = group &* pass.targets &+ tile &* tileRows
      let height = min(tileRows, pass.targets &- tile &* tileRows)
      for row in 0..<tileRows { shifts[row] = row < height ? end.bias.map { $0[channel &+ row] } ?? 0 : 0 }
      var (sums, sumsStride) = (work, panelWidth)
      if isWhole && height == tileRows {
        // Straight to where it belongs.
        (sums, sumsStride) = (self.place(runs.first, output) + channel &* pass.targetPlane, pass.targetPlane)
      }
      var weights = packed
      for phase in 0..<phases {
        let (first, count) = phase == 0 ? (0, firstTaps) : (firstTaps, taps &- firstTaps)
        directTile(
          DirectTile(
            start: shifts, weights: weights + (group &* pass.tiles &+ tile) &* tileRows &* pass.sources &* count,
            inputs: inputs, places: places + first, taps: count, sources: pass.sources, sourceStride: stride,
            sums: sums + phase &* block, sumsStride: sumsStride), rows: height, wide: wide)
        weights += pass.groups &* pass.tiles &* tileRows &* pass.sources &* count
        guard !end.activation.isIdentity else { continue }
        for row in 0..<height {
          let line = sums + phase &* block + row &* sumsStride
          var lane = 0
          while lane < width {
            store(end.activation.apply(load(line + lane)), line + lane)
            lane &+= laneCount
          }
        }
      }
      guard sums == work else { continue }
      let plane = output + channel &* pass.targetPlane
      if phases == 2 {
        for row in 0..<height {
          placePair(work + row &* panelWidth, runs, width: width, plane + row &* pass.targetPlane, work)
        }
        continue
      }
      runs.forEach { run in
        let target = self.place(run, plane)
        for row in 0..<height {
          addRow(
            target + row &* pass.targetPlane, step: pass.horizontal.step, work + row &* panelWidth + run.lane,
            count: run.count, accumulate: end.accumulate)
        }
      }
    }
  }

  /// The outputs of both phases of one target channel.
  @inline(__always)
  private func placePair(_ sums: Output, _ runs: PanelRuns, width: Int, _ plane: Output, _ work: Output) {
    let block = tileRows &* panelWidth
    let line = work + 2 &* block
    var lane = 0
    while lane < width {
      let (first, second) = Lanes.alternated(load(sums + lane), load(sums + block + lane))
      store(first, line + 2 &* lane)
      store(second, line + 2 &* lane + laneCount)
      lane &+= laneCount
    }
    runs.forEach { run in
      addRow(
        self.place(run, plane), line + 2 &* run.lane,
        count: min(2 &* run.count, pass.horizontal.outputs &- 2 &* run.column), accumulate: end.accumulate)
    }
  }

  /// Where a run begins in a plane of the target.
  @inline(__always)
  private func place(_ run: PanelRun, _ plane: Output) -> Output {
    plane + run.image &* target.stride + (phaseY &+ run.row &* pass.vertical.step) &* pass.horizontal.outputs
      + (phaseX &+ run.column &* pass.horizontal.step)
  }
}

private func registers(_ floats: Int) -> Int { (floats &+ laneCount &- 1) / laneCount }

/// Two tiles of sums, a row of both, and what the sums start from.
private let placingSize = 2 &* tileRows &* panelWidth &+ 2 &* panelWidth &+ tileRows

/// `target (+)= values`, the targets `step` floats apart.
@inline(__always)
func addRow(_ target: Output, step: Int = 1, _ values: Input, count: Int, accumulate: Bool) {
  if step == 1 && !accumulate { return copyRow(target, values, count) }
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
        for block in untilCancelled(share(of: blocks, task, tasks), work: 4 &* tileRows &* depth) {
          let (group, tile) = (block / pass.tiles, block % pass.tiles)
          let height = min(tileRows, pass.targets &- tile &* tileRows)
          let stride = weights.targetStride
          var target = start + block &* tileRows &* depth
          for source in 0..<pass.sources {
            let kernels = weights.kernel(group, tile &* tileRows, source)
            for i in 0..<vertical.kernel where vertical.offset(i, phase: phaseY) != nil {
              for j in 0..<horizontal.kernel where horizontal.offset(j, phase: phaseX) != nil {
                let kernel = kernels + (i &* horizontal.kernel &+ j)
                if height == tileRows {
                  for row in 0..<tileRows { target[row] = kernel[row &* stride] }
                } else {
                  for row in 0..<tileRows { target[row] = row < height ? kernel[row &* stride] : 0 }
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
