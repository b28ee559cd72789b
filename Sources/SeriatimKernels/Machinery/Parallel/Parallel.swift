// How kernels ask for threads. Work is cut into as many independent tasks as there are threads; a task that no worker
// fetches in time is run by the caller, so a busy machine makes a call slower, never stuck.

import SeriatimSystem

/// The number of threads a call may use, the caller's included.
public func threadLimit() -> Int { srt_thread_is_alone() ? 1 : pool().pointee.threadLimit }

/// Says whether kernels that the calling thread calls run on it alone, whatever the limit.
public func setRunsAlone(_ alone: Bool) { srt_mark_thread_alone(alone) }

/// Sets `threadLimit()`. Workers are started when a call first needs them.
public func setThreadLimit(_ count: Int) { pool().pointee.threadLimit = max(1, min(count, mostThreads)) }

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
  if tasks <= 1 {
    if tasks == 1 { body(0, 1) }
    return
  }
  withoutActuallyEscaping(body) { escapable in
    var job = escapable
    withUnsafeMutablePointer(to: &job) { pointer in
      runJob(UnsafeMutableRawPointer(pointer), tasks)
    }
  }
}

typealias TaskBody = (_ task: Int, _ tasks: Int) -> Void

private func runJob(_ context: UnsafeMutableRawPointer, _ tasks: Int) {
  run(tasks: tasks, context) { context, task, tasks in
    context.assumingMemoryBound(to: TaskBody.self).pointee(task, tasks)
  }
}
