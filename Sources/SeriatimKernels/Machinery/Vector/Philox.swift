// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random
// words from a counter of four words and a key of two, so that any element's number is had without those before it.
// PhiloxTests holds it to the authors' known answers.

#if AVX512
  typealias DoubleWordLanes = SIMD16<UInt64>
#elseif AVX2
  typealias DoubleWordLanes = SIMD8<UInt64>
#else
  typealias DoubleWordLanes = SIMD4<UInt64>
#endif

typealias PhiloxBlock = (WordLanes, WordLanes, WordLanes, WordLanes)

@inline(__always)
private func multiply(_ factor: UInt64, _ words: WordLanes) -> (high: WordLanes, low: WordLanes) {
  let product = DoubleWordLanes(truncatingIfNeeded: words) &* DoubleWordLanes(repeating: factor)
  return (WordLanes(truncatingIfNeeded: product &>> 32), WordLanes(truncatingIfNeeded: product))
}

/// One block a lane.
@inline(__always)
func philox(counter: PhiloxBlock, key: (UInt32, UInt32)) -> PhiloxBlock {
  var block = counter
  var key = key
  for _ in 0..<10 {
    let first = multiply(0xd251_1f53, block.0)
    let second = multiply(0xcd9e_8d57, block.2)
    block = (
      second.high ^ block.1 ^ WordLanes(repeating: key.0), second.low,
      first.high ^ block.3 ^ WordLanes(repeating: key.1), first.low
    )
    key.0 &+= 0x9e37_79b9
    key.1 &+= 0xbb67_ae85
  }
  return block
}
