// The C ABI of the matrix product's sizes: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_packed_size") @implementation
public func srt_packed_size(_ depth: Int, _ columns: Int) -> Int { packedSize(depth: depth, columns: columns) }

@_cdecl("srt_gradient_scratch") @implementation
public func srt_gradient_scratch() -> Int { weightGradientScratchSize() }
