// The gates of the convolutional recurrences against their definitions; and what the tests of the three share.
import Foundation
import XCTest

@testable import SeriatimKernels

extension ConvRecurrentShape {
  /// Sizes whose planes end below, at, above and at multiples of a register, and whose channels do so of a tile.
  static var aroundTheTiles: [ConvRecurrentShape] {
    let planes = [(1, 1, 3), (1, 3, 1), (3, 3, 3), (2, laneCount / 2, 3), (1, laneCount + 1, 5), (5, 7, 3)]
    let channels = [1, 2, tileRows - 1, tileRows, tileRows + 1, 3]
    return zip(planes, channels).enumerated().map { index, sizes in
      ConvRecurrentShape([1 + index % 3, 1 + index % 2, sizes.1, sizes.0.0, sizes.0.1, sizes.0.2])
    } + [ConvRecurrentShape([2, 3, 2, 2 * laneCount, 3, 3]), large]
  }

  /// Large enough for two workers in every loop over planes.
  static var large: ConvRecurrentShape { ConvRecurrentShape([2, 2, 8, 32, 33, 3]) }

  var weightCount: Int { hidden * hidden * kernel * kernel }

  /// The place of a pixel in maps of `gates` gates, of one step or of several.
  func place(_ image: Int, _ channel: Int, _ pixel: Int, gates: Int = 1, gate: Int = 0) -> Int {
    ((image * gates + gate) * hidden + channel) * pixels + pixel
  }

  /// The same for every pixel of a step.
  func forEachState(_ body: (_ image: Int, _ channel: Int, _ pixel: Int) -> Void) {
    for image in 0..<batch { for channel in 0..<hidden { for pixel in 0..<pixels { body(image, channel, pixel) } } }
  }

  /// One image's part of an array over steps and images.
  func part(_ values: [Float], image: Int, steps: Int) -> [Float] {
    let size = values.count / (steps * batch)
    return (0..<steps).flatMap { step -> ArraySlice<Float> in
      let first = (step * batch + image) * size
      return values[first..<first + size]
    }
  }

  /// One image alone.
  var alone: ConvRecurrentShape {
    var one = self
    one.batch = 1
    return one
  }
}

/// The gates' functions in doubles.
struct DoubleGates {
  let hard: Bool
  func gate(_ x: Double) -> Double { hard ? min(max(0.5 * x + 0.5, 0), 1) : 1 / (1 + exp(-x)) }
  func candidate(_ x: Double) -> Double { hard ? min(max(x, -1), 1) : tanh(x) }
}

/// Adds the convolution of the states before a step to its sums, in doubles.
func addConvolution(
  _ sums: inout [Double], _ weight: ArraySlice<Double>, _ before: [Double], gates: Int, shape: ConvRecurrentShape
) {
  forEachProduct(shape.convolution(gates: gates, images: shape.batch)) {
    sums[$0] += weight[weight.startIndex + $1] * before[$2]
  }
}

final class ConvRecurrentTests: XCTestCase {
  func testGatesAndTheirSlopes() {
    // Not at the corners, where a hard gate has two slopes.
    for value in stride(from: -2.95, through: 3, by: 0.1) as StrideThrough<Double> {
      for hard in [false, true] {
        let (ours, exact) = (GateFunctions(hard: hard), DoubleGates(hard: hard))
        for (y, slope, function) in [
          (ours.gate(broadcast(Float(value))), ours.gateSlope, exact.gate),
          (ours.candidate(broadcast(Float(value))), ours.candidateSlope, exact.candidate),
        ] {
          XCTAssertEqual(Double(y[0]), function(value), accuracy: 1e-6)
          let want = (function(value + 1e-6) - function(value - 1e-6)) / 2e-6
          XCTAssertEqual(Double(slope(y)[laneCount - 1]), want, accuracy: 1e-5)
        }
      }
    }
  }
}
