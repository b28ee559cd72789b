// The C ABI of the convolutional recurrences: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

private enum Kind: Int32 {
  case gru = 0
  case lstm, rnn
}

extension srt_conv_cell {
  fileprivate var shape: ConvRecurrentShape {
    let sizes: InlineArray<6, Int> = [steps, batch, hidden, height, width, kernel]
    return sizes.span.withUnsafeBufferPointer { ConvRecurrentShape($0.baseAddress.unsafelyUnwrapped) }
  }
}

@_cdecl("srt_conv_recurrent_sizes") @implementation
public func srt_conv_recurrent_sizes(
  _ sizes: UnsafeMutablePointer<srt_conv_sizes>, _ cell: UnsafePointer<srt_conv_cell>
) -> Int32 {
  let shape = cell.pointee.shape
  guard shape.isSound, let kind = Kind(rawValue: cell.pointee.kind) else { return badSize }
  switch kind {
  case .gru:
    sizes.pointee.packed = convGRUPackedSize(shape, backward: false)
    sizes.pointee.packed_backward = convGRUPackedSize(shape, backward: true)
    sizes.pointee.forward_scratch = convGRUForwardScratchSize(shape)
    sizes.pointee.backward_scratch = convGRUBackwardScratchSize(shape)
  case .lstm:
    sizes.pointee.packed = convLSTMPackedSize(shape, backward: false)
    sizes.pointee.packed_backward = convLSTMPackedSize(shape, backward: true)
    sizes.pointee.forward_scratch = convLSTMForwardScratchSize(shape)
    sizes.pointee.backward_scratch = convLSTMBackwardScratchSize(shape)
  case .rnn:
    sizes.pointee.packed = convRNNPackedSize(shape, backward: false)
    sizes.pointee.packed_backward = convRNNPackedSize(shape, backward: true)
    sizes.pointee.forward_scratch = convRNNForwardScratchSize(shape)
    sizes.pointee.backward_scratch = convRNNBackwardScratchSize(shape)
  }
  return done
}

@_cdecl("srt_conv_recurrent_pack") @implementation
public func srt_conv_recurrent_pack(
  _ packed: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ cell: UnsafePointer<srt_conv_cell>,
  _ backward: Int32
) -> Int32 {
  let shape = cell.pointee.shape
  guard shape.isSound, let kind = Kind(rawValue: cell.pointee.kind) else { return badSize }
  switch kind {
  case .gru: packConvGRU(packed, weight: weight, shape: shape, backward: backward != 0)
  case .lstm: packConvLSTM(packed, weight: weight, shape: shape, backward: backward != 0)
  case .rnn: packConvRNN(packed, weight: weight, shape: shape, backward: backward != 0)
  }
  return done
}

@_cdecl("srt_conv_recurrent_forward") @implementation
public func srt_conv_recurrent_forward(
  _ cell: UnsafePointer<srt_conv_cell>, _ arguments: UnsafePointer<srt_conv_forward>
) -> Int32 {
  let (cell, a) = (cell.pointee, arguments.pointee)
  guard cell.shape.isSound, let kind = Kind(rawValue: cell.kind) else { return badSize }
  switch kind {
  case .gru:
    guard let y = a.states.0 else { return missingPointer }
    convGRUForward(
      y: y, gates: a.gates, h0: a.initial.0, packed: a.packed, bias: a.bias, shape: cell.shape,
      hard: cell.hard != 0, scratch: a.scratch)
  case .lstm:
    guard let y = a.states.0, let cells = a.states.1 else { return missingPointer }
    convLSTMForward(
      y: y, cells: cells, gates: a.gates, h0: a.initial.0, c0: a.initial.1, packed: a.packed,
      bias: a.bias, shape: cell.shape, hard: cell.hard != 0, scratch: a.scratch)
  case .rnn:
    guard let activation = Activation.Kind(rawValue: cell.activation) else { return badSize }
    convRNNForward(
      y: a.gates, h0: a.initial.0, packed: a.packed, bias: a.bias, activation: Activation(activation),
      shape: cell.shape, scratch: a.scratch)
  }
  return done
}

@_cdecl("srt_conv_recurrent_backward") @implementation
public func srt_conv_recurrent_backward(
  _ cell: UnsafePointer<srt_conv_cell>, _ arguments: UnsafePointer<srt_conv_backward>
) -> Int32 {
  let (cell, a) = (cell.pointee, arguments.pointee)
  guard cell.shape.isSound, let kind = Kind(rawValue: cell.kind) else { return badSize }
  guard let y = a.states.0, let gradH0 = a.grad_initial.0 else { return missingPointer }
  switch kind {
  case .gru:
    convGRUBackward(
      gradH0: gradH0, gates: a.gates, gradWeight: a.grad_weight, gradBias: a.grad_bias,
      accumulate: a.accumulate != 0, gradY: a.grad_y, gradState: a.grad_final.0, y: y, h0: a.initial.0,
      packedBackward: a.packed, shape: cell.shape, hard: cell.hard != 0, scratch: a.scratch)
  case .lstm:
    guard let cells = a.states.1, let gradC0 = a.grad_initial.1 else { return missingPointer }
    convLSTMBackward(
      gradH0: gradH0, gradC0: gradC0, gates: a.gates, gradWeight: a.grad_weight,
      gradBias: a.grad_bias, accumulate: a.accumulate != 0, gradY: a.grad_y, gradH: a.grad_final.0,
      gradC: a.grad_final.1, y: y, cells: cells, h0: a.initial.0, c0: a.initial.1,
      packedBackward: a.packed, shape: cell.shape, hard: cell.hard != 0, scratch: a.scratch)
  case .rnn:
    guard let activation = Activation.Kind(rawValue: cell.activation) else { return badSize }
    convRNNBackward(
      gradX: a.gates, gradH0: gradH0, gradWeight: a.grad_weight, gradBias: a.grad_bias,
      accumulate: a.accumulate != 0, gradY: a.grad_y, gradState: a.grad_final.0, y: y, h0: a.initial.0,
      packedBackward: a.packed, activation: Activation(activation), shape: cell.shape, scratch: a.scratch)
  }
  return done
}
