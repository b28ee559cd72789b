// How the steps of a recurrent layer are shared out: a model of what a step costs, in cycles of a core.
//
// A step multiplies n rows by weights of W bytes. With g groups of workers that have their own rows and m members in a
// group that have their own units, a worker
//
//   multiplies       ceil(n / g) rows by its part of the weights, 2 registers a cycle
//   reads            W / m bytes: from its second-level cache what stays there from one step to the next, at
//                    `nearRate` bytes a cycle, behind the multiply-adds; the rest from further away, at `farRate`, on top
//   waits            `barrier` cycles for the other members, once for every pass that they read from each other, and
//                    fetches what they wrote, at `exchangeRate`
//
// So few rows are split by units, since each worker would read all of the weights for a row or two; many rows are split
// by rows, since nobody waits then; and when the weights do not stay in a core's cache, by as many members as make them
// stay there, each its part, over all steps. The numbers of the model are rounded from several kinds of x86 cores; what
// it needs of a machine is the size of the second-level cache (Caches.swift).
//
// The input's product is multiplied beforehand, as one product over the frames of many steps, when a step has too few
// rows for its tiles, or when the input's weights do not stay in the cache beside the state's, are more bytes than the
// products, which are then written and read again, and serve several steps at a time. The sums are the same, in the same
// order, so bits depend on none of this.

/// Bytes a cycle from the second-level cache, and from what is behind it.
private let nearRate = 32
private let farRate = 5

/// Bytes a cycle from another core's cache.
private let exchangeRate = 8

/// Cycles in which the members of a group learn that all of them are there.
private let barrier = 375

/// Cycles of a round of a spin, at least.
private let roundCycles = 20

/// A member's part of a step that takes so many cycles is cut into so many pieces: what a step loses to cores of different
/// speed is one of them. The number depends on nothing else, for steps that are shared out alike make one stretch.
private let piecesOfMember = 12
private let leastCyclesInPieces = 24_000

/// A member's part of a step that is a call of its own is worth so many cycles, or the step is one worker's.
private let leastCyclesAlone = 8_000

/// Frames whose inputs are multiplied together.
private let framesTogether = 256
private let leastStepsTogether = 4

/// How a step is shared out.
struct StepSplit: Equatable {
  /// Groups of workers, each with its own rows.
  var groups: Int
  /// Workers of a group, each with its own units.
  var members: Int
  /// Whether the input is multiplied before the loop.
  var multipliesAhead: Bool
  /// Units are shared out in blocks of so many parts.
  let grain: Int
  /// Pieces into which a step's units are cut, dealt out to members that are free; 0: each member has its part.
  var pieces: Int
  /// Rounds of a spin that a worker waits for another.
  var patience: Int

  /// The parts of a member.
  @inline(__always)
  func share(of parts: Int, _ member: Int, _ members: Int) -> Range<Int> {
    let mine = SeriatimKernels.share(of: (parts &+ grain &- 1) / grain, member, members)
    return min(parts, mine.lowerBound &* grain)..<min(parts, mine.upperBound &* grain)
  }

  static func == (a: StepSplit, b: StepSplit) -> Bool {
    a.groups == b.groups && a.members == b.members && a.multipliesAhead == b.multipliesAhead && a.grain == b.grain
      && a.pieces == b.pieces
  }
}

/// What a plan is made from.
struct RecurrentPlan {
  /// Multiply-adds of a row in a step.
  let work: Int
  /// Bytes of weights that a step reads, and those of the input's weights; 0 if it does not multiply the input.
  let stateBytes: Int
  let inputBytes: Int
  /// Bytes of the input's products of a row.
  let productBytes: Int
  /// Bytes of a row that the members of a group write for each other.
  let exchangedBytes: Int
  /// Registers of units, and how many of them share a panel of weights.
  let parts: Int
  let partsTogether: Int
  /// Passes after which workers wait for each other.
  let waits: Int
  /// Rows of a tile.
  let tileRows: Int
  /// Workers that a step by rows, or by units, may have.
  let workers: Int
  /// Bytes of weights that stay in a core's second-level cache.
  let kept: Int

