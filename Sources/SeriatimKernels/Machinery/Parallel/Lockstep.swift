// Work whose parts must keep step: every worker needs, at each step, what all of them wrote at the step before.
//
// Cores that other programs use as well do not run at one speed, and a barrier a step waits for the slower one each time.
// So a pass may be cut into pieces, several a member: each does its own, those first that it did last at the step before,
// for they are still in its cache, and then takes what others have not begun from the far end of theirs.
//
// Such a team is only fast while all its members really run. So the caller never waits for anybody: it begins alone, and
// lets the workers in at the step during which the last of them has turned up. And when a member stays away for longer
// than a spin lasts (its core was given to another process), the caller dissolves the team, does what the member had not
// begun, and goes on alone for a while, the longer the oftener this happens: a busy machine costs one wait now and then,
// not one a step. Then it tries again, in the same call or in a later one.

import SeriatimSystem

/// `body(position, pass, seat)`; true when the next pass must wait for all of the seat's row.
typealias LockstepBody = (_ position: Int, _ pass: Int, _ seat: Seat) -> Bool

/// A member's place in its team: the members of a group keep step with each other, the groups go on their own.
struct Seat {
  let group: Int
  let groups: Int
  let member: Int
  let members: Int

  @inline(__always)
  init(group: Int, groups: Int, member: Int, members: Int) {
    (self.group, self.groups, self.member, self.members) = (group, groups, member, members)
  }

  /// - Parameter together: members of a group; a team that they do not divide is one group
  @inline(__always)
  init(_ task: Int, of tasks: Int, together: Int) {
    members = tasks % together == 0 ? together : tasks
    groups = tasks / members
    group = task / members
    member = task % members
  }
}

/// Rounds of the spin at a barrier before the caller gives the team up: some tens of microseconds at least.
private let leastPatience = 4_000

/// Rounds that the caller waits for its workers before the first step.
private let welcome = 200

/// Passes that go alone after a team was given up: twice as many each time, half as many after a team that lasted.
let leastRestraint = 32
private let mostRestraint = 4096

/// Work of a step, for the questions between steps; long ones ask in their products, too.
let shortStep = 1 << 14

/// Counters in a cache line: each member has a line of its own.
let countersPerLine = SRT_COUNTERS_PER_LINE

/// A `LockstepBody` of a call that has not returned.
struct LentBody {
  let lent: UnsafePointer<srt_lent>

  func callAsFunction(_ position: Int, _ pass: Int, _ seat: Seat) -> Bool {
    srt_call_pass(lent, position, pass, seat.group, seat.groups, seat.member, seat.members)
  }
}

/// What `lockstep` is asked for.
private struct Order {
  let positions: Range<Int>
  let passes, tasks, together, pieces, patience: Int
}

struct Team {
  let body: LentBody
  let positions: Range<Int>
  let passes: Int
  let together: Int
  let patience: Int
  /// Pieces of a group's pass, dealt out to who is free; 0: each member has its part.
  let pieces: Int
  /// Number of passes each member has done, counted from the first position: one line a member.
  let progress: UnsafeMutablePointer<UInt64>
  /// 0: closed. Else the first pass of the team in the upper half, its size in the lower; size 0: nobody is needed.
  var gate: UInt64 = 0
  /// 1: the team is dissolved.
  var dissolved: UInt64 = 0
}

