// How the work of a recurrent layer is shared among the workers.
//
// Steps with many rows are split by rows: every worker runs all these steps of its own sequences, and nobody waits. The
// sequences are dealt one by one, for they are sorted by length: at every step each worker has as many rows as the others
// or one more.
//
// Steps with so few rows that their time is that of reading the weights are split by units: every worker reads its own
// part of the weights, and the workers keep step. As batch sizes never grow, these are the first or the last steps of a
// visit, so a layer is one job of each kind at most.

/// What one layer does at one step, forward or backward.
protocol Recurrence {
  /// A step's passes: a pass reads what all parts of the pass before wrote.
  var passes: Int { get }
  /// Parts into which the units of a pass are cut.
  func parts(_ pass: Int) -> Int
  /// Runs one pass for some rows and some parts. Not to be inlined: the drivers would have a copy each.
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>)
  /// Whether another part reads what this pass wrote, so that the next pass must wait for all.
  func isShared(_ pass: Int) -> Bool
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

/// Multiply-adds of one step's recurrent product that make a worker more worth its keeping step.
private let leastStepWork = 12_000

/// How a batch is split.
struct RecurrentPlan {
  /// Steps from here on are split by units.
  let firstNarrowStep: Int
  let rowTasks: Int
  let unitTasks: Int

  var mostTasks: Int { max(rowTasks, unitTasks) }

  /// - Parameters:
  ///   - work: multiply-adds of one row in the time loop
  ///   - parts: of `Recurrence`
  ///   - tileRows: of the layer's tiles
  init(_ ragged: RaggedBatch, work: Int, parts: Int, tileRows: Int) {
    let most = min(threadLimit(), parts, work / leastStepWork)
    unitTasks = max(1, most)
    // Below this, a worker's share of the rows is under a tile.
    firstNarrowStep = most > 1 ? ragged.firstStep(below: most &* tileRows) : ragged.steps
    rowTasks = min(ragged.batch, taskLimit(work: ragged.rows &* work))
  }
}

/// Runs all steps of a schedule.
///
/// - Parameter zoneout: the passes that it adds to a cell's own, or nil
func run(_ recurrence: some Recurrence, _ schedule: Schedule, _ plan: RecurrentPlan, zoneout: ZoneoutPasses? = nil) {
  let steps = schedule.ragged.steps
  let before = zoneout?.before ?? 0
  let own = before &+ recurrence.passes
  let passes = own &+ (zoneout == nil ? 0 : 1)
  if schedule.upwards { wide() }
  lockstep(
    positions: schedule.positions(of: plan.firstNarrowStep..<steps), passes: passes, tasks: plan.unitTasks
  ) { position, pass, task, tasks in
    let step = schedule.step(at: position)
    if pass >= before, pass < own {
      recurrence.run(
        pass &- before, step, .all, parts: share(of: recurrence.parts(pass &- before), task, tasks))
      return zoneout != nil || recurrence.isShared(pass)
    }
    zoneout?.run(isLast: pass >= own, step, .all, parts: share(of: zoneout?.parts ?? 0, task, tasks))
    return true
  }
  if !schedule.upwards { wide() }

  func wide() {
    guard plan.firstNarrowStep > 0 else { return }
    parallel(tasks: plan.rowTasks) { task, tasks in
      let share = RowShare(task: task, tasks: tasks)
      for position in schedule.positions(of: 0..<plan.firstNarrowStep) {
        let step = schedule.step(at: position)
        if before > 0, let zoneout { zoneout.run(isLast: false, step, share, parts: 0..<zoneout.parts) }
        for pass in 0..<recurrence.passes {
          recurrence.run(pass, step, share, parts: 0..<recurrence.parts(pass))
        }
        if let zoneout { zoneout.run(isLast: true, step, share, parts: 0..<zoneout.parts) }
      }
    }
  }
}
