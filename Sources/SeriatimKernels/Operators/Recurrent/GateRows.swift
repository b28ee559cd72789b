// Packed weights of the backward products: the gates of a cache row times the weights' rows of the same gates.

/// Some gates of a `(gates * hiddenSize, columns)` matrix, cyclically from gate `first` on, each padded to `units` rows.
struct GateRows {
  let hiddenSize: Int
  let units: Int
  let gates: Int
  let first: Int
  let count: Int

  /// The rows of a matrix, as they are.
  static func all(of rows: Int) -> GateRows { GateRows(hiddenSize: rows, units: rows, gates: 1, first: 0, count: 1) }

  /// Packs these rows, `depth` wide, as the columns of a product's right factor, in bfloat16 or int8.
  func packNarrow(_ packed: Output, _ form: WeightForm, _ weight: Input, _ scales: Input?, depth: Int) {
    SeriatimKernels.packNarrow(packed, form, weight, scales, depth: depth, columns: count &* units) { column in
      let (gate, unit) = (column / units, column % units)
      return gate < count && unit < hiddenSize ? (first &+ gate) % gates &* hiddenSize &+ unit : nil
    }
  }

  /// Packs these rows as the right factor of a product of depth `count * units`.
  func pack(_ packed: Output, _ weight: Input, columns: Int) {
    let panels = panelCount(columns)
    let depth = count &* units
    parallel(tasks: min(panels, taskLimit(work: depth &* columns))) { task, tasks in
      for panel in untilCancelled(share(of: panels, task, tasks), work: depth &* panelWidth) {
        let column = panel &* panelWidth
        for gate in 0..<count {
          let row = (first &+ gate) % gates &* hiddenSize
          let target = packed + panel &* panelWidth &* depth + gate &* units &* panelWidth
          packPanel(
            target, stride: panelWidth, width: panelWidth, weight + row &* columns + column, depthStride: columns,
            columnStride: 1, depth: hiddenSize, columns: min(panelWidth, columns &- column))
          fillZero(target + hiddenSize &* panelWidth, (units &- hiddenSize) &* panelWidth)
        }
      }
    }
  }
}
