// How the gathered and the Winograd method are run: both make a panel of packed inputs, as wide as a tile, for some
// output pixels, and then multiply tiles of weights with it.
//
// Many panels: every worker takes its own, so that a panel stays in its second-level cache, and never waits. Few: all
// make the panels together, a part of the channels each, and then share out the tiles of weights.

/// A way to compute a pass by panels.
protocol ConvolutionMethod {
  /// Panels of all groups.
  var panels: Int { get }
  var sources: Int { get }
  /// Tiles of target channels for one panel.
  var tiles: Int { get }
  /// Floats of a panel, and of what a worker needs besides.
  var panelSize: Int { get }
  var workSize: Int { get }

  /// Fills the part of a panel that some source channels make.
  func prepare(_ panel: Int, sources: Range<Int>, _ memory: Output, work: Output)
  /// Computes some tiles of the targets from the panel.
  func finish(_ panel: Int, tiles: Range<Int>, _ memory: Input, work: Output)
}

/// Floats of scratch that `run` needs.
func scratchSize(panel: Int, work: Int) -> Int { threadLimit() &* (panel &+ work) }

@inline(__always)
func run(_ method: some ConvolutionMethod, work: Int, scratch: Output) {
  let tasks = taskLimit(work: work)
  let each = method.panelSize &+ method.workSize
  if tasks == 1 || method.panels >= 3 &* tasks {
    parallel(tasks: min(tasks, method.panels)) { task, tasks in
      let memory = scratch + task &* each
      for panel in untilCancelled(share(of: method.panels, task, tasks), work: work / method.panels) {
        method.prepare(panel, sources: 0..<method.sources, memory, work: memory + method.panelSize)
        method.finish(panel, tiles: 0..<method.tiles, memory, work: memory + method.panelSize)
      }
    }
    return
  }
  if method.panelSize == 0 {
    // Nothing to prepare: no round waits for another.
    parallel(tasks: tasks) { task, tasks in
      let mine = share(of: method.tiles, task, tasks)
      for panel in untilCancelled(0..<method.panels, work: work / (tasks &* method.panels)) {
        method.finish(panel, tiles: mine, scratch, work: scratch + task &* each)
      }
    }
    return
  }
  var first = 0
  while first < method.panels {
    let count = min(tasks, method.panels &- first)
    parallel(tasks: tasks) { task, tasks in
      let mine = share(of: method.sources, task, tasks)
      for panel in untilCancelled(0..<count, work: work / (tasks &* method.panels)) {
        method.prepare(
          first &+ panel, sources: mine, scratch + panel &* each, work: scratch + task &* each + method.panelSize)
      }
    }
    parallel(tasks: tasks) { task, tasks in
      let mine = share(of: method.tiles, task, tasks)
      for panel in untilCancelled(0..<count, work: work / (tasks &* method.panels)) {
        method.finish(
          first &+ panel, tiles: mine, scratch + panel &* each, work: scratch + task &* each + method.panelSize)
      }
    }
    first &+= count
  }
}

/// Outputs of one row of one image that lie side by side in a panel.
struct PanelRun {
  let lane, count, image, row, column: Int
}

/// The runs of a panel, from left to right.
struct PanelRuns {
  private let base: UnsafePointer<PanelRun>
  let count: Int

  init(_ base: UnsafePointer<PanelRun>, count: Int) {
    self.base = base
    self.count = count
  }

  @inline(__always)
  func forEach(_ body: (_ run: PanelRun) -> Void) {
    var index = 0
    while index < count {
      body(base[index])
      index &+= 1
    }
  }

  var first: PanelRun { base[0] }
}

/// Panels for so many outputs: as few as there must be.
func panelCount(of outputs: Int) -> Int {
  let registers = (outputs &+ laneCount &- 1) / laneCount
  return (registers &+ panelRegisters &- 1) / panelRegisters
}