/// Runs `body` for every position, pass by pass, each pass by `tasks` workers, or by fewer when fewer turn up: a pass is
/// cut into as many tasks as there are members then. A pass begins when its own task's passes are done, and, if the body
/// gave true for one of them, those of all tasks in its group up to that one.
///
/// - Parameters:
///   - together: members of a group
///   - pieces: if not 0, a pass is cut into so many, and `body` called for each as if a group had so many members; then
///     every pass is waited for
///   - patience: rounds that a pass may take: members that do the same work on cores of different speed differ by a share
///     of it, and none of them is lost for that
@inline(__always)
func lockstep(
  positions: Range<Int>, passes: Int, tasks: Int, together: Int? = nil, pieces: Int = 0, patience: Int = 0,
  _ body: LockstepBody
) {
  var order = Order(
    positions: positions, passes: passes, tasks: tasks, together: together ?? tasks, pieces: pieces,
    patience: max(leastPatience, patience))
  withUnsafeMutablePointer(to: &order) {
    lend(body, UnsafeMutableRawPointer($0)) { lent, order in
      keepStep(order.assumingMemoryBound(to: Order.self).pointee, LentBody(lent: lent))
    }
  }
}

/// Calls `use` with the body as others may call it.
@_silgen_name("srt_lend_pass")
func lend(
  _ body: LockstepBody, _ argument: UnsafeMutableRawPointer,
  _ use: @convention(c) (_ lent: UnsafePointer<srt_lent>, _ argument: UnsafeMutableRawPointer) -> Void)

private func keepStep(_ order: Order, _ body: LentBody) {
  let (pool, positions, passes, tasks) = (pool(), order.positions, order.passes, order.tasks)
  if tasks > 1, !positions.isEmpty, pthread_mutex_trylock(&pool.pointee.turn) == 0 {
    var first = positions.lowerBound
    while first < positions.upperBound {
      let alone = min(positions.upperBound &- first, (pool.pointee.restraint &+ passes &- 1) / passes)
      runAlone(first..<(first &+ alone), passes, body)
      pool.pointee.restraint = max(0, pool.pointee.restraint &- alone &* passes)
      first &+= alone
      if first < positions.upperBound {
        first = runTeam(pool, first..<positions.upperBound, order, body)
      }
    }
    pthread_mutex_unlock(&pool.pointee.turn)
  } else {
    runAlone(positions, passes, body)
  }
}

private func runAlone(_ positions: Range<Int>, _ passes: Int, _ body: LentBody) {
  for position in untilCancelled(positions, work: shortStep) {
    for pass in 0..<passes { _ = body(position, pass, Seat(0, of: 1, together: 1)) }
  }
}

/// Gives the first position that is not done: the team was dissolved there.
private func runTeam(
  _ pool: UnsafeMutablePointer<Pool>, _ positions: Range<Int>, _ order: Order, _ body: LentBody
) -> Int {
  let (progress, tasks) = (srt_pool_progress(), order.tasks)
  for task in 0..<tasks {
    srt_atomic_store(progress + task &* countersPerLine, 0)
    srt_atomic_store(progress + (task &* countersPerLine &+ 1), Pieces.none)
  }
  var team = Team(
    body: body, positions: positions, passes: order.passes, together: order.together, patience: order.patience,
    pieces: order.pieces, progress: progress)
  return withUnsafeMutablePointer(to: &team) { team in
    publish(pool, tasks: tasks, from: 1, UnsafeMutableRawPointer(team)) { context, task, _ in
      member(context.assumingMemoryBound(to: Team.self), task)
    }
    return lead(team, pool, tasks: tasks)
  }
}

