// What the plan of a recurrent layer chooses for the caches of real machines, and that a split is whole.
import XCTest

@testable import SeriatimKernels

final class PlanTests: XCTestCase {
  private let machines: [(name: String, caches: Caches)] = [
    ("Zen 4", Caches(first: 32 << 10, second: 1 << 20, shared: 32 << 20, coresPerShared: 8)),
    ("Zen 5", Caches(first: 48 << 10, second: 1 << 20, shared: 32 << 20, coresPerShared: 8)),
    ("Emerald Rapids", Caches(first: 48 << 10, second: 2 << 20, shared: 260 << 20, coresPerShared: 48)),
    ("Skylake-X", Caches(first: 32 << 10, second: 1 << 20, shared: 24 << 20, coresPerShared: 16)),
    ("Graviton 3", Caches(first: 64 << 10, second: 1 << 20, shared: 32 << 20, coresPerShared: 64)),
    ("Apple M", Caches(first: 128 << 10, second: 16 << 20, shared: 0, coresPerSecond: 4)),
  ]

  /// The forward loop of a layer with `gates` gates.
  private func plan(gates: Int, inputs: Int, hidden: Int, workers: Int, _ caches: Caches) -> RecurrentPlan {
    RecurrentPlan(
      work: gates * hidden * hidden, stateBytes: 4 * gates * hidden * hidden, inputBytes: 4 * gates * hidden * inputs,
      productBytes: 4 * gates * hidden, exchangedBytes: 4 * hidden, parts: hidden / 16, partsTogether: 1, waits: 1,
      tileRows: 8, workers: workers, kept: RecurrentPlan.kept(caches))
  }

  /// Members of a group and whether the input goes first, for two workers; in the order of the machines.
  func testTheChoiceForRealCaches() {
    let table: [(gates: Int, rows: Int, inputs: Int, hidden: Int, choices: [(members: Int, ahead: Bool)])] = [
      // One row is the weights' time, on any machine: by units, the input beforehand.
      (3, 1, 13, 512, [(2, true), (2, true), (2, true), (2, true), (2, true), (2, true)]),
      // 0.2 MB stay in any second-level cache: by rows, nobody waits.
      (3, 64, 128, 128, [(1, false), (1, false), (1, false), (1, false), (1, false), (1, false)]),
      // 3 MB: each worker keeps what it can of its half, unless its cache has room for all. The input's weights are fewer
      // bytes than its products.
      (3, 64, 13, 512, [(2, false), (2, false), (2, false), (2, false), (2, false), (1, false)]),
      // 3 MB and 3 MB more of the input's: those are read once for the frames of many steps.
      (3, 32, 512, 512, [(2, true), (2, true), (2, true), (2, true), (2, true), (1, true)]),
      (4, 32, 512, 512, [(2, true), (2, true), (2, true), (2, true), (2, true), (2, true)]),
      // 1.5 MB stay in a cache of 2 MB.
      (3, 64, 40, 352, [(2, false), (2, false), (1, false), (2, false), (2, false), (1, false)]),
    ]
    for row in table {
      for (machine, choice) in zip(machines, row.choices) {
        let split = plan(gates: row.gates, inputs: row.inputs, hidden: row.hidden, workers: 2, machine.caches)
          .split(rows: row.rows)
        let name = "\(machine.name): \(row.gates) gates, \(row.rows) rows, \(row.inputs) to \(row.hidden)"
        XCTAssertEqual(split.members, choice.members, name)
        XCTAssertEqual(split.multipliesAhead, choice.ahead, name)
      }
    }
  }

  /// With more cores a group has as many members as keep the weights, and the groups share out the rows.
  func testRowsAndUnits() {
    let caches = machines[2].caches
    for (workers, members) in [(2, 2), (4, 2), (8, 2), (16, 2)] {
      let split = plan(gates: 3, inputs: 13, hidden: 512, workers: workers, caches).split(rows: 256)
      XCTAssertEqual(split.members, members, "\(workers) workers")
      XCTAssertEqual(split.groups, workers / members, "\(workers) workers")
    }
  }

  func testEveryPartIsSomebodys() {
    for grain in [1, 3] {
      for parts in [1, 2, 3, 11, 32] {
        for members in [1, 2, 3, 12] {
          let split = StepSplit(
            groups: 1, members: members, multipliesAhead: false, grain: grain, pieces: 0, patience: 0)
          let all = (0..<members).flatMap { Array(split.share(of: parts, $0, members)) }
          XCTAssertEqual(all, Array(0..<parts), "grain \(grain), \(parts) parts, \(members) members")
        }
      }
    }
  }

  /// Inputs first are for several steps, and workers are called for a step that is worth it.
  func testAStepAlone() {
    for (machine, caches) in machines {
      for (hidden, members) in [(64, 1), (128, 1), (512, 2)] {
        let ragged = raggedBatch([1])
        let scratch = Guarded(Schedule.scratchSize(rows: 1))
        let schedule = Schedule(ragged, reverse: false, backward: false, scratch: scratch.pointer)
        plan(gates: 3, inputs: hidden, hidden: hidden, workers: 2, caches).forEachStretch(schedule) {
          positions, split in
          XCTAssertEqual(positions, 0..<1)
          XCTAssertEqual(split.members, members, "\(machine), \(hidden) units")
          XCTAssertFalse(split.multipliesAhead)
        }
      }
    }
  }

  func testStretchesCoverAVisit() {
    let lengths = [200, 90, 90] + [Int](repeating: 40, count: 30) + [3, 1]
    let ragged = raggedBatch(lengths)
    for reverse in [false, true] {
      let scratch = Guarded(Schedule.scratchSize(rows: ragged.rows))
      let schedule = Schedule(ragged, reverse: reverse, backward: false, scratch: scratch.pointer)
      var next = 0
      plan(gates: 4, inputs: 512, hidden: 512, workers: 2, machines[0].caches).forEachStretch(schedule) {
        positions, split in
        XCTAssertEqual(positions.lowerBound, next)
        next = positions.upperBound
        if split.multipliesAhead {
          let rows = schedule.rows(at: positions).count
          XCTAssertLessThanOrEqual(rows, mostReadyRows(rows: ragged.rows, batch: ragged.batch))
          XCTAssertEqual(rows, positions.reduce(0) { $0 + schedule.step(at: $1).count })
        }
      }
      XCTAssertEqual(next, ragged.steps)
    }
  }
}
