// Loops over flat arrays, a register at a time, shared out in ranges that begin at a register's boundary.

/// Runs `body(first, width)` for every register of `0..<count`, `width` being `laneCount` but for the last.
@inline(__always)
func forEachRegister(of count: Int, leastWork: Int = 16_384, _ body: (_ first: Int, _ width: Int) -> Void) {
  let registers = roundedUp(count, to: laneCount) / laneCount
  parallel(tasks: taskLimit(work: count, leastWork: leastWork)) { task, tasks in
    // Together they are worth a few of `leastWork`.
    for part in inParts(share(of: registers, task, tasks), work: mostWork / leastWork &* laneCount) {
      for register in part {
        let first = register &* laneCount
        body(first, min(laneCount, count &- first))
      }
    }
  }
}

/// An element's work where a worker is worth its waking for one element.
private let mostWork = 131_072
