// How kernels ask for threads. Work is cut into as many independent tasks as there are threads; a task that no worker
// fetches in time is run by the caller, so a busy machine makes a call slower, never stuck.

import SeriatimSystem

/// The number of threads a call may use, the caller's included.
public func threadLimit() -> Int {
  let ofCall = srt_threads_of_call()
  if ofCall > 0 { return ofCall }
  return srt_thread_is_alone() ? 1 : Int(srt_atomic_load(&pool().pointee.threadLimit))
}

/// Keeps `threadLimit()` for the calling thread as it is, whatever others set: a call's scratch is for so many. True if
/// it was not kept already; then it is released with `false`.
public func keepThreadLimit(_ keeps: Bool) -> Bool {
  if keeps && srt_threads_of_call() > 0 { return false }
  srt_keep_threads_of_call(keeps ? threadLimit() : 0)
  return true
}

/// Says whether kernels that the calling thread calls run on it alone, whatever the limit.
public func setRunsAlone(_ alone: Bool) { srt_mark_thread_alone(alone) }

/// Sets `threadLimit()`. Workers are started when a call first needs them.
public func setThreadLimit(_ count: Int) {
  srt_atomic_store(&pool().pointee.threadLimit, UInt64(max(1, min(count, SRT_MOST_THREADS))))
}

/// How many tasks `work` multiply-adds (or moved floats) are worth: waking a worker costs about as much as
/// `leastWork` of them.
@inline(__always)
func taskLimit(work: Int, leastWork: Int = 32_768) -> Int {
  max(1, min(threadLimit(), work / leastWork))
}

/// The part of `0..<count` that belongs to one task.
@inline(__always)
func share(of count: Int, _ task: Int, _ tasks: Int) -> Range<Int> {
  (count &* task / tasks)..<(count &* (task &+ 1) / tasks)
}

/// Runs `body(task, tasks)` for every task in `0..<tasks` and returns when all are done. Tasks must not depend on each
/// other: they may run in any order, all on one thread.
@inline(__always)
func parallel(tasks: Int, _ body: (_ task: Int, _ tasks: Int) -> Void) {
  lend(body, tasks) { lent, tasks in run(tasks: tasks, lent, srt_call_task) }
}

@_silgen_name("srt_lend_task")
private func lend(
  _ body: (_ task: Int, _ tasks: Int) -> Void, _ tasks: Int,
  _ use: @convention(c) (_ lent: UnsafeMutableRawPointer, _ tasks: Int) -> Void)