/// The runs of one panel of images with `rows` x `columns` outputs each, and where the panel begins. Panels are as equal as
/// whole registers allow. From one row to the next are `pitch` places.
@inline(__always)
func withRuns(
  panel: Int, images: Int, rows: Int, columns: Int, pitch: Int? = nil,
  _ body: (_ runs: PanelRuns, _ first: Int, _ width: Int) -> Void
) {
  let pitch = pitch ?? columns
  let outputs = images &* rows &* pitch &- (pitch &- columns)
  let mine = share(of: (outputs &+ laneCount &- 1) / laneCount, panel, panelCount(of: outputs))
  let first = mine.lowerBound &* laneCount
  withStack(of: PanelRun.self, count: panelWidth) { runs in
    let last = min(mine.upperBound &* laneCount, outputs)
    var (position, count) = (first, 0)
    while position < last {
      let line = position / pitch
      let column = position &- line &* pitch
      if column >= columns {
        position = (line &+ 1) &* pitch
        continue
      }
      let width = min(columns &- column, last &- position)
      (runs + count).initialize(
        to: PanelRun(lane: position &- first, count: width, image: line / rows, row: line % rows, column: column))
      count &+= 1
      position &+= width
    }
    body(PanelRuns(UnsafePointer(runs), count: count), first, last &- first)
  }
}

/// Copies `count` floats, the last ones as a register that may overlap the one before.
@inline(never)
func copyRow(_ target: Output, _ source: Input, _ count: Int) {
  if count >= laneCount {
    var index = 0
    while index &+ laneCount < count {
      store(load(source + index), target + index)
      index &+= laneCount
    }
    store(load(source + (count &- laneCount)), target + (count &- laneCount))
  } else if count >= 8 {
    copyEnds(target, source, count, SIMD8<Float>.self)
  } else if count >= 4 {
    copyEnds(target, source, count, SIMD4<Float>.self)
  } else {
    for index in 0..<count { target[index] = source[index] }
  }
}

@inline(__always)
private func copyEnds<Part: SIMD<Float>>(_ target: Output, _ source: Input, _ count: Int, _ part: Part.Type) {
  let last = count &- Part.scalarCount
  let ends = (
    UnsafeRawPointer(source).loadUnaligned(as: Part.self), UnsafeRawPointer(source + last).loadUnaligned(as: Part.self)
  )
  UnsafeMutableRawPointer(target).storeBytes(of: ends.0, as: Part.self)
  UnsafeMutableRawPointer(target + last).storeBytes(of: ends.1, as: Part.self)
}

/// `row[from]`, `row[from + step]`, ..., zeros where the index is outside of `0..<width`.
struct ClippedRow {
  private let from, step, count, width: Int
  /// The first index inside, and the first behind the last one inside.
  private let first, last: Int

  @inline(__always)
  init(from: Int, step: Int = 1, count: Int, width: Int) {
    (self.from, self.step, self.count, self.width) = (from, step, count, width)
    if step == 1 {
      first = min(count, max(0, 0 &- from))
      last = max(first, min(count, width &- from))
    } else {
      first = min(count, from >= 0 ? 0 : (step &- 1 &- from) / step)
      last = max(first, from >= width ? 0 : min(count, (width &- from &+ step &- 1) / step))
    }
  }

  /// Writes `count` floats.
  @inline(__always)
  func copy(_ row: Input, to target: Output) {
    fillBorder(target, first)
    if step == 1 {
      copyRow(target + first, row + (from &+ first), last &- first)
    } else {
      copySteps(row, to: target)
    }
    fillBorder(target + last, count &- last)
  }

  @inline(never)
  private func copySteps(_ row: Input, to target: Output) {
    var index = first
    if step == 2 && last &- first >= laneCount && from &+ 2 &* first > 0 {
      // Two registers hold the elements of one, as the second of each pair; the last register may overlap.
      while index < last {
        let place = min(index, last &- laneCount)
        let source = row + (from &+ 2 &* place &- 1)
        store(Lanes.separated(load(source), load(source + laneCount)).1, target + place)
        index = place &+ laneCount
      }
    } else if step == 2 {
      // The same with the first of each pair, if the row has a last one that is left out.
      while index &+ laneCount <= last && from &+ 2 &* (index &+ laneCount) <= width {
        let source = row + (from &+ 2 &* index)
        store(Lanes.separated(load(source), load(source + laneCount)).0, target + index)
        index &+= laneCount
      }
    }
    while index < last {
      target[index] = row[from &+ index &* step]
      index &+= 1
    }
  }
}

/// `fillZero` of the one or two floats beside most rows, without a call.
@inline(__always)
private func fillBorder(_ target: Output, _ count: Int) {
  if count > 2 { return fillZero(target, count) }
  if count > 0 { target[0] = 0 }
  if count > 1 { target[1] = 0 }
}
