// The stated maximum errors, measured against float64 over a dense sweep.
import Foundation
import XCTest

@testable import SeriatimKernels

final class LogarithmTests: XCTestCase {
  func testNaturalLogarithm() {
    var worst = 0.0
    for index in 1...200_000 {
      let x = Float(index) * 0.01
      let unit = Double(max(Float(log(Double(x))).ulp, Float.ulpOfOne / 4))
      worst = max(worst, abs(Double(naturalLogarithm(x)) - log(Double(x))) / unit)
    }
    XCTAssertLessThan(worst, 1.5 * slack)
    XCTAssertEqual(naturalLogarithm(1), 0)
  }
}
