// The C ABI of the matrix product's sizes: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

/// The form that SRT_BFLOAT16 or SRT_INT8 says; nil for anything else but 0.
func weightForm(_ options: Int32) -> WeightForm? {
  switch Int(options) {
  case 0: .float32
  case Int(SRT_BFLOAT16): .bfloat16
  case Int(SRT_INT8): .int8
  default: nil
  }
}

@_cdecl("srt_packed_size") @implementation
public func srt_packed_size(_ depth: Int, _ columns: Int, _ options: Int32) -> Int {
  (weightForm(options) ?? .float32).packedSize(depth: depth, columns: columns)
}

@_cdecl("srt_gradient_scratch") @implementation
public func srt_gradient_scratch() -> Int { weightGradientScratchSize() }
