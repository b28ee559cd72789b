// Memory of a kernel's own. Nothing here, and nothing else in a kernel, asks the system for any: what does not fit on the
// stack is the caller's scratch.

import Builtin

/// Runs `body` on memory of the stack for `count` elements, a constant of some kilobytes at most; not initialised.
/// (`withUnsafeTemporaryAllocation` takes more than 1 KB from the heap, and ends the process where there is none.)
@inline(__always)
func withStack<Element>(of type: Element.Type, count: Int, _ body: (UnsafeMutablePointer<Element>) -> Void) {
  let memory = Builtin.stackAlloc(
    count._builtinWordValue, MemoryLayout<Element>.stride._builtinWordValue,
    MemoryLayout<Element>.alignment._builtinWordValue)
  body(UnsafeMutablePointer(memory))
  Builtin.stackDealloc(memory)
}

/// Floats of scratch for so many integers, wherever it begins.
func integersSize(_ count: Int) -> Int { 2 &* count &+ 1 }

/// Room for `count` integers at the front of scratch, and what is left of it.
@inline(__always)
func takeIntegers(_ count: Int, from scratch: Output) -> (integers: UnsafeMutablePointer<Int>, rest: Output) {
  let integers = UnsafeMutableRawPointer(scratch).alignedUp(for: Int.self)
  return (integers.bindMemory(to: Int.self, capacity: count), scratch + integersSize(count))
}
