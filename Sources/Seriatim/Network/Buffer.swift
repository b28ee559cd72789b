// Memory of kernels: the caller's, and aligned as they like it.

import SeriatimSystem

/// Floats that begin at a line of the cache, zeros at first. They live as long as the object does: who uses a pointer to those
/// of a local one keeps it by `withExtendedLifetime`.
final class Buffer {
  let start: UnsafeMutablePointer<Float>
  let count: Int

  init(_ count: Int) {
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    start = memory.bindMemory(to: Float.self, capacity: max(count, 1))
    start.initialize(repeating: 0, count: max(count, 1))
  }

  convenience init(_ values: [Float]) {
    self.init(values.count)
    start.update(from: values, count: values.count)
  }

  deinit { UnsafeMutableRawPointer(start).deallocate() }

  var input: UnsafePointer<Float> { UnsafePointer(start) }
}

extension Array {
  /// Runs `body` with the address of the first element; there is one.
  @inline(__always)
  func withStart<Result>(_ body: (UnsafePointer<Element>) throws -> Result) rethrows -> Result {
    try withUnsafeBufferPointer { elements in
      guard let start = elements.baseAddress else { preconditionFailure("an array without elements") }
      return try body(start)
    }
  }
}

/// Runs kernels as the Python library does: numbers too small for their type are zeros, and the calling thread's state is put
/// back; and with the number of threads that scratch was measured for, whatever `Kernels.threads` has become.
@inline(__always)
func runningKernels<Result>(threads: Int, _ body: () throws -> Result) rethrows -> Result {
  let floats = srt_flush_denormals()
  let before = srt_threads_of_call()
  srt_keep_threads_of_call(threads)
  defer {
    srt_keep_threads_of_call(before)
    srt_restore_denormals(floats)
  }
  return try body()
}