/// The caller's part, as task 0. Gives the first position that is not done.
private func lead(_ team: UnsafeMutablePointer<Team>, _ pool: UnsafeMutablePointer<Pool>, tasks: Int) -> Int {
  let passes = team.pointee.passes
  var size = 1
  var begun = 1
  var open = false
  var count: UInt64 = 0
  var looks = 0
  for position in team.pointee.positions {
    if srt_is_cancelled() {
      if !open { begun = close(pool, tasks: tasks) }
      srt_atomic_store(&team.pointee.dissolved, 1)
      srt_atomic_store(&team.pointee.gate, 1 &<< 16)
      waitForTasks(pool, begun)
      return team.pointee.positions.upperBound
    }
    if !open {
      // A step of pieces is long: the first one is worth a moment's waiting for those who are about to come.
      if position == team.pointee.positions.lowerBound, team.pointee.pieces > 0 {
        var waited = 0
        while fetchedTasks(pool) < tasks, waited < welcome {
          srt_pause()
          waited &+= 1
        }
      }
      // Everybody is there, or somebody is and the others had their time.
      let fetched = fetchedTasks(pool)
      looks &+= fetched > 1 ? 1 : 0
      if fetched == tasks || looks > 64 {
        begun = close(pool, tasks: tasks)
        size = begun
        open = true
        for task in 0..<size { srt_atomic_store(team.pointee.progress + task &* countersPerLine, count) }
        srt_atomic_store(&team.pointee.gate, (count &+ 1) &<< 16 | UInt64(size))
      }
    }
    for pass in 0..<passes {
      let wait = runPass(team, position, pass, count, 0, size)
      count &+= 1
      guard size > 1 else { continue }
      srt_atomic_store(team.pointee.progress, count)
      if wait, !othersReach(count, team, size, 0) {
        srt_atomic_store(&team.pointee.dissolved, 1)
        waitForTasks(pool, size)
        pool.pointee.restraint = pool.pointee.penalty
        pool.pointee.penalty = min(mostRestraint, 2 &* pool.pointee.penalty)
        return finish(team, count: count, size: size)
      }
    }
  }
  if !open {
    begun = close(pool, tasks: tasks)
    srt_atomic_store(&team.pointee.gate, 1 &<< 16)
  }
  waitForTasks(pool, begun)
  if size > 1 { pool.pointee.penalty = max(leastRestraint, pool.pointee.penalty / 2) }
  return team.pointee.positions.upperBound
}

/// Does what the members of a dissolved team, who have all left, have not done: of the passes up to `count`, which the
/// caller has done, and of those that a member has begun beyond them. That happens: the one whom the caller gave up may
/// turn up before the others learn of it, and then they go on. Nothing is done twice, since a pass may add to what is
/// there. Gives the first position of which nothing is done.
func finish(_ team: UnsafeMutablePointer<Team>, count: UInt64, size: Int) -> Int {
  let (body, passes, first) = (team.pointee.body, UInt64(team.pointee.passes), team.pointee.positions.lowerBound)
  let (progress, together) = (team.pointee.progress, team.pointee.together)
  srt_atomic_store(progress, count)
  if team.pointee.pieces > 0 { finishPieces(team, size) }
  var (least, most) = (count, count)
  for task in 1..<size {
    let done = srt_atomic_load(progress + task &* countersPerLine)
    least = min(least, done)
    most = max(most, done)
  }
  for stamp in least..<most {
    for task in 0..<size where srt_atomic_load(progress + task &* countersPerLine) <= stamp {
      _ = body(first &+ Int(stamp / passes), Int(stamp % passes), Seat(task, of: size, together: together))
    }
  }
  // The rest of a position that is begun.
  while most % passes != 0 {
    _ = body(first &+ Int(most / passes), Int(most % passes), Seat(0, of: 1, together: 1))
    most &+= 1
  }
  return first &+ Int(most / passes)
}

/// In a pass of pieces that one member has done nothing of its group is left.
private func finishPieces(_ team: UnsafeMutablePointer<Team>, _ size: Int) {
  let progress = team.pointee.progress
  let members = Seat(0, of: size, together: team.pointee.together).members
  for first in stride(from: 0, to: size, by: members) {
    var most: UInt64 = 0
    for task in first..<(first &+ members) { most = max(most, srt_atomic_load(progress + task &* countersPerLine)) }
    for task in first..<(first &+ members) { srt_atomic_store(progress + task &* countersPerLine, most) }
  }
}

