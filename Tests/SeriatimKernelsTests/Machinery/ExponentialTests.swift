// The stated maximum errors, measured against float64 over a dense sweep of each function's range.
import Foundation
import XCTest

@testable import SeriatimKernels

final class ExponentialTests: XCTestCase {
  /// The largest error in units in the last place over `count` floats spread evenly over the bits between two bounds.
  private func worst(
    from low: Float, to high: Float, count: Int = 400_000, _ function: (Lanes) -> Lanes, _ exact: (Double) -> Double
  ) -> Double {
    var worst = 0.0
    var x = Lanes(repeating: 0)
    var index = 0
    while index < count {
      for lane in 0..<laneCount { x[lane] = low + (high - low) * Float(index + lane) / Float(count) }
      let y = function(x)
      for lane in 0..<laneCount {
        let want = exact(Double(x[lane]))
        let unit = Double(max(Float(want).ulp, Float.leastNormalMagnitude))
        worst = max(worst, abs(Double(y[lane]) - want) / unit)
      }
      index += laneCount
    }
    return worst
  }

  func testExponential() {
    XCTAssertLessThan(worst(from: -87, to: 88.7, exponential, exp), 1.5 * slack)
    XCTAssertLessThan(worst(from: -1, to: 1, exponential, exp), 1.2 * slack)
    let edges = exponential(broadcast(-200))[0]
    XCTAssertEqual(edges, 0)
    XCTAssertEqual(exponential(broadcast(-.infinity))[0], 0)
    XCTAssertEqual(exponential(broadcast(.infinity))[0], .infinity)
    XCTAssertTrue(exponential(broadcast(.nan))[0].isNaN)
    XCTAssertEqual(exponential(broadcast(0))[0], 1)
  }

  func testSigmoid() {
    let exact = { (x: Double) in 1 / (1 + exp(-x)) }
    XCTAssertLessThan(worst(from: -87, to: 40, sigmoid, exact), 2.5 * slack)
    XCTAssertLessThan(worst(from: -43, to: 40, { sigmoids($0, $0).0 }, exact), 3.5 * slack)
    XCTAssertLessThan(worst(from: -43, to: 40, { sigmoids(broadcast(-40), $0).1 }, exact), 3.5 * slack)
    XCTAssertTrue(sigmoid(broadcast(.nan))[0].isNaN)
    XCTAssertEqual(sigmoid(broadcast(.infinity))[0], 1)
    XCTAssertLessThan(sigmoids(broadcast(-.infinity), broadcast(3)).0[0], 1e-18)
  }

  func testHyperbolicTangent() {
    XCTAssertLessThan(worst(from: -10, to: 10, hyperbolicTangent, tanh), 3 * slack)
    XCTAssertLessThan(worst(from: -1e-3, to: 1e-3, hyperbolicTangent, tanh), 3 * slack)
    XCTAssertEqual(hyperbolicTangent(broadcast(0))[0], 0)
    XCTAssertEqual(hyperbolicTangent(broadcast(.infinity))[0], 1)
    XCTAssertEqual(hyperbolicTangent(broadcast(-.infinity))[0], -1)
    XCTAssertTrue(hyperbolicTangent(broadcast(.nan))[0].isNaN)
  }
}
