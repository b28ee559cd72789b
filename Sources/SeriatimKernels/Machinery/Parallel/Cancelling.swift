// How a long call ends early: Ctrl-C must not wait for a kernel.
//
// Loops that can be long ask between rows, panels, tiles or steps whether their call is cancelled, whenever some
// microseconds' work is done: a few instructions on every thread. The thread that called, where it is one that can be
// interrupted at all, looks at a clock there and now and then runs what the binding gave it (srt_watch in
// SeriatimSystem.h). Once a call is cancelled every loop that asks ends, whatever it has done so far; what was computed
// is dropped with the call, so nothing that is left undone may lead a later loop astray: no index is made in a loop that
// asks. Calls that change what was there before, an optimiser's step above all, are not watched: they are done whole.

import SeriatimSystem

/// Multiply-adds, or floats moved, from one question to the next.
private let workBetween = 1 << 19

/// Counts work, and asks when there was enough of it.
struct Lookout {
  private var work: Int

  /// - Parameter asksAtOnce: whether the first question is asked before any work
  @inline(__always)
  init(asksAtOnce: Bool = false) { work = asksAtOnce ? workBetween : 0 }

  /// Whether the call is cancelled, as far as is known `amount` of work after the last time.
  @inline(__always)
  mutating func isCancelled(after amount: Int) -> Bool {
    work &+= amount
    if work < workBetween { return false }
    let cancelled = srt_is_cancelled()
    // Asked again, it says so again.
    work = cancelled ? workBetween : 0
    return cancelled
  }
}

/// The numbers of a range, until the call is cancelled.
struct UntilCancelled: Sequence, IteratorProtocol {
  private var place: Int
  private let end, work: Int
  private var lookout = Lookout(asksAtOnce: true)

  @inline(__always)
  init(_ range: Range<Int>, work: Int) { (place, end, self.work) = (range.lowerBound, range.upperBound, work) }

  @inline(__always)
  func makeIterator() -> Self { self }

  @inline(__always)
  mutating func next() -> Int? {
    if place == end || lookout.isCancelled(after: work) { return nil }
    place &+= 1
    return place &- 1
  }
}

/// `range`, until the call is cancelled; `work` is that of one of its numbers.
@inline(__always)
func untilCancelled(_ range: Range<Int>, work: Int) -> UntilCancelled { UntilCancelled(range, work: work) }

/// The parts of a range, until the call is cancelled: for loops too short to count.
struct Parts: Sequence, IteratorProtocol {
  private let first, end, size: Int
  private var place: Int

  @inline(__always)
  init(_ range: Range<Int>, work: Int) {
    (first, place, end) = (range.lowerBound, range.lowerBound, range.upperBound)
    // Most are one part: no division.
    size = range.count &* work <= workBetween ? range.count : Swift.max(1, workBetween / Swift.max(1, work))
  }

  @inline(__always)
  func makeIterator() -> Self { self }

  @inline(__always)
  mutating func next() -> Range<Int>? {
    if place >= end || (place != first && srt_is_cancelled()) { return nil }
    let begin = place
    place = Swift.min(end, begin &+ size)
    return begin..<place
  }
}

/// `range` in parts, between which is asked whether the call is cancelled; `work` is that of one of its numbers.
@inline(__always)
func inParts(_ range: Range<Int>, work: Int) -> Parts { Parts(range, work: work) }
