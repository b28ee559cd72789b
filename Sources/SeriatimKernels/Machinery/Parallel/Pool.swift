// The worker pool: detached pthreads that spin for a few microseconds after a job and then sleep.
//
// A job is published through one 64-bit ticket: the upper half counts jobs, the lower half is the next task to fetch.
// Fetching is a compare-and-exchange on the ticket, so a worker that wakes late finds another job's number and can touch
// nothing. The caller fetches tasks as well, and only waits for those that others have begun.
//
// One job runs at a time. A second caller (another Python thread, or a kernel inside a kernel) finds the pool taken and
// runs its tasks itself. fork() keeps only the calling thread: the child drops the workers and starts its own on demand.

import SeriatimSystem

typealias JobFunction = @convention(c) (UnsafeMutableRawPointer, Int, Int) -> Void

/// Rounds of a spin loop before a worker sleeps: some tens of microseconds, the time between two kernels of one model.
private let spins = 2_000

struct Pool {
  var threadLimit: UInt64 = 1
  /// Workers alive.
  var started = 0
  /// Whether a fork finds its way; without that there are no workers.
  var survivesFork = false
  /// Held by the caller whose job runs.
  var turn = pthread_mutex_t()
  /// Guards `wake`.
  var mutex = pthread_mutex_t()
  var wake = pthread_cond_t()
  var sleeping: UInt64 = 0
  /// The CPU of the caller whose job it is.
  var callerCPU: UInt64 = 0
  /// Number of the job in the upper half, next task in the lower.
  var ticket: UInt64 = 0
  /// Tasks of the current job that are done.
  var finished: UInt64 = 0
  // The current job: a count and two addresses. Written only while no task can be fetched, but a worker that wakes late
  // may read them then (and throw away what it read), so they are atomic too.
  var tasks: UInt64 = 0
  var context: UInt64 = 0
  var function: UInt64 = 0
  /// The watch of the call whose job it is (Cancelling.swift), or 0.
  var watch: UInt64 = 0
  // Of teams in lockstep: how many passes must go alone, and how many after the next failure. Guarded by `turn`.
  var restraint = 0
  var penalty = leastRestraint
}

/// Made by the first call, which the binding makes at import, before there can be a second thread.
func pool() -> UnsafeMutablePointer<Pool> {
  let pool = srt_pool_memory().assumingMemoryBound(to: Pool.self)
  if pool.pointee.threadLimit == 0 { makePool(pool) }
  return pool
}

private func makePool(_ pool: UnsafeMutablePointer<Pool>) {
  precondition(MemoryLayout<Pool>.size <= SRT_POOL_SIZE)
  pool.initialize(to: Pool())
  initializeLocks(pool)
  pool.pointee.survivesFork = pthread_atfork(nil, nil, afterForkInChild) == 0
}

private func initializeLocks(_ pool: UnsafeMutablePointer<Pool>) {
  pthread_mutex_init(&pool.pointee.turn, nil)
  pthread_mutex_init(&pool.pointee.mutex, nil)
  pthread_cond_init(&pool.pointee.wake, nil)
}

/// Runs `function(context, task, tasks)` for every task and returns when all are done.
func run(tasks: Int, _ context: UnsafeMutableRawPointer, _ function: @escaping JobFunction) {
  let pool = pool()
  guard tasks > 1, threadLimit() > 1, pthread_mutex_trylock(&pool.pointee.turn) == 0 else {
    for task in 0..<tasks { function(context, task, tasks) }
    return
  }
  work(on: publish(pool, tasks: tasks, from: 0, context, function), pool)
  waitForTasks(pool, tasks)
  pthread_mutex_unlock(&pool.pointee.turn)
}

/// Offers the tasks from `first` on to the workers; those before it count as done. The caller holds `turn`.
@discardableResult
func publish(
  _ pool: UnsafeMutablePointer<Pool>, tasks: Int, from first: Int, _ context: UnsafeMutableRawPointer,
  _ function: @escaping JobFunction
) -> UInt64 {
  startWorkers(min(tasks, threadLimit()) &- 1, pool)
  srt_atomic_store(&pool.pointee.function, UInt64(UInt(bitPattern: unsafeBitCast(function, to: Int.self))))
  srt_atomic_store(&pool.pointee.context, UInt64(UInt(bitPattern: context)))
  srt_atomic_store(&pool.pointee.watch, UInt64(UInt(bitPattern: srt_watch_of_call())))
  srt_atomic_store(&pool.pointee.tasks, UInt64(tasks))
  srt_atomic_store(&pool.pointee.callerCPU, UInt64(truncatingIfNeeded: srt_current_cpu()))
  srt_atomic_store(&pool.pointee.finished, UInt64(first))
  let job = (srt_atomic_load(&pool.pointee.ticket) &>> 32) &+ 1
  srt_atomic_store(&pool.pointee.ticket, job &<< 32 | UInt64(first))
  if srt_atomic_load(&pool.pointee.sleeping) > 0 {
    pthread_mutex_lock(&pool.pointee.mutex)
    pthread_cond_broadcast(&pool.pointee.wake)
    pthread_mutex_unlock(&pool.pointee.mutex)
  }
  return job
}

