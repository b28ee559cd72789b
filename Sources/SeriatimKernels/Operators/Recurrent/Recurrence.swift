// Running the steps of a recurrent layer on several workers, as a plan (Plan.swift) shares them out.
//
// By rows: every worker runs all steps of its own sequences, and nobody waits. The sequences are dealt one by one, for
// they are sorted by length: at every step each worker has as many rows as the others or one more.
//
// By units: every worker reads its own part of the weights, and the workers keep step.
//
// Or both: groups of workers have their own rows, and the members of a group their own units.

/// What one layer does at one step, forward or backward.
protocol Recurrence {
  /// A step's passes: a pass reads what all parts of the pass before wrote.
  var passes: Int { get }
  /// Parts into which the units of a pass are cut: registers.
  func parts(_ pass: Int) -> Int
  /// Parts that share a panel of weights.
  var partsTogether: Int { get }
  /// Runs one pass for some rows and some parts. Not to be inlined: the drivers would have a copy each.
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>)
  /// Whether another part reads what this pass wrote, so that the next pass must wait for all.
  func isShared(_ pass: Int) -> Bool
}

extension Recurrence {
  var partsTogether: Int { panelRegisters }
}

/// Every `tasks`-th sequence, from `task` on. Row strides of a worker are `tasks` times those of the data.
struct RowShare {
  let task: Int
  let tasks: Int

  static var all: RowShare { RowShare(task: 0, tasks: 1) }

  /// How many of `range` are this worker's.
  @inline(__always)
  func count(in range: Range<Int>) -> Int { below(range.upperBound) &- below(range.lowerBound) }

  /// Runs `body(first, count)` for this worker's rows in `range`, in tiles: rows first, first + tasks, ...
  @inline(__always)
  func forEachTile(in range: Range<Int>, limit: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    let before = below(range.lowerBound)
    SeriatimKernels.forEachTile(of: below(range.upperBound) &- before, limit: limit) { first, count in
      body(task &+ (before &+ first) &* tasks, count)
    }
  }

  /// Runs `body(row)` for each of this worker's rows in `range`.
  @inline(__always)
  func forEach(in range: Range<Int>, _ body: (_ row: Int) -> Void) {
    var row = task &+ below(range.lowerBound) &* tasks
    while row < range.upperBound {
      body(row)
      row &+= tasks
    }
  }

  /// How many of this worker's rows are below `row`.
  @inline(__always)
  private func below(_ row: Int) -> Int {
    tasks == 1 ? row : max(0, row &- task &+ tasks &- 1) / tasks
  }
}

/// Runs the steps at some positions of a schedule, shared out as `split` says.
///
/// - Parameter zoneout: the passes that it adds to a cell's own, or nil
@inline(never)
func run(
  _ recurrence: some Recurrence, _ schedule: Schedule, _ positions: Range<Int>, _ split: StepSplit,
  zoneout: ZoneoutPasses? = nil
) {
  let before = zoneout?.before ?? 0
  let own = before &+ recurrence.passes
  let passes = own &+ (zoneout == nil ? 0 : 1)
  if split.members == 1 {
    parallel(tasks: split.groups) { task, tasks in
      let share = RowShare(task: task, tasks: tasks)
      for position in untilCancelled(positions, work: shortStep) {
        let step = schedule.step(at: position)
        for pass in 0..<passes { _ = runPass(pass, step, share, member: 0, members: 1) }
      }
    }
    return
  }
  if positions.count == 1 {
    // A step alone would be over before a team has come together: its parts are tasks, for whoever is free.
    let step = schedule.step(at: positions.lowerBound)
    for pass in 0..<passes {
      parallel(tasks: split.groups &* split.members) { task, tasks in
        let seat = Seat(task, of: tasks, together: split.members)
        _ = runPass(
          pass, step, RowShare(task: seat.group, tasks: seat.groups), member: seat.member, members: seat.members)
      }
    }
    return
  }
  lockstep(
    positions: positions, passes: passes, tasks: split.groups &* split.members, together: split.members,
    pieces: split.pieces, patience: split.patience
  ) { position, pass, seat in
    runPass(
      pass, schedule.step(at: position), RowShare(task: seat.group, tasks: seat.groups), member: seat.member,
      members: seat.members)
  }

  /// One member's part of a pass; true when the next pass must wait for it.
  @inline(__always)
  func runPass(_ pass: Int, _ step: Step, _ share: RowShare, member: Int, members: Int) -> Bool {
    if pass >= before, pass < own {
      recurrence.run(
        pass &- before, step, share, parts: split.share(of: recurrence.parts(pass &- before), member, members))
      return zoneout != nil || recurrence.isShared(pass &- before)
    }
    zoneout?.run(isLast: pass >= own, step, share, parts: split.share(of: zoneout?.parts ?? 0, member, members))
    return true
  }
}
