// Convolution with one channel in and one out: every plane by itself, over a copy with its border (PhasedPlane.swift).
//
// All outputs of some rows are one long row of the copy, with a few columns too many between them. Four registers of it
// share a tap: five loads and four multiply-adds, so the first-level cache is the limit. An input gradient is the same sum
// over a plane with zeros in between, with the kernel turned around. A kernel's gradient has a chain for each of nine taps,
// enough for the multiply-adds' latency, which share what they read of the output's gradient.

func depthwiseScratchSize(_ pass: ConvolutionPass) -> Int {
  integersSize(pass.taps) &+ threadLimit() &* depthwiseWorkSize(PhasedPlane(spreading: pass))
}

/// A worker's: the copy of a plane, and sums.
private func depthwiseWorkSize(_ layout: PhasedPlane) -> Int {
  depthwiseCopySize(layout) &+ rowsAtATime(layout) &* layout.columns &+ 4 &* laneCount
}

/// With what the last register of the last row reaches behind.
private func depthwiseCopySize(_ layout: PhasedPlane) -> Int { layout.size &+ 4 &* laneCount }

/// Rows of outputs that stay in the first-level cache until they are written.
private func rowsAtATime(_ layout: PhasedPlane) -> Int { max(1, 2048 / layout.columns) }

/// The kernels behind each other, turned around for a transposed pass.
func packDepthwise(_ packed: Output, _ weights: ConvolutionWeights, _ pass: ConvolutionPass) {
  for group in 0..<pass.groups {
    let kernel = weights.kernel(group, 0, 0)
    for tap in 0..<pass.taps {
      packed[group &* pass.taps &+ tap] = kernel[pass.vertical.transposed ? pass.taps &- 1 &- tap : tap]
    }
  }
}

@_optimize(speed)
func depthwiseConvolution(
  _ target: Images<Output>, _ source: Images<Input>, _ packed: Input, _ end: ConvolutionEnd, _ pass: ConvolutionPass,
  scratch: Output
) {
  let layout = PhasedPlane(spreading: pass)
  let planes = pass.batch &* pass.groups
  let (vertical, horizontal) = (pass.vertical, pass.horizontal)
  let rows = rowsAtATime(layout)
  let each = depthwiseWorkSize(layout)
  let (offsets, scratch) = tapOffsets(pass, layout, from: scratch)
  parallel(tasks: min(planes, taskLimit(work: planes &* pass.targetPlane &* pass.taps))) { task, tasks in
    let copy = scratch + task &* each
    let sums = copy + depthwiseCopySize(layout)
    fillZero(copy + layout.size, 4 &* laneCount)
    var lookout = Lookout(asksAtOnce: true)
    for plane in share(of: planes, task, tasks) {
      let (image, channel) = (plane / pass.groups, plane % pass.groups)
      layout.fill(copy, source.base + image &* source.stride + channel &* pass.sourcePlane)
      let output = target.base + image &* target.stride + channel &* pass.targetPlane
      let shift = broadcast(end.bias.map { $0[channel] } ?? 0)
      var row = 0
      while row < vertical.outputs {
        let count = min(rows, vertical.outputs &- row)
        if lookout.isCancelled(after: count &* layout.columns &* pass.taps) { return }
        addTaps(
          sums, UnsafePointer(copy) + row &* layout.columns, packed + channel &* pass.taps, offsets, shift,
          length: (count &- 1) &* layout.columns &+ horizontal.outputs, end.activation)
        for index in 0..<count {
          addRow(
            output + (row &+ index) &* horizontal.outputs, sums + index &* layout.columns, count: horizontal.outputs,
            accumulate: end.accumulate)
        }
        row &+= count
      }
    }
  }
}

/// `length` outputs, and what else is in the last four registers.
@inline(__always)
private func addTaps(
  _ sums: Output, _ copy: Input, _ kernel: Input, _ offsets: UnsafeBufferPointer<Int>, _ shift: Lanes, length: Int,
  _ activation: Activation
) {
  var place = 0
  while place < length {
    var tile = InlineArray<4, Lanes>(repeating: shift)
    for tap in 0..<offsets.count {
      let weight = broadcast(kernel[tap])
      let inputs = copy + place + offsets[tap]
      for index in 0..<4 {
        tile[unchecked: index] = multiplyAdd(tile[unchecked: index], load(inputs + index &* laneCount), weight)
      }
    }
    for index in 0..<4 { store(activation.apply(tile[unchecked: index]), sums + place + index &* laneCount) }
    place &+= 4 &* laneCount
  }
}

