// Caches as machines of many kinds show them.
import Foundation
import SeriatimSystem
import XCTest

@testable import SeriatimKernels

/// Folders of one CPU in /sys/devices/system/cpu: level, type, size, CPUs that share it.
private let shown: [(machine: String, cpus: Int, folders: [String], expected: Caches)] = [
  (
    "Zen 4, 2 hardware threads of a virtual machine", 2,
    ["1 Data 32K 0-1", "1 Instruction 32K 0-1", "2 Unified 1024K 0-1", "3 Unified 32768K 0-1"],
    Caches(first: 32 << 10, second: 1 << 20, shared: 32 << 20, coresPerSecond: 2, coresPerShared: 2)
  ),
  (
    "Zen 5, a whole socket: one die's cache", 256,
    ["1 Data 48K 0,128", "1 Instruction 32K 0,128", "2 Unified 1024K 0,128", "3 Unified 32768K 0-7,128-135"],
    Caches(first: 48 << 10, second: 1 << 20, shared: 32 << 20, coresPerSecond: 2, coresPerShared: 16)
  ),
  (
    "Emerald Rapids", 2,
    ["1 Data 48K 0", "1 Instruction 32K 0", "2 Unified 2048K 0", "3 Unified 307200K 0-1"],
    Caches(first: 48 << 10, second: 2 << 20, shared: 300 << 20, coresPerShared: 2)
  ),
  (
    "Skylake-X", 4,
    ["1 Data 32K 0,2", "1 Instruction 32K 0,2", "2 Unified 1024K 0,2", "3 Unified 25344K 0-3"],
    Caches(first: 32 << 10, second: 1 << 20, shared: 25344 << 10, coresPerSecond: 2, coresPerShared: 4)
  ),
  (
    "Graviton 3", 64,
    ["1 Data 64K 0", "1 Instruction 64K 0", "2 Unified 1024K 0", "3 Unified 32768K 0-63"],
    Caches(first: 64 << 10, second: 1 << 20, shared: 32 << 20, coresPerShared: 64)
  ),
  (
    "a cluster's second cache and nothing beyond", 8,
    ["1 Data 128K 0", "1 Instruction 192K 0", "2 Unified 16M 0-3"],
    Caches(first: 128 << 10, second: 16 << 20, shared: 0, coresPerSecond: 4, coresPerShared: 4)
  ),
  ("masked", 2, [], Caches(first: 32 << 10, second: 1 << 20, shared: 8 << 20)),
  (
    "a size is missing, another is none", 2, ["1 Data  0", "2 Unified -1K 0", "3 Unified 32768K 0-1"],
    Caches(first: 32 << 10, second: 1 << 20, shared: 32 << 20, coresPerShared: 2)
  ),
  (
    "what a hypervisor makes up", 2, ["1 Data 32K 0", "2 Unified 4096K 0", "3 Unified 16384K 0"],
    Caches(first: 32 << 10, second: 1 << 20, shared: 16 << 20)
  ),
  (
    "16 GB, shared by CPUs that there are not", 2,
    ["1 Data 16G 0", "2 Unified 16G 0-511", "3 Unified 16777216K 0-511"],
    Caches(first: 32 << 10, second: 1 << 20, shared: 8 << 20, coresPerSecond: 2, coresPerShared: 2)
  ),
]

final class CachesTests: XCTestCase {
  private var root = ""

  override func setUpWithError() throws {
    root = NSTemporaryDirectory() + "seriatim-caches-\(UUID().uuidString)"
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: root) }

  /// Writes the folders of a CPU as Linux lays them out.
  private func write(cpu: Int, _ folders: [String]) throws {
    for (index, folder) in folders.enumerated() {
      let path = "\(root)/cpu\(cpu)/cache/index\(index)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let names = ["level", "type", "size", "shared_cpu_list"]
      for (name, text) in zip(names, folder.components(separatedBy: " ")) {
        try (text.isEmpty ? "" : text + "\n").write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
      }
    }
  }

  func testWhatMachinesShow() throws {
    for (machine, cpus, folders, expected) in shown {
      try write(cpu: 0, folders)
      var read = srt_caches()
      srt_read_cpu_caches(root, 0, &read)
      srt_check_caches(&read, Int32(cpus))
      XCTAssertEqual(Caches(read), expected, machine)
      try? FileManager.default.removeItem(atPath: root)
    }
  }

  func testOfCoresOfTwoKindsTheSmallerCounts() throws {
    try write(cpu: 0, ["1 Data 48K 0-1", "2 Unified 2048K 0-1", "3 Unified 30720K 0-15"])
    try write(cpu: 15, ["1 Data 32K 15", "2 Unified 4096K 12-15", "3 Unified 30720K 0-15"])
    var read = srt_caches()
    srt_read_cpu_caches(root, 0, &read)
    srt_read_cpu_caches(root, 15, &read)
    srt_check_caches(&read, 16)
    XCTAssertEqual(
      Caches(read),
      Caches(first: 32 << 10, second: 2 << 20, shared: 30 << 20, coresPerSecond: 2, coresPerShared: 16))
  }

  /// eax, ebx, ecx of each cache of a Zen 4 core and of an Emerald Rapids one.
  func testCPUID() {
    let zen4: [(UInt32, UInt32, UInt32)] = [
      (0x4121, 0x01C0_003F, 63), (0x4122, 0x01C0_003F, 63), (0x4143, 0x01C0_003F, 2047),
      (0x3C163, 0x03C0_003F, 32767), (0, 0, 0),
    ]
    let emerald: [(UInt32, UInt32, UInt32)] = [
      (0x121, 0x02C0_003F, 63), (0x122, 0x01C0_003F, 63), (0x143, 0x03C0_003F, 2047),
      (0x4163, 0x04C0_003F, 245759), (0, 0, 0),
    ]
    let expected = [
      Caches(first: 32 << 10, second: 1 << 20, shared: 32 << 20, coresPerSecond: 2, coresPerShared: 16),
      Caches(first: 48 << 10, second: 2 << 20, shared: 300 << 20, coresPerShared: 2),
    ]
    for (answers, expected) in zip([zen4, emerald], expected) {
      var read = srt_caches()
      let goesOn = answers.map { srt_note_cpuid_cache($0.0, $0.1, $0.2, &read) }
      XCTAssertEqual(goesOn, [true, true, true, true, false])
      srt_check_caches(&read, 64)
      XCTAssertEqual(Caches(read), expected)
    }
  }

  func testThisMachine() {
    XCTAssertTrue(readMachineCaches(nil))
    let found = machineCaches
    XCTAssertGreaterThanOrEqual(found.second, found.first)
    XCTAssertTrue(readMachineCaches("48K,2M,300M"))
    XCTAssertEqual([machineCaches.first, machineCaches.second, machineCaches.shared], [48 << 10, 2 << 20, 300 << 20])
    XCTAssertFalse(readMachineCaches("48K,2M"))
    XCTAssertEqual(machineCaches.second, 2 << 20)
    machineCaches = Caches(first: 32 << 10, second: 1 << 20, shared: 8 << 20)
  }
}
