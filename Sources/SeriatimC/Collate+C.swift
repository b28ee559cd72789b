// The C ABI of collation: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_collate_packed") @implementation
public func srt_collate_packed(
  _ packed: UnsafeMutablePointer<Float>, _ sources: UnsafePointer<UnsafeRawPointer>, _ rowStride: Int,
  _ isDouble: Int32, _ features: Int, _ batchSizes: UnsafePointer<Int64>, _ steps: Int
) -> Int32 {
  guard features > 0, steps > 0 else { return badSize }
  collatePacked(
    packed, SequenceSources(sources, rowStride: rowStride, isDouble: isDouble != 0, features: features),
    ragged: RaggedBatch(batchSizes: batchSizes, steps: steps))
  return done
}

@_cdecl("srt_collate_padded") @implementation
public func srt_collate_padded(
  _ padded: UnsafeMutablePointer<Float>, _ batchStride: Int, _ stepStride: Int, _ length: Int, _ padding: Float,
  _ sources: UnsafePointer<UnsafeRawPointer>, _ rowStride: Int, _ isDouble: Int32, _ features: Int,
  _ lengths: UnsafePointer<Int64>, _ batch: Int
) -> Int32 {
  guard features > 0, batch > 0, length > 0 else { return badSize }
  collatePadded(
    PaddedBatch(padded, batchStride: batchStride, stepStride: stepStride, length: length, padding: padding),
    SequenceSources(sources, rowStride: rowStride, isDouble: isDouble != 0, features: features), lengths: lengths,
    batch: batch)
  return done
}

@_cdecl("srt_unpack") @implementation
public func srt_unpack(
  _ padded: UnsafeMutablePointer<Float>, _ batchStride: Int, _ stepStride: Int, _ length: Int, _ padding: Float,
  _ packed: UnsafePointer<Float>, _ batchSizes: UnsafePointer<Int64>, _ steps: Int,
  _ order: UnsafePointer<Int64>, _ features: Int
) -> Int32 {
  guard features > 0, steps > 0, length >= steps else { return badSize }
  unpack(
    PaddedBatch(padded, batchStride: batchStride, stepStride: stepStride, length: length, padding: padding),
    packed: packed, ragged: RaggedBatch(batchSizes: batchSizes, steps: steps), order: order, features: features)
  return done
}
