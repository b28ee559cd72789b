// What every function of the C ABI returns.

/// The call did what its comment says.
let done: Int32 = 0
/// A size is not positive, or two sizes do not fit together. Nothing was written.
let badSize: Int32 = 1
/// A pointer is missing that these arguments need. Nothing was written.
let missingPointer: Int32 = 2
/// Values are so large that a float does not hold what must be kept of them. Nothing was changed in place.
let tooLarge: Int32 = 4