  /// What may be used of the second-level cache for weights: the rest has the states and gates of a step.
  static func kept(_ caches: Caches) -> Int { caches.second / 4 &* 3 / max(1, caches.coresPerSecond) }

  /// The best split of a step with `rows` rows.
  @inline(never)
  func split(rows: Int) -> StepSplit {
    let rows = max(1, rows)
    var (best, cost) = (1, cycles(rows: rows, groups: min(rows, workers), members: 1))
    var members = 2
    while members <= workers {
      // Every worker has a place.
      if workers % members == 0, members <= parts {
        let cycles = cycles(rows: rows, groups: min(rows, workers / members), members: members)
        if cycles < cost { (best, cost) = (members, cycles) }
      }
      members &+= 1
    }
    let groups = min(rows, workers / best)
    // One or two rows take several panels at a time, and a lone part of a panel as long as the whole: no pieces.
    let few = rows <= 2 &* groups
    let panels = (parts &+ partsTogether &- 1) / partsTogether
    let isCut = best > 1 && !few && panels >= 4 &* best && cost >= leastCyclesInPieces
    let pieces = isCut ? min(panels, piecesOfMember &* best) : 0
    let grain = few || pieces > 0 ? partsTogether : 1
    return StepSplit(
      groups: groups, members: best,
      multipliesAhead: inputBytes > 0
        && (rows < groups &* tileRows
          || (stateBytes &+ inputBytes) / best > kept && inputBytes > 2 &* productBytes &* rows / groups
            && leastStepsTogether &* rows <= framesTogether),
      grain: grain, pieces: pieces, patience: cost / roundCycles)
  }

  /// Cycles of a step.
  func cycles(rows: Int, groups: Int, members: Int) -> Int {
    let share = (parts &+ members &- 1) / members
    let products = (rows &+ groups &- 1) / groups &* work / parts &* share
    let bytes = stateBytes / parts &* share
    let exchanged = (rows &+ groups &- 1) / groups &* exchangedBytes / members &* (members &- 1)
    return max(products / (2 &* laneCount), bytes / nearRate) &+ max(0, bytes &- kept) / farRate
      &+ (members > 1 && waits > 0 ? waits &* barrier &+ exchanged / exchangeRate : 0)
  }
}

/// At most so many rows are multiplied beforehand at a time.
func mostReadyRows(rows: Int, batch: Int) -> Int { min(rows, max(batch, framesTogether)) }

extension RecurrentPlan {
  /// Cuts a visit into stretches of steps that are shared out alike: `body(positions, split)`. Those whose input is
  /// multiplied beforehand have `framesTogether` frames at most, or one step.
  @inline(__always)
  func forEachStretch(_ schedule: Schedule, _ body: (_ positions: Range<Int>, _ split: StepSplit) -> Void) {
    var first = 0
    while first < schedule.ragged.steps {
      let (end, split) = stretch(schedule, from: first)
      body(first..<end, split)
      first = end
    }
  }

  /// The stretch that begins at a position: its end, and how it is shared out.
  @inline(never)
  private func stretch(_ schedule: Schedule, from first: Int) -> (end: Int, split: StepSplit) {
    var count = schedule.step(at: first).count
    var current = split(rows: count)
    var (position, frames) = (first &+ 1, count)
    while position < schedule.ragged.steps {
      let size = schedule.step(at: position).count
      frames &+= size
      if current.multipliesAhead, frames > framesTogether { break }
      if size != count {
        let next = split(rows: size)
        if next != current { break }
        current.patience = max(current.patience, next.patience)
        count = size
      }
      position &+= 1
    }
    if position == first &+ 1 {
      // A step alone reads the input's weights once, either way: in its loop they are shared out as the state's are.
      current.multipliesAhead = false
      // By units it costs a call of the workers, who may be asleep.
      if current.members > 1, current.patience < leastCyclesAlone / roundCycles {
        (current.groups, current.members, current.pieces) = (1, 1, 0)
      }
    }
    return (position, current)
  }
}
