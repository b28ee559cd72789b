// The C ABI of the recurrent layers: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

private func isValid(_ cell: srt_cell) -> Bool {
  cell.kind >= 0 && cell.kind < Int32(SRT_CELLS) && cell.input_size > 0 && cell.hidden_size > 0
    && cell.projection_size >= 0 && cell.projection_size < cell.hidden_size
    && (cell.projection_size == 0 || cell.kind == Int32(SRT_LSTM))
    && (!isNormalized(cell)
      || (cell.options == Int32(SRT_LAYER_NORM) && cell.projection_size == 0 && cell.kind != Int32(SRT_RNN)))
}

private func isNormalized(_ cell: srt_cell) -> Bool { cell.options & Int32(SRT_LAYER_NORM) != 0 }

/// Whether the gains are there that the cell has.
private func hasGains(_ cell: srt_cell, _ weights: srt_cell_weights) -> Bool {
  !isNormalized(cell)
    || (weights.norm_ih != nil && weights.norm_hh != nil && (weights.norm_c != nil || cell.kind != Int32(SRT_LSTM)))
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
  _ cell: UnsafePointer<srt_cell>, _ packed: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<srt_cell_weights>
) -> Int32 {
  guard isValid(cell.pointee) else { return badSize }
  guard weights.pointee.weight_ih != nil, weights.pointee.weight_hh != nil, hasGains(cell.pointee, weights.pointee)
  else { return missingPointer }
  packRecurrent(cell.pointee, packed, weights.pointee, backward: false)
  return done
}

@_cdecl("srt_recurrent_pack_backward") @implementation
public func srt_recurrent_pack_backward(
  _ cell: UnsafePointer<srt_cell>, _ packed: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<srt_cell_weights>
) -> Int32 {
  guard isValid(cell.pointee) else { return badSize }
  guard weights.pointee.weight_hh != nil, hasGains(cell.pointee, weights.pointee) else { return missingPointer }
  packRecurrent(cell.pointee, packed, weights.pointee, backward: true)
  return done
}

@_cdecl("srt_recurrent_forward") @implementation
public func srt_recurrent_forward(
  _ cell: UnsafePointer<srt_cell>, _ call: UnsafePointer<srt_recurrent_call>
) -> Int32 {
  guard isValid(cell.pointee), call.pointee.steps > 0 else { return badSize }
  recurrentForward(cell.pointee, call.pointee)
  return done
}

@_cdecl("srt_recurrent_backward") @implementation
public func srt_recurrent_backward(
  _ cell: UnsafePointer<srt_cell>, _ call: UnsafePointer<srt_recurrent_gradient_call>
) -> Int32 {
  guard isValid(cell.pointee), call.pointee.steps > 0 else { return badSize }
  recurrentBackward(cell.pointee, call.pointee)
  return done
}
