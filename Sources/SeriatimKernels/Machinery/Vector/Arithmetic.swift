// Arithmetic on whole registers. The standard library's operators for SIMD floats are loops over the lanes, which the
// optimiser mostly, but not always, puts together again (it takes the gates of a GRU apart into shuffles). These say what
// is meant: one instruction. They are more specific than the library's generic ones, so kernels use + - * / as usual.
//
// The bodies are the same for every width; a builtin's name has the width in it, so they cannot be written once.

import Builtin

#if AVX512
  extension SIMD16 where Scalar == Float {
    @_transparent
    static func + (a: Self, b: Self) -> Self {
      Self(register: Builtin.fadd_Vec16xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func - (a: Self, b: Self) -> Self {
      Self(register: Builtin.fsub_Vec16xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func * (a: Self, b: Self) -> Self {
      Self(register: Builtin.fmul_Vec16xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func / (a: Self, b: Self) -> Self {
      Self(register: Builtin.fdiv_Vec16xFPIEEE32(a._storage._value, b._storage._value))
    }
    /// `self + a * b`, rounded once.
    @_transparent
    func fused(_ a: Self, _ b: Self) -> Self {
      Self(register: Builtin.int_fma_Vec16xFPIEEE32(a._storage._value, b._storage._value, _storage._value))
    }
    @_transparent
    func squareRoot() -> Self {
      Self(register: Builtin.int_sqrt_Vec16xFPIEEE32(_storage._value))
    }
    /// `self`, but at most `bound`; NaN stays NaN.
    @_transparent
    func atMost(_ bound: Self) -> Self {
      let above = Builtin.fcmp_olt_Vec16xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec16xInt1_Vec16xFPIEEE32(above, bound._storage._value, _storage._value))
    }
    /// `self`, but at least `bound`; NaN stays NaN.
    @_transparent
    func atLeast(_ bound: Self) -> Self {
      let below = Builtin.fcmp_ogt_Vec16xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec16xInt1_Vec16xFPIEEE32(below, bound._storage._value, _storage._value))
    }
    /// `value` where the lane of `self` is below `bound`, `self` elsewhere.
    @_transparent
    func replaced(by value: Self, below bound: Self) -> Self {
      let below = Builtin.fcmp_olt_Vec16xFPIEEE32(_storage._value, bound._storage._value)
      return Self(
        register: Builtin.select_Vec16xInt1_Vec16xFPIEEE32(below, value._storage._value, _storage._value))
    }
    /// The elements of two registers in turn: the first halves, the second halves.
    @_transparent
    static func alternated(_ even: Self, _ odd: Self) -> (Self, Self) {
      let (low, high) = Builtin.interleave_Vec16xFPIEEE32(even._storage._value, odd._storage._value)
      return (Self(register: low), Self(register: high))
    }
    /// Elements 0, 2, 4, ... of two registers behind each other, and 1, 3, 5, ...
    @_transparent
    static func separated(_ first: Self, _ second: Self) -> (Self, Self) {
      let (even, odd) = Builtin.deinterleave_Vec16xFPIEEE32(first._storage._value, second._storage._value)
      return (Self(register: even), Self(register: odd))
    }
    @_transparent
    init(register: Builtin.Vec16xFPIEEE32) {
      self = unsafeBitCast(register, to: Self.self)
    }
  }
#elseif AVX2
  extension SIMD8 where Scalar == Float {
    @_transparent
    static func + (a: Self, b: Self) -> Self {
      Self(register: Builtin.fadd_Vec8xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func - (a: Self, b: Self) -> Self {
      Self(register: Builtin.fsub_Vec8xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func * (a: Self, b: Self) -> Self {
      Self(register: Builtin.fmul_Vec8xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func / (a: Self, b: Self) -> Self {
      Self(register: Builtin.fdiv_Vec8xFPIEEE32(a._storage._value, b._storage._value))
    }
    /// `self + a * b`, rounded once.
    @_transparent
    func fused(_ a: Self, _ b: Self) -> Self {
      Self(register: Builtin.int_fma_Vec8xFPIEEE32(a._storage._value, b._storage._value, _storage._value))
    }
    @_transparent
    func squareRoot() -> Self {
      Self(register: Builtin.int_sqrt_Vec8xFPIEEE32(_storage._value))
    }
    /// `self`, but at most `bound`; NaN stays NaN.
    @_transparent
    func atMost(_ bound: Self) -> Self {
      let above = Builtin.fcmp_olt_Vec8xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec8xInt1_Vec8xFPIEEE32(above, bound._storage._value, _storage._value))
    }
    /// `self`, but at least `bound`; NaN stays NaN.
    @_transparent
    func atLeast(_ bound: Self) -> Self {
      let below = Builtin.fcmp_ogt_Vec8xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec8xInt1_Vec8xFPIEEE32(below, bound._storage._value, _storage._value))
    }
    /// `value` where the lane of `self` is below `bound`, `self` elsewhere.
    @_transparent
    func replaced(by value: Self, below bound: Self) -> Self {
      let below = Builtin.fcmp_olt_Vec8xFPIEEE32(_storage._value, bound._storage._value)
      return Self(
        register: Builtin.select_Vec8xInt1_Vec8xFPIEEE32(below, value._storage._value, _storage._value))
    }
    /// The elements of two registers in turn: the first halves, the second halves.
    @_transparent
    static func alternated(_ even: Self, _ odd: Self) -> (Self, Self) {
      let (low, high) = Builtin.interleave_Vec8xFPIEEE32(even._storage._value, odd._storage._value)
      return (Self(register: low), Self(register: high))
    }
    /// Elements 0, 2, 4, ... of two registers behind each other, and 1, 3, 5, ...
    @_transparent
    static func separated(_ first: Self, _ second: Self) -> (Self, Self) {
      let (even, odd) = Builtin.deinterleave_Vec8xFPIEEE32(first._storage._value, second._storage._value)
      return (Self(register: even), Self(register: odd))
    }
    @_transparent
    init(register: Builtin.Vec8xFPIEEE32) {
      self = unsafeBitCast(register, to: Self.self)
    }
  }
#else
  extension SIMD4 where Scalar == Float {
    @_transparent
    static func + (a: Self, b: Self) -> Self {
      Self(register: Builtin.fadd_Vec4xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func - (a: Self, b: Self) -> Self {
      Self(register: Builtin.fsub_Vec4xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func * (a: Self, b: Self) -> Self {
      Self(register: Builtin.fmul_Vec4xFPIEEE32(a._storage._value, b._storage._value))
    }
    @_transparent
    static func / (a: Self, b: Self) -> Self {
      Self(register: Builtin.fdiv_Vec4xFPIEEE32(a._storage._value, b._storage._value))
    }
    /// `self + a * b`, rounded once.
    @_transparent
    func fused(_ a: Self, _ b: Self) -> Self {
      Self(register: Builtin.int_fma_Vec4xFPIEEE32(a._storage._value, b._storage._value, _storage._value))
    }
    @_transparent
    func squareRoot() -> Self {
      Self(register: Builtin.int_sqrt_Vec4xFPIEEE32(_storage._value))
    }
    /// `self`, but at most `bound`; NaN stays NaN.
    @_transparent
    func atMost(_ bound: Self) -> Self {
      let above = Builtin.fcmp_olt_Vec4xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec4xInt1_Vec4xFPIEEE32(above, bound._storage._value, _storage._value))
    }
    /// `self`, but at least `bound`; NaN stays NaN.
    @_transparent
    func atLeast(_ bound: Self) -> Self {
      let below = Builtin.fcmp_ogt_Vec4xFPIEEE32(bound._storage._value, _storage._value)
      return Self(
        register: Builtin.select_Vec4xInt1_Vec4xFPIEEE32(below, bound._storage._value, _storage._value))
    }
    /// `value` where the lane of `self` is below `bound`, `self` elsewhere.
    @_transparent
    func replaced(by value: Self, below bound: Self) -> Self {
      let below = Builtin.fcmp_olt_Vec4xFPIEEE32(_storage._value, bound._storage._value)
      return Self(
        register: Builtin.select_Vec4xInt1_Vec4xFPIEEE32(below, value._storage._value, _storage._value))
    }
    /// The elements of two registers in turn: the first halves, the second halves.
    @_transparent
    static func alternated(_ even: Self, _ odd: Self) -> (Self, Self) {
      let (low, high) = Builtin.interleave_Vec4xFPIEEE32(even._storage._value, odd._storage._value)
      return (Self(register: low), Self(register: high))
    }
    /// Elements 0, 2, 4, ... of two registers behind each other, and 1, 3, 5, ...
    @_transparent
    static func separated(_ first: Self, _ second: Self) -> (Self, Self) {
      let (even, odd) = Builtin.deinterleave_Vec4xFPIEEE32(first._storage._value, second._storage._value)
      return (Self(register: even), Self(register: odd))
    }
    @_transparent
    init(register: Builtin.Vec4xFPIEEE32) {
      self = unsafeBitCast(register, to: Self.self)
    }
  }
#endif

/// Where a register holds numbers, neither infinity nor NaN.
@_transparent
func isFinite(_ x: Lanes) -> SIMDMask<IntegerLanes> { x - x .== Lanes(repeating: 0) }

/// `x`, but what a float does not hold the square of held at 2^63 with its sign; infinity and NaN stay.
@_transparent
func squarable(_ x: Lanes) -> Lanes {
  x.replacing(with: clamp(x, from: -0x1p63, to: 0x1p63), where: isFinite(x))
}

extension Lanes {
  @_transparent
  static func += (a: inout Self, b: Self) { a = a + b }
  @_transparent
  static func *= (a: inout Self, b: Self) { a = a * b }
  @_transparent
  static func /= (a: inout Self, b: Self) { a = a / b }
}