/// One member's part of a pass, the `stamp`-th of the team; true when the next must wait for all of the group.
@inline(__always)
private func runPass(
  _ team: UnsafeMutablePointer<Team>, _ position: Int, _ pass: Int, _ stamp: UInt64, _ task: Int, _ size: Int
) -> Bool {
  let seat = Seat(task, of: size, together: team.pointee.together)
  if team.pointee.pieces == 0 || seat.members == 1 { return team.pointee.body(position, pass, seat) }
  let first = seat.group &* seat.members
  var member = seat.member
  repeat {
    let pieces = Pieces(
      word: team.pointee.progress + ((first &+ member) &* countersPerLine &+ 1), stamp: stamp,
      range: share(of: team.pointee.pieces, member, seat.members))
    // Every second step goes from the last piece to the first.
    while let piece = pieces.take(fromFront: (position & 1 == 0) == (member == seat.member)) {
      _ = team.pointee.body(
        position, pass, Seat(group: seat.group, groups: seat.groups, member: piece, members: team.pointee.pieces))
    }
    member = member &+ 1 == seat.members ? 0 : member &+ 1
  } while member != seat.member
  return true
}

/// The pieces of one member in one pass: what nobody has begun, in one word that owner and others change by turns.
private struct Pieces {
  /// The pass in the upper half; the first piece, and the one behind the last, in the lower.
  let word: UnsafeMutablePointer<UInt64>
  let stamp: UInt64
  let range: Range<Int>

  /// Of no pass.
  static var none: UInt64 { 0xffff_ffff_0000_0000 }

  /// One of them, for whoever asks.
  @inline(__always)
  func take(fromFront: Bool) -> Int? {
    let upper = stamp &<< 32
    while true {
      let found = srt_atomic_load(word)
      var (first, end) = (Int(found &>> 16 & 0xffff), Int(found & 0xffff))
      // Whoever comes first in a pass lays the pieces out.
      if found & 0xffff_ffff_0000_0000 != upper { (first, end) = (range.lowerBound, range.upperBound) }
      if first == end { return nil }
      let left = fromFront ? (first &+ 1)..<end : first..<(end &- 1)
      let new = upper | UInt64(left.lowerBound) &<< 16 | UInt64(left.upperBound)
      if srt_atomic_exchange_if(word, found, new) { return fromFront ? first : end &- 1 }
    }
  }
}

/// A worker's part.
private func member(_ team: UnsafeMutablePointer<Team>, _ task: Int) {
  var spun = 0
  while srt_atomic_load(&team.pointee.gate) == 0 {
    spun &+= 1
    if spun < leastPatience { srt_pause() } else { sched_yield() }
  }
  let gate = srt_atomic_load(&team.pointee.gate)
  let size = Int(gate & 0xffff)
  guard task < size else { return }
  let passes = team.pointee.passes
  var count = (gate &>> 16) &- 1
  var position = team.pointee.positions.lowerBound &+ Int(count) / passes
  while position < team.pointee.positions.upperBound {
    for pass in 0..<passes {
      if srt_atomic_load(&team.pointee.dissolved) != 0 { return }
      let wait = runPass(team, position, pass, count, task, size)
      count &+= 1
      srt_atomic_store(team.pointee.progress + task &* countersPerLine, count)
      if wait {
        while !othersReach(count, team, size, task) {
          if srt_atomic_load(&team.pointee.dissolved) != 0 { return }
          sched_yield()
        }
      }
    }
    position &+= 1
  }
}

/// Waits until all other members of a group have done `count` passes; false when that takes too long, or the team is
/// dissolved.
@inline(__always)
private func othersReach(_ count: UInt64, _ team: UnsafeMutablePointer<Team>, _ size: Int, _ own: Int) -> Bool {
  let seat = Seat(own, of: size, together: team.pointee.together)
  let first = seat.group &* seat.members
  let rounds = team.pointee.patience
  for other in first..<(first &+ seat.members) where other != own {
    var spun = 0
    while srt_atomic_load(team.pointee.progress + other &* countersPerLine) < count {
      spun &+= 1
      if spun > rounds { return false }
      if spun & 255 == 0, srt_atomic_load(&team.pointee.dissolved) != 0 { return false }
      srt_pause()
    }
  }
  return true
}
