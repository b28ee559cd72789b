// Which outputs Winograd's transforms must not compute.
//
// A tile's 36 products mix all of its inputs, and their sum takes out again what an output does not see: exactly, but for
// rounding. So an output's error is about 2e-7 of the largest input of its tile, seen or not, and NaN or infinity spoil
// the whole tile. Where an input is too large for that, the outputs of all tiles in its rows, a strip of the image, are
// gathered instead, which adds up only what an output sees.
//
//   typical    of an image: the largest of its channels' means of their non-zero numbers, the mean being that of fourth
//              roots, which a few numbers out of all bounds hardly move
//   too large  more than `outlierRatio` times that, above 1e30, where transforms may overflow, infinite or NaN
//
// So the others' error stays below about 3e-5 of what is typical. An image is judged by itself: its result depends
// neither on the batch nor on the threads. Judging reads the inputs once: three instructions a register, and twelve in
// every fourth channel. Only an image with something large for these channels is read again.

/// How much larger than typical an input may be.
private let outlierRatio: Float = 128
private let largestInput: Float = 1e30
/// Channels of which one is measured at first.
private let sampledChannels = 4

/// Floats that `markOutliers` writes: a mark for each strip, and for each plane how large it is and what is typical of it.
func outlierSize(_ pass: ConvolutionPass, strips: Int) -> Int {
  pass.batch &* (strips &+ 2 &* pass.groups &* pass.sources)
}

/// Marks strips of `outputs` rows, (image)(strip), that must be gathered with 1, others with 0; false if there are none.
func markOutliers(
  _ marks: Output, _ source: Images<Input>, _ pass: ConvolutionPass, strips: Int, outputs: Int
) -> Bool {
  let channels = pass.groups &* pass.sources
  let planes = pass.batch &* channels
  let (largest, typical) = (marks + pass.batch &* strips, marks + (pass.batch &* strips &+ planes))
  parallel(tasks: min(planes, taskLimit(work: planes &* pass.sourcePlane / 4))) { task, tasks in
    for plane in untilCancelled(share(of: planes, task, tasks), work: pass.sourcePlane) {
      let channel = plane % channels
      let base = source.base + plane / channels &* source.stride + channel &* pass.sourcePlane
      largest[plane] = largestMagnitude(base, count: pass.sourcePlane)
      typical[plane] =
        channel % sampledChannels == 0 ? Magnitudes(base, count: pass.sourcePlane, atMost: largestInput).typical : 0
    }
  }
  // In the first mark whether an image may have some; then, of those that may, all marks.
  var suspects = 0
  for image in 0..<pass.batch {
    var (most, usual): (Float, Float) = (0, 0)
    for plane in (image &* channels)..<((image &+ 1) &* channels) {
      // NaN, being above everything, stays.
      if !(largest[plane] <= most) && most == most { most = largest[plane] }
      usual = max(usual, typical[plane])
    }
    fillZero(marks + image &* strips, strips)
    if most <= min(outlierRatio * usual, largestInput) { continue }
    marks[image &* strips] = 1
    suspects &+= 1
  }
  if suspects == 0 { return false }
  parallel(tasks: min(suspects, taskLimit(work: suspects &* channels &* pass.sourcePlane))) { task, tasks in
    for image in untilCancelled(share(of: pass.batch, task, tasks), work: 4 &* channels &* pass.sourcePlane)
    where marks[image &* strips] != 0 {
      OutlierJudge(base: source.base + image &* source.stride, pass: pass, channels: channels, outputs: outputs)
        .mark(marks + image &* strips, strips: strips)
    }
  }
  for strip in 0..<(pass.batch &* strips) where marks[strip] != 0 { return true }
  return false
}

/// An image that has something large.
private struct OutlierJudge {
  let base: Input
  let pass: ConvolutionPass
  let channels, outputs: Int

  /// What is too large: found again without what was too large until then, so that one outlier cannot hide another.
  private func bound() -> Float {
    var bound = largestInput
    for _ in 0..<8 {
      var usual: Float = 0
      for channel in 0..<channels {
        let plane = Magnitudes(base + channel &* pass.sourcePlane, count: pass.sourcePlane, atMost: bound)
        usual = max(usual, plane.typical)
      }
      if outlierRatio * usual >= bound { break }
      bound = outlierRatio * usual
    }
    return bound
  }

  func mark(_ marks: Output, strips: Int) {
    let bound = bound()
    let vertical = pass.vertical
    let padding = vertical.transposed ? vertical.kernel &- 1 &- vertical.padding : vertical.padding
    let width = pass.horizontal.inputs
    for strip in 0..<strips {
      let first = min(max(strip &* outputs &- padding, 0), vertical.inputs)
      let last = min(max(strip &* outputs &- padding &+ 6, first), vertical.inputs)
      marks[strip] = 0
      for channel in 0..<channels where marks[strip] == 0 {
        let rows = base + channel &* pass.sourcePlane + first &* width
        if !(largestMagnitude(rows, count: (last &- first) &* width) <= bound) { marks[strip] = 1 }
      }
    }
  }
}

/// The bits of |x|: as integers they are in the order of the magnitudes, NaN above infinity.
@_transparent
private func magnitudes(_ x: Lanes) -> IntegerLanes {
  unsafeBitCast(x, to: IntegerLanes.self) & IntegerLanes(repeating: 0x7fff_ffff)
}

/// The largest |x|, NaN if there is one.
@inline(never)
private func largestMagnitude(_ x: Input, count: Int) -> Float {
  var most = IntegerLanes(repeating: 0)
  var first = 0
  while first &+ laneCount <= count {
    let bits = magnitudes(load(x + first))
    most = most.replacing(with: bits, where: bits .> most)
    first &+= laneCount
  }
  let bits = magnitudes(load(x + first, first: count &- first))
  most = most.replacing(with: bits, where: bits .> most)
  var largest: Int32 = 0
  for lane in 0..<laneCount { largest = max(largest, most[lane]) }
  return Float(bitPattern: UInt32(bitPattern: largest))
}

/// Numbers of a plane that are not 0 and not above a bound: how many, and the sum of their fourth roots (to 5 %, by a
/// quarter of the exponent).
private struct Magnitudes {
  let typical: Float

  @inline(never)
  init(_ x: Input, count: Int, atMost bound: Float) {
    var sums = (broadcast(0), broadcast(0))
    var first = 0
    while first &+ laneCount <= count {
      addRoots(load(x + first), atMost: bound, to: &sums)
      first &+= laneCount
    }
    addRoots(load(x + first, first: count &- first), atMost: bound, to: &sums)
    // Of a handful of numbers among zeros none can be called typical.
    let mean = sum(sums.0) / max(sum(sums.1), Float(count) / 128, Float(min(count, 8)))
    typical = mean * mean * (mean * mean)
  }
}

@inline(__always)
private func addRoots(_ x: Lanes, atMost bound: Float, to sums: inout (Lanes, Lanes)) {
  let bits = magnitudes(x)
  let value = unsafeBitCast(bits, to: Lanes.self)
  let root = unsafeBitCast((bits &>> 2) &+ IntegerLanes(repeating: 0x2f9a_0000), to: Lanes.self)
  let isIn = (value .> broadcast(0)) .& (value .<= broadcast(bound))
  sums.0 += broadcast(0).replacing(with: root, where: isIn)
  sums.1 += broadcast(0).replacing(with: broadcast(1), where: isIn)
}
