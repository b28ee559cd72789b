// The C ABI of the recurrent layers: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

private let narrow = Int(SRT_BFLOAT16) | Int(SRT_INT8)

private func isNarrow(_ cell: srt_cell) -> Bool { Int(cell.options) & narrow != 0 }

func isValid(_ cell: srt_cell) -> Bool {
  let options = Int(cell.options)
  let known =
    switch Int(cell.kind) {
    case Int(SRT_GRU): Int(SRT_RESET_BEFORE) | Int(SRT_LAYER_NORM) | narrow
    case Int(SRT_LSTM): Int(SRT_PEEPHOLE) | Int(SRT_LAYER_NORM) | narrow
    case Int(SRT_RNN): Int(SRT_RELU) | narrow
    case Int(SRT_IND_RNN): Int(SRT_RELU)
    default: 0
    }
  return cell.kind >= 0 && cell.kind < Int32(SRT_CELLS) && options & ~known == 0 && cell.input_size > 0
    && cell.hidden_size > 0 && cell.projection_size >= 0 && cell.projection_size < cell.hidden_size
    && (cell.projection_size == 0 || cell.kind == Int32(SRT_LSTM))
    && options & narrow != narrow
    && (!isNormalized(cell) || (options == Int(SRT_LAYER_NORM) && cell.projection_size == 0))
}

private func isNormalized(_ cell: srt_cell) -> Bool { cell.options & Int32(SRT_LAYER_NORM) != 0 }

/// Whether all parameters of the state and of norms are there that the cell has.
private func isComplete(_ cell: srt_cell, _ weights: srt_cell_weights) -> Bool {
  guard let sizes = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false) else { return false }
  func has(_ bit: Int) -> Bool { Int(sizes.parameters) & bit != 0 }
  return (weights.weight_hh != nil || !has(Int(SRT_HAS_WEIGHT_HH)))
    && (weights.weight_hr != nil || !has(Int(SRT_HAS_WEIGHT_HR)))
    && (weights.weight_ch != nil || !has(Int(SRT_HAS_WEIGHT_CH)))
    && ((weights.norm_ih != nil && weights.norm_hh != nil) || !has(Int(SRT_HAS_NORM)))
    && (weights.norm_c != nil || !has(Int(SRT_HAS_NORM_C)))
}

@_cdecl("srt_recurrent_measure") @implementation
public func srt_recurrent_measure(
  _ cell: UnsafePointer<srt_cell>, _ batch: Int, _ rows: Int, _ steps: Int, _ training: Int32,
  _ sizes: UnsafeMutablePointer<srt_recurrent_sizes>
) -> Int32 {
  guard isValid(cell.pointee), batch > 0, rows > 0, steps > 0,
    let found = recurrentSizes(cell.pointee, batch: batch, rows: rows, steps: steps, training: training != 0)
  else { return badSize }
  sizes.pointee = found
  return done
}

@_cdecl("srt_recurrent_pack") @implementation
public func srt_recurrent_pack(
  _ cell: UnsafePointer<srt_cell>, _ packed: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<srt_cell_weights>,
  _ scales: UnsafePointer<srt_cell_scales>
) -> Int32 {
  guard isValid(cell.pointee) else { return badSize }
  guard weights.pointee.weight_ih != nil, isComplete(cell.pointee, weights.pointee),
    isScaled(cell.pointee, scales.pointee)
  else { return missingPointer }
  packRecurrent(cell.pointee, packed, weights.pointee, scales.pointee)
  return done
}

private func isScaled(_ cell: srt_cell, _ scales: srt_cell_scales) -> Bool {
  let projects = cell.projection_size > 0
  return cell.options & Int32(SRT_INT8) == 0
    || (scales.ih != nil && scales.hh != nil && (scales.hr != nil || !projects))
}

@_cdecl("srt_recurrent_pack_backward") @implementation
public func srt_recurrent_pack_backward(
  _ cell: UnsafePointer<srt_cell>, _ packed: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<srt_cell_weights>
) -> Int32 {
  guard isValid(cell.pointee), !isNarrow(cell.pointee) else { return badSize }
  guard isComplete(cell.pointee, weights.pointee) else { return missingPointer }
  packRecurrentBackward(cell.pointee, packed, weights.pointee)
  return done
}

@_cdecl("srt_recurrent_forward") @implementation
public func srt_recurrent_forward(
  _ cell: UnsafePointer<srt_cell>, _ call: UnsafePointer<srt_recurrent_call>
) -> Int32 {
  guard isValid(cell.pointee), call.pointee.steps > 0, call.pointee.cache == nil || !isNarrow(cell.pointee) else {
    return badSize
  }
  recurrentForward(cell.pointee, call.pointee)
  return done
}

@_cdecl("srt_recurrent_backward") @implementation
public func srt_recurrent_backward(
  _ cell: UnsafePointer<srt_cell>, _ call: UnsafePointer<srt_recurrent_gradient_call>
) -> Int32 {
  guard isValid(cell.pointee), call.pointee.steps > 0, !isNarrow(cell.pointee) else { return badSize }
  recurrentBackward(cell.pointee, call.pointee)
  return done
}
