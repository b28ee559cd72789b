// Features that differ by orders of magnitude from sequence to sequence: the level's logarithm, and behind all features the
// shape, as preprocessing/_level.py computes them.

import Foundation

struct LevelAndShape: Transformer {
  let name = "LevelAndShape"
  private let wide: [Int]
  private let unit: [Double]

  init(_ node: Node, _ features: Int) throws {
    let fitted = try node("fitted")
    wide = try fitted("wide_").doubles(nil).compactMap { Int(exactly: $0) }
    unit = try fitted("unit_").doubles(wide.count)
    guard wide.allSatisfy({ $0 >= 0 && $0 < features }), Set(wide).count == wide.count else {
      throw try fitted("wide_").malformed("different features below \(features)")
    }
  }

  func outputs(_ features: Int) -> Int { features + wide.count }

  func transform(_ sequences: Sequences) throws -> Sequences {
    if wide.isEmpty { return sequences }
    let (rows, features, count) = (sequences.frames, sequences.features, wide.count)
    let chosen = (0..<rows).flatMap { row in wide.map { sequences.values[row * features + $0] } }
    let parts = Sequences(made: chosen, sequences.lengths, count)
    let (mean, spread) = moments(of: parts, spread: true)
    let shape = scaled(parts, mean, inverse(mean, spread, otherwise: 0))
    var found = [Float](repeating: 0, count: rows * (features + count))
    for row in 0..<rows {
      let target = row * (features + count)
      for column in 0..<features { found[target + column] = sequences.values[row * features + column] }
      for (index, column) in wide.enumerated() {
        let value = chosen[row * count + index]
        let level = log1p(Double(abs(value)) / unit[index])
        found[target + column] = Float(value.sign == .minus ? -level : level)
        found[target + features + index] = shape.values[row * count + index]
      }
    }
    return Sequences(made: found, sequences.lengths, features + count)
  }
}
