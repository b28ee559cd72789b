// The data caches of the machine, for plans: read once at import, then plain numbers.

import SeriatimSystem

/// Sizes in bytes, and how many cores (hardware threads) share one.
public struct Caches: Equatable, Sendable {
  /// A core's first data cache.
  public let first: Int
  /// The second, of one core or of `coresPerSecond` together.
  public let second: Int
  /// What is shared beyond the second by `coresPerShared`; 0 where there is nothing but memory.
  public let shared: Int
  /// Of each second cache.
  public let coresPerSecond: Int
  /// Of the shared one.
  public let coresPerShared: Int
  /// A line of the first.
  public let line: Int

  /// Of a core that shares nothing, unless said otherwise.
  public init(
    first: Int, second: Int, shared: Int, coresPerSecond: Int = 1, coresPerShared: Int = 1, line: Int = 64
  ) {
    self.first = first
    self.second = second
    self.shared = shared
    self.coresPerSecond = coresPerSecond
    self.coresPerShared = coresPerShared
    self.line = line
  }
}

/// Those of this machine: the binding has them read at import, before there can be a second thread. Until then, and in tests
/// of the kernels, what is assumed of any machine.
public nonisolated(unsafe) var machineCaches = Caches(first: 32 << 10, second: 1 << 20, shared: 8 << 20)

/// Reads the machine's caches, or takes the sizes that `text` names. False, and nothing changed, when it names none.
public func readMachineCaches(_ text: UnsafePointer<CChar>?) -> Bool {
  var read = srt_caches()
  srt_read_caches(&read)
  if let text, !srt_parse_caches(text, &read) { return false }
  machineCaches = Caches(read)
  return true
}

extension Caches {
  init(_ read: srt_caches) {
    self.init(
      first: read.first, second: read.second, shared: read.shared, coresPerSecond: Int(read.cores_per_second),
      coresPerShared: Int(read.cores_per_shared), line: Int(read.line))
  }
}