/// Waits until `tasks` tasks are done.
func waitForTasks(_ pool: UnsafeMutablePointer<Pool>, _ tasks: Int) {
  var waited = 0
  while srt_atomic_load(&pool.pointee.finished) < UInt64(tasks) {
    waited &+= 1
    if waited < spins {
      srt_pause()
    } else {
      // What others still do may be long. They see it when the call is cancelled.
      _ = srt_is_cancelled()
      sched_yield()
    }
  }
}

/// Tasks of the current job that somebody has begun.
@inline(__always)
func fetchedTasks(_ pool: UnsafeMutablePointer<Pool>) -> Int {
  Int(srt_atomic_load(&pool.pointee.ticket) & 0xffff_ffff)
}

/// Withdraws the tasks that nobody has begun; gives the number of those begun.
func close(_ pool: UnsafeMutablePointer<Pool>, tasks: Int) -> Int {
  while true {
    let ticket = srt_atomic_load(&pool.pointee.ticket)
    let fetched = ticket & 0xffff_ffff
    if fetched >= UInt64(tasks) { return tasks }
    if srt_atomic_exchange_if(&pool.pointee.ticket, ticket, ticket &- fetched &+ UInt64(tasks)) { return Int(fetched) }
  }
}

/// As many as the system gives: the caller does what nobody fetches.
private func startWorkers(_ wanted: Int, _ pool: UnsafeMutablePointer<Pool>) {
  while pool.pointee.started < wanted, pool.pointee.survivesFork {
    if srt_start_thread(workerBody, UnsafeMutableRawPointer(pool)) != 0 { return }
    pool.pointee.started &+= 1
  }
}

/// Fetches and runs tasks of `job` until none is left.
private func work(on job: UInt64, _ pool: UnsafeMutablePointer<Pool>) {
  while true {
    let ticket = srt_atomic_load(&pool.pointee.ticket)
    let task = Int(ticket & 0xffff_ffff)
    let tasks = Int(srt_atomic_load(&pool.pointee.tasks))
    let address = UInt(srt_atomic_load(&pool.pointee.function))
    guard ticket &>> 32 == job, task < tasks, address != 0,
      let context = UnsafeMutableRawPointer(bitPattern: UInt(srt_atomic_load(&pool.pointee.context)))
    else { return }
    let watch = UnsafeMutablePointer<srt_watch>(bitPattern: UInt(srt_atomic_load(&pool.pointee.watch)))
    let function = unsafeBitCast(address, to: JobFunction.self)
    // What was read above belongs to `job` if the ticket is still the same: the next job is published after it changes.
    guard srt_atomic_exchange_if(&pool.pointee.ticket, ticket, ticket &+ 1) else { continue }
    srt_follow(watch)
    function(context, task, tasks)
    _ = srt_atomic_add(&pool.pointee.finished, 1)
  }
}

private func workerBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let pool = argument?.assumingMemoryBound(to: Pool.self) else { return nil }
  // A worker runs nothing but kernels: once is enough. Callers do the same around every kernel.
  _ = srt_flush_denormals()
  var done: UInt64 = 0
  while true {
    var spun = 0
    while srt_atomic_load(&pool.pointee.ticket) &>> 32 == done && spun < spins {
      srt_pause()
      spun &+= 1
    }
    if srt_atomic_load(&pool.pointee.ticket) &>> 32 == done { sleep(after: done, pool) }
    // The scheduler likes to wake a worker where its waker runs, and may leave both there, one behind the other.
    let cpu = srt_current_cpu()
    if UInt64(truncatingIfNeeded: cpu) == srt_atomic_load(&pool.pointee.callerCPU) { srt_leave_cpu(cpu) }
    let job = srt_atomic_load(&pool.pointee.ticket) &>> 32
    work(on: job, pool)
    done = job
  }
}

private func sleep(after done: UInt64, _ pool: UnsafeMutablePointer<Pool>) {
  pthread_mutex_lock(&pool.pointee.mutex)
  _ = srt_atomic_add(&pool.pointee.sleeping, 1)
  // Looked at again now that `sleeping` is up: a caller that published before this saw nobody to wake.
  while srt_atomic_load(&pool.pointee.ticket) &>> 32 == done {
    pthread_cond_wait(&pool.pointee.wake, &pool.pointee.mutex)
  }
  _ = srt_atomic_add(&pool.pointee.sleeping, UInt64.max)
  pthread_mutex_unlock(&pool.pointee.mutex)
}

/// Nobody waits for a job to end before a fork: who forks holds Python's lock, and a job may want that (Cancelling.swift).
private func afterForkInChild() {
  let pool = pool()
  // The workers are gone, in whatever condition they left the locks: start again with no worker and the same limit.
  let limit = pool.pointee.threadLimit
  pool.initialize(to: Pool(threadLimit: limit, survivesFork: true))
  initializeLocks(pool)
  // A fork inside a call, by what was asked whether it goes on: its workers' part of it is lost.
  guard let watch = srt_watch_of_call() else { return }
  watch.pointee.cancelled = 1
  // More than any job has, and room for those that are done yet.
  pool.pointee.finished = 1 << 32
}
