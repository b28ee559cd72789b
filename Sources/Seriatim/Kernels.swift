// What holds for all models of a program.

import CSeriatim
import Foundation
import SeriatimKernels

/// The kernels that compute every number, in all models of a program.
public enum Kernels {
  /// Threads that a call may use, its own included. What is computed has the same bits with any number.
  ///
  /// At first as many as `OMP_NUM_THREADS` says, or as the machine has processors.
  public static var threads: Int {
    get {
      isReady ? threadLimit() : 1
    }
    set { if isReady { setThreadLimit(newValue) } }
  }

  /// The instruction set that the kernels were compiled for. Python's `SERIATIM_LEVEL` names the same ones, and the same level
  /// gives the same bits.
  ///
  /// `baseline` unless the build says otherwise: `swift build -c release -Xcc -march=x86-64-v3 -Xswiftc -DAVX2` makes
  /// programs for processors with AVX2.
  public static var level: String {
    #if AVX512
      "v4"
    #elseif AVX2
      "v3"
    #elseif NEON || arch(arm64)
      "neon"
    #else
      "baseline"
    #endif
  }

  /// True once the machine's caches and processors have been looked at; the first model does.
  static let isReady: Bool = {
    _ = readMachineCaches(nil)
    let named = ProcessInfo.processInfo.environment["OMP_NUM_THREADS"].flatMap { Int($0) } ?? 0
    setThreadLimit(named > 0 ? named : ProcessInfo.processInfo.activeProcessorCount)
    return true
  }()
}
