// One stage of a network that runs frame by frame: what it keeps of a stream, and whether it fits before the next.

import CSeriatim

extension srt_stage {
  var isRecurrent: Bool { kind == Int32(SRT_RECURRENT) }
  var isGathered: Bool { kind == Int32(SRT_GATHERED) }
  var isWindow: Bool { kind == Int32(SRT_WINDOW) }
  var isAttention: Bool { kind == Int32(SRT_ATTENTION) }

  /// Whether it reads frames that a stream has not seen yet.
  var looksAhead: Bool { isRecurrent ? second != nil : isWindow && ahead > 0 }

  /// Kinds of pooling.
  var kinds: Int { option.nonzeroBitCount }

  /// Columns that are written to the features.
  var featureColumns: Int {
    switch Int(kind) {
    case Int(SRT_LAST): `in`
    case Int(SRT_POOL): kinds &* `in`
    case Int(SRT_ATTENTION): 2 &* `in`
    default: 0
    }
  }

  /// Floats that a stream keeps of it; attention's frames are kept apart.
  var stateSize: Int {
    switch Int(kind) {
    case Int(SRT_WINDOW): (count &- 1) &* `in`
    case Int(SRT_RECURRENT): hiddenColumns &+ cellColumns
    case Int(SRT_POOL): (Int(option & 1) &+ kinds) &* `in`
    default: 0
    }
  }

  /// Columns of h and of c that a layer has, without a look at the cell.
  var hiddenColumns: Int { second == nil ? out : out / 2 }
  var cellColumns: Int { cell.kind == Int32(SRT_LSTM) ? cell.hidden_size : 0 }

  /// Whether those are the cell's.
  private var hasCellsColumns: Bool {
    guard let sizes = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false) else { return false }
    return sizes.state_size == hiddenColumns && sizes.cell_size == cellColumns && out % (second == nil ? 1 : 2) == 0
  }

  /// The form of SRT_LINEAR's weights.
  var form: WeightForm {
    switch Int(option) {
    case Int(SRT_BFLOAT16): .bfloat16
    case Int(SRT_INT8): .int8
    default: .float32
    }
  }

  /// Whether its sizes, options and pointers are such as the kind has.
  var isValid: Bool {
    guard `in` > 0, out > 0, column >= 0, count >= 0, ahead >= 0 else { return false }
    switch Int(kind) {
    case Int(SRT_WINDOW):
      return count > 0 && ahead < count && out == count &* `in`
    case Int(SRT_LINEAR):
      return weights != nil && (option == 0 || option == Int32(SRT_BFLOAT16) || option == Int32(SRT_INT8))
    case Int(SRT_BATCH_NORM):
      return mean != nil && variance != nil && out == `in`
    case Int(SRT_ACTIVATION):
      return Activation.Kind(rawValue: option) != nil && out == `in`
    case Int(SRT_RECURRENT):
      return weights != nil && cell.input_size == `in` && hasCellsColumns
    case Int(SRT_POOL):
      return option > 0 && option < 8 && out == `in`
    case Int(SRT_ATTENTION):
      return weights != nil && second != nil && out == `in` && cell.kind == Int32(SRT_GRU) && cell.input_size == `in`
        && cell.hidden_size == `in`
    case Int(SRT_SOFTMAX), Int(SRT_LAST), Int(SRT_GATHERED):
      return kind == Int32(SRT_GATHERED) || out == `in`
    default:
      return false
    }
  }
}
