// The stated maximum errors, measured against float64 over a dense sweep, and what is no positive number.
import Foundation
import XCTest

@testable import SeriatimKernels

final class LogarithmTests: XCTestCase {
  private func worst(_ values: [Float], _ function: (Lanes) -> Lanes, _ exact: (Double) -> Double) -> Double {
    values.reduce(0) { worst, x in
      let want = exact(Double(x))
      let unit = Double(max(Float(want).ulp, Float.leastNormalMagnitude))
      return max(worst, abs(Double(function(broadcast(x))[0]) - want) / unit)
    }
  }

  func testNaturalLogarithm() {
    let even = (1...100_000).map { Float($0) * 0.02 }
    let near = (1...20_000).map { 0.7 + Float($0) * 0.000_037 }
    let far = (0..<20_000).map { Float(bitPattern: 0x0080_0000 + UInt32($0) * 105_000) }
    for (name, values) in [("even", even), ("near 1", near), ("all sizes", far)] {
      XCTAssertLessThan(worst(values, { naturalLogarithm($0) }, log), 2 * slack, name)
    }
    let edges: [(Float, Float)] = [(0, -.infinity), (.infinity, .infinity), (1, 0)]
    for (x, want) in edges { XCTAssertEqual(naturalLogarithm(broadcast(x))[0], want) }
    for x in [-1, -.infinity, .nan] as [Float] { XCTAssertTrue(naturalLogarithm(broadcast(x))[0].isNaN) }
  }

  func testLogarithmOfOnePlus() {
    let values = (0...60_000).map { -0.5 + Float($0) / 40_000 } + [1e-8, -1e-8, 3e-20]
    XCTAssertLessThan(worst(values, { logarithmOfOnePlus($0) }, log1p), 2 * slack)
  }
}
