// The generator against its authors' known answers.
import XCTest

@testable import SeriatimKernels

final class PhiloxTests: XCTestCase {
  func testPhiloxKnownAnswers() {
    // Random123's kat_vectors, philox4x32 10.
    func words(_ counter: [UInt32], _ key: (UInt32, UInt32)) -> [UInt32] {
      let lanes = counter.map { WordLanes(repeating: $0) }
      let block = philox(counter: (lanes[0], lanes[1], lanes[2], lanes[3]), key: key)
      return [block.0[0], block.1[0], block.2[0], block.3[laneCount - 1]]
    }
    XCTAssertEqual(words([0, 0, 0, 0], (0, 0)), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let ones = UInt32.max
    XCTAssertEqual(
      words([ones, ones, ones, ones], (ones, ones)), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    XCTAssertEqual(
      words([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], (0xa409_3822, 0x299f_31d0)),
      [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }
}