/// Where each tap reads, from where the first output's first tap does.
private func tapOffsets(
  _ pass: ConvolutionPass, _ layout: PhasedPlane, from scratch: Output
) -> (offsets: UnsafeBufferPointer<Int>, rest: Output) {
  let (offsets, rest) = takeIntegers(pass.taps, from: scratch)
  for i in 0..<pass.vertical.kernel {
    for j in 0..<pass.horizontal.kernel {
      offsets[i &* pass.horizontal.kernel &+ j] =
        layout.place(i &* pass.vertical.dilation, j &* pass.horizontal.dilation)
    }
  }
  return (UnsafeBufferPointer(start: offsets, count: pass.taps), rest)
}

func depthwiseGradientScratchSize(_ shape: ConvolutionShape) -> Int {
  let pass = ConvolutionPass(shape, transposed: false)
  return integersSize(pass.taps) &+ threadLimit() &* gradientScratchSize(pass)
}

/// The copy of a plane, and the output's gradient with its rows in whole registers.
private func gradientScratchSize(_ pass: ConvolutionPass) -> Int {
  depthwiseCopySize(PhasedPlane(spreading: pass))
    &+ pass.vertical.outputs &* roundedUp(pass.horizontal.outputs, to: laneCount)
}

/// The gradient of the kernels; channels are shared out, so every sum runs over the images in order.
@_optimize(speed)
func depthwiseWeightGradient(
  _ gradWeight: Output, stride: Int, accumulate: Bool, _ grad: Images<Input>, _ source: Images<Input>,
  _ shape: ConvolutionShape, scratch: Output
) {
  let pass = ConvolutionPass(shape, transposed: false)
  let layout = PhasedPlane(spreading: pass)
  let each = gradientScratchSize(pass)
  let pitch = roundedUp(shape.outWidth, to: laneCount)
  let (offsets, scratch) = tapOffsets(pass, layout, from: scratch)
  parallel(tasks: min(pass.groups, taskLimit(work: shape.work))) { task, tasks in
    let copy = scratch + task &* each
    let gradients = copy + depthwiseCopySize(layout)
    fillZero(copy + layout.size, each &- layout.size)
    for channel in share(of: pass.groups, task, tasks) {
      let target = gradWeight + channel &* stride
      if !accumulate { fillZero(target, pass.taps) }
      for image in untilCancelled(0..<pass.batch, work: pass.targetPlane &* pass.taps) {
        layout.fill(copy, source.base + image &* source.stride + channel &* pass.sourcePlane)
        let plane = grad.base + image &* grad.stride + channel &* pass.targetPlane
        for row in 0..<shape.outHeight {
          copyRow(gradients + row &* pitch, plane + row &* shape.outWidth, shape.outWidth)
        }
        var tap = 0
        while tap < offsets.count {
          let totals = tapGradients(gradients, pitch, copy, layout.columns, offsets, first: tap, shape)
          for index in 0..<min(9, offsets.count &- tap) { target[tap &+ index] += sum(totals[unchecked: index]) }
          tap &+= 9
        }
      }
    }
  }
}

/// Nine taps from `first` on; past the end the last one again.
@inline(__always)
private func tapGradients(
  _ gradients: Input, _ pitch: Int, _ copy: Input, _ columns: Int, _ offsets: UnsafeBufferPointer<Int>, first: Int,
  _ shape: ConvolutionShape
) -> InlineArray<9, Lanes> {
  var totals = InlineArray<9, Lanes>(repeating: broadcast(0))
  var places = InlineArray<9, Int>(repeating: 0)
  for index in 0..<9 { places[unchecked: index] = offsets[min(first &+ index, offsets.count &- 1)] }
  var lanes = IntegerLanes(repeating: 0)
  for lane in 0..<laneCount { lanes[lane] = Int32(truncatingIfNeeded: lane) }
  for row in 0..<shape.outHeight {
    let (line, inputs) = (gradients + row &* pitch, copy + row &* columns)
    var column = 0
    while column < shape.outWidth {
      let gradient = load(line + column)
      // Zeros behind the end, in both: what a tap does not see need not be finite.
      let isBehind = lanes .>= Int32(truncatingIfNeeded: shape.outWidth &- column)
      for index in 0..<9 {
        let input = load(inputs + column + places[unchecked: index]).replacing(with: 0, where: isBehind)
        totals[unchecked: index] = multiplyAdd(totals[unchecked: index], gradient, input)
      }
      column &+= laneCount
    }
  }
  return totals
}
