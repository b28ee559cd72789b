// The C ABI of dropout: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_dropout") @implementation
public func srt_dropout(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int, _ threshold: UInt32, _ scale: Float,
  _ seed: UInt64, _ offset: UInt64
) -> Int32 {
  guard count > 0 else { return badSize }
  dropout(y: y, x: x, count: count, threshold: threshold, scale: scale, seed: seed, offset: offset)
  return done
}
