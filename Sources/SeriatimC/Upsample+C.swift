// The C ABI of upsampling: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

/// Nil if a size cannot be, or one axis has weights and the other has not.
private func upsampleShape(
  _ sizes: UnsafePointer<Int>, _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>,
  _ rowWeights: UnsafePointer<Float>?, _ columnWeights: UnsafePointer<Float>?
) -> UpsampleShape? {
  for place in 0..<5 where sizes[place] <= 0 { return nil }
  guard (rowWeights == nil) == (columnWeights == nil) else { return nil }
  return UpsampleShape(
    planes: sizes[0], height: sizes[1], width: sizes[2], outHeight: sizes[3], outWidth: sizes[4], rows: rows,
    columns: columns, rowWeights: rowWeights, columnWeights: columnWeights)
}

@_cdecl("srt_upsample_forward") @implementation
public func srt_upsample_forward(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>, _ rowWeights: UnsafePointer<Float>?,
  _ columnWeights: UnsafePointer<Float>?
) -> Int32 {
  guard let shape = upsampleShape(sizes, rows, columns, rowWeights, columnWeights) else { return badSize }
  upsample(y: y, x: x, shape: shape)
  return done
}

@_cdecl("srt_upsample_backward") @implementation
public func srt_upsample_backward(
  _ gradX: UnsafeMutablePointer<Float>, _ gradY: UnsafePointer<Float>, _ sizes: UnsafePointer<Int>,
  _ rows: UnsafePointer<Int32>, _ columns: UnsafePointer<Int32>, _ rowWeights: UnsafePointer<Float>?,
  _ columnWeights: UnsafePointer<Float>?
) -> Int32 {
  guard let shape = upsampleShape(sizes, rows, columns, rowWeights, columnWeights) else { return badSize }
  upsampleBackward(gradX: gradX, gradY: gradY, shape: shape)
  return done
}
