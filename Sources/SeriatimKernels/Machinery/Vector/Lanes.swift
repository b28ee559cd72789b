// One vector register of floats, and the few operations that every kernel is written with.
//
// The package is compiled once per instruction-set level. `-DAVX512` and `-DAVX2` come with the matching `-march`, so
// that the compiler never has to split or emulate a vector. Everything here is `@_transparent`: an ordinary inlinable
// helper can stay a call, and then its vectors travel through memory.

import Builtin

#if AVX512
  /// As many floats as one register of this level holds.
  public typealias Lanes = SIMD16<Float>
  typealias IntegerLanes = SIMD16<Int32>
  typealias ByteLanes = SIMD16<Int8>
  typealias WordLanes = SIMD16<UInt32>
  /// Floats in `Lanes`.
  public let laneCount = 16
#elseif AVX2
  /// As many floats as one register of this level holds.
  public typealias Lanes = SIMD8<Float>
  typealias IntegerLanes = SIMD8<Int32>
  typealias ByteLanes = SIMD8<Int8>
  typealias WordLanes = SIMD8<UInt32>
  /// Floats in `Lanes`.
  public let laneCount = 8
#else
  /// As many floats as one register of this level holds: SSE2, NEON, WebAssembly's SIMD128.
  public typealias Lanes = SIMD4<Float>
  typealias IntegerLanes = SIMD4<Int32>
  typealias ByteLanes = SIMD4<Int8>
  typealias WordLanes = SIMD4<UInt32>
  /// Floats in `Lanes`.
  public let laneCount = 4
#endif

typealias Input = UnsafePointer<Float>
typealias Output = UnsafeMutablePointer<Float>

/// `accumulator + a * b`: one fused instruction where the level has it. Where it has not, a fused one would call
/// libm once per lane, so the product is rounded before the sum.
@_transparent
func multiplyAdd(_ accumulator: Lanes, _ a: Lanes, _ b: Lanes) -> Lanes {
  #if AVX512 || AVX2 || arch(arm64)
    return accumulator.fused(a, b)
  #else
    return accumulator + a * b
  #endif
}

/// The scalar of `multiplyAdd`, for the ends of rows: the same rounding, so that a tail has the bits of a whole vector.
@_transparent
func multiplyAdd(_ accumulator: Float, _ a: Float, _ b: Float) -> Float {
  #if AVX512 || AVX2 || arch(arm64)
    return accumulator.addingProduct(a, b)
  #else
    return accumulator + a * b
  #endif
}

@_transparent
func broadcast(_ value: Float) -> Lanes { Lanes(repeating: value) }

@_transparent
func load(_ source: UnsafePointer<Float>) -> Lanes {
  Builtin.loadRaw(source._rawValue)
}

@_transparent
func load(_ source: UnsafeMutablePointer<Float>) -> Lanes {
  Builtin.loadRaw(source._rawValue)
}

@_transparent
func store(_ value: Lanes, _ target: UnsafeMutablePointer<Float>) {
  Builtin.storeRaw(value, target._rawValue)
}

/// A register of whole numbers, a byte each in memory, as floats.
@_transparent
func widened(_ source: UnsafeRawPointer) -> Lanes {
  let bytes: ByteLanes = Builtin.loadRaw(source._rawValue)
  #if AVX512
    let whole = Builtin.sext_Vec16xInt8_Vec16xInt32(bytes._storage._value)
    return Lanes(register: Builtin.sitofp_Vec16xInt32_Vec16xFPIEEE32(whole))
  #elseif AVX2
    let whole = Builtin.sext_Vec8xInt8_Vec8xInt32(bytes._storage._value)
    return Lanes(register: Builtin.sitofp_Vec8xInt32_Vec8xFPIEEE32(whole))
  #else
    let whole = Builtin.sext_Vec4xInt8_Vec4xInt32(bytes._storage._value)
    return Lanes(register: Builtin.sitofp_Vec4xInt32_Vec4xFPIEEE32(whole))
  #endif
}

/// The first `count` lanes from memory, zeros behind them: nothing beyond `source + count` is read.
@inline(__always)
func load(_ source: UnsafePointer<Float>, first count: Int) -> Lanes {
  _fastPath(count >= laneCount) ? load(source) : loadPart(source, count)
}

// The ends of rows, called: they are rare, and there are hundreds of places that have one.
@inline(never)
private func loadPart(_ source: UnsafePointer<Float>, _ count: Int) -> Lanes {
  var value = Lanes(repeating: 0)
  for lane in 0..<count { value[lane] = source[lane] }
  return value
}

@inline(__always)
func load(_ source: UnsafeMutablePointer<Float>, first count: Int) -> Lanes {
  load(UnsafePointer(source), first: count)
}

/// The first `count` lanes to memory: nothing beyond `target + count` is written.
@inline(__always)
func store(_ value: Lanes, _ target: UnsafeMutablePointer<Float>, first count: Int) {
  if _fastPath(count >= laneCount) { store(value, target) } else { storePart(value, target, count) }
}

@inline(never)
private func storePart(_ value: Lanes, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  for lane in 0..<count { target[lane] = value[lane] }
}

/// The sum of the lanes by halving: one fixed order.
@inline(__always)
func sum(_ value: Lanes) -> Float {
  #if AVX512
    let eight = value.lowHalf + value.highHalf
    let four = eight.lowHalf + eight.highHalf
  #elseif AVX2
    let four = value.lowHalf + value.highHalf
  #else
    let four = value
  #endif
  let two = four.lowHalf + four.highHalf
  return two[0] + two[1]
}

/// `count` rounded up to a multiple of `multiple`.
@_transparent
func roundedUp(_ count: Int, to multiple: Int) -> Int {
  (count &+ multiple &- 1) / multiple &* multiple
}
