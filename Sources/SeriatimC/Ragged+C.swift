// The C ABI of preprocessing: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_ragged_moments") @implementation
public func srt_ragged_moments(
  _ mean: UnsafeMutablePointer<Float>, _ spread: UnsafeMutablePointer<Float>?, _ x: UnsafePointer<Float>,
  _ offsets: UnsafePointer<Int64>, _ count: Int, _ features: Int
) -> Int32 {
  guard count > 0, features > 0 else { return badSize }
  raggedMoments(
    mean: mean, spread: spread, x: x,
    sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features))
  return done
}

@_cdecl("srt_ragged_extrema") @implementation
public func srt_ragged_extrema(
  _ least: UnsafeMutablePointer<Float>, _ greatest: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>,
  _ offsets: UnsafePointer<Int64>, _ count: Int, _ features: Int
) -> Int32 {
  guard count > 0, features > 0 else { return badSize }
  raggedExtrema(
    least: least, greatest: greatest, x: x,
    sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features))
  return done
}

@_cdecl("srt_ragged_scale") @implementation
public func srt_ragged_scale(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ offsets: UnsafePointer<Int64>, _ count: Int,
  _ features: Int, _ shift: UnsafePointer<Float>, _ scale: UnsafePointer<Float>
) -> Int32 {
  guard count > 0, features > 0 else { return badSize }
  raggedScale(
    y: y, x: x, sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features), shift: shift,
    scale: scale)
  return done
}

@_cdecl("srt_ragged_moments_double") @implementation
public func srt_ragged_moments_double(
  _ mean: UnsafeMutablePointer<Double>, _ spread: UnsafeMutablePointer<Double>?, _ x: UnsafePointer<Double>,
  _ offsets: UnsafePointer<Int64>, _ count: Int, _ features: Int
) -> Int32 {
  guard count > 0, features > 0 else { return badSize }
  raggedMomentsDouble(
    mean: mean, spread: spread, x: x,
    sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features))
  return done
}

@_cdecl("srt_ragged_scale_double") @implementation
public func srt_ragged_scale_double(
  _ y: UnsafeMutablePointer<Double>, _ x: UnsafePointer<Double>, _ offsets: UnsafePointer<Int64>, _ count: Int,
  _ features: Int, _ shift: UnsafePointer<Double>, _ scale: UnsafePointer<Double>
) -> Int32 {
  guard count > 0, features > 0 else { return badSize }
  raggedScaleDouble(
    y: y, x: x, sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features), shift: shift,
    scale: scale)
  return done
}

@_cdecl("srt_ragged_filter_scratch") @implementation
public func srt_ragged_filter_scratch(_ width: Int, _ isMedian: Int32) -> Int {
  raggedFilterScratchSize(width: width, kind: isMedian != 0 ? .median : .mean)
}

@_cdecl("srt_ragged_filter") @implementation
public func srt_ragged_filter(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ offsets: UnsafePointer<Int64>, _ count: Int,
  _ features: Int, _ width: Int, _ isMedian: Int32, _ scratch: UnsafeMutablePointer<Float>
) -> Int32 {
  guard count > 0, features > 0, width > 0 else { return badSize }
  raggedFilter(
    y: y, x: x, sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features), width: width,
    kind: isMedian != 0 ? .median : .mean, scratch: scratch)
  return done
}

@_cdecl("srt_ragged_deltas") @implementation
public func srt_ragged_deltas(
  _ y: UnsafeMutablePointer<Float>, _ stride: Int, _ x: UnsafePointer<Float>, _ offsets: UnsafePointer<Int64>,
  _ count: Int, _ features: Int, _ reach: Int
) -> Int32 {
  guard count > 0, features > 0, reach > 0, stride >= features else { return badSize }
  raggedDeltas(
    y: y, stride: stride, x: x,
    sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features), reach: reach)
  return done
}

@_cdecl("srt_rotate_points") @implementation
public func srt_rotate_points(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ offsets: UnsafePointer<Int64>, _ count: Int,
  _ features: Int, _ matrices: UnsafePointer<Float>
) -> Int32 {
  guard count > 0, features > 0, features % 3 == 0 else { return badSize }
  rotatePoints(
    y: y, x: x, sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features),
    matrices: matrices)
  return done
}

@_cdecl("srt_interpolate_columns") @implementation
public func srt_interpolate_columns(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ offsets: UnsafePointer<Int64>, _ count: Int,
  _ features: Int, _ columns: Int, _ index: UnsafePointer<Int64>, _ weight: UnsafePointer<Float>
) -> Int32 {
  guard count > 0, features > 0, columns > 0 else { return badSize }
  interpolateColumns(
    y: y, x: x, sequences: ConcatenatedSequences(offsets: offsets, count: count, features: features),
    columns: columns, index: index, weight: weight)
  return done
}

@_cdecl("srt_interpolate_rows") @implementation
public func srt_interpolate_rows(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ features: Int, _ index: UnsafePointer<Int64>,
  _ weight: UnsafePointer<Float>, _ rows: Int
) -> Int32 {
  guard features > 0, rows > 0 else { return badSize }
  interpolateRows(y: y, x: x, features: features, index: index, weight: weight, rows: rows)
  return done
}
