// Convolution with one channel in and one out: every plane by itself, over a copy with its border (PhasedPlane.swift).
//
// An input gradient is the same sum over a plane with zeros in between, with the kernel turned around. Four registers of
// outputs share a tap: five loads and four multiply-adds, so the first-level cache is the limit.

func depthwiseScratchSize(_ pass: ConvolutionPass) -> Int {
  threadLimit() &* depthwiseCopySize(PhasedPlane(spreading: pass))
}

/// With what the last register of the last row reaches behind.
private func depthwiseCopySize(_ layout: PhasedPlane) -> Int { layout.size &+ 4 &* laneCount }

/// The kernels behind each other, turned around for a transposed pass.
func packDepthwise(_ packed: Output, _ weights: ConvolutionWeights, _ pass: ConvolutionPass) {
  for group in 0..<pass.groups {
    let kernel = weights.kernel(group, 0, 0)
    for tap in 0..<pass.taps {
      packed[group &* pass.taps &+ tap] = kernel[pass.vertical.transposed ? pass.taps &- 1 &- tap : tap]
    }
  }
}

func depthwiseConvolution(
  _ target: Images<Output>, _ source: Images<Input>, _ packed: Input, _ end: ConvolutionEnd, _ pass: ConvolutionPass,
  scratch: Output
) {
  let layout = PhasedPlane(spreading: pass)
  let planes = pass.batch &* pass.groups
  let (vertical, horizontal) = (pass.vertical, pass.horizontal)
  withTapOffsets(pass, layout) { offsets in
    parallel(tasks: min(planes, taskLimit(work: planes &* pass.targetPlane &* pass.taps))) { task, tasks in
      let copy = scratch + task &* depthwiseCopySize(layout)
      fillZero(copy + layout.size, 4 &* laneCount)
      for plane in share(of: planes, task, tasks) {
        let (image, channel) = (plane / pass.groups, plane % pass.groups)
        layout.fill(copy, source.base + image &* source.stride + channel &* pass.sourcePlane)
        let kernel = packed + channel &* pass.taps
        let output = target.base + image &* target.stride + channel &* pass.targetPlane
        let shift = broadcast(end.bias.map { $0[channel] } ?? 0)
        for row in 0..<vertical.outputs {
          let line = output + row &* horizontal.outputs
          var column = 0
          while column < horizontal.outputs {
            let inputs = UnsafePointer(copy) + row &* layout.columns + column
            var sums = InlineArray<4, Lanes>(repeating: shift)
            for tap in 0..<offsets.count {
              let weight = broadcast(kernel[tap])
              let place = inputs + offsets[tap]
              for index in 0..<4 {
                sums[unchecked: index] = multiplyAdd(
                  sums[unchecked: index], load(place + index &* laneCount), weight)
              }
            }
            for index in 0..<4 where column < horizontal.outputs {
              let width = horizontal.outputs &- column
              let sum = sums[unchecked: index]
              let value =
                end.accumulate ? load(line + column, first: width) + sum : end.activation.apply(sum)
              store(value, line + column, first: width)
              column &+= laneCount
            }
          }
        }
      }
    }
  }
}

/// Where each tap reads, from where the first output's first tap does.
@inline(__always)
private func withTapOffsets(
  _ pass: ConvolutionPass, _ layout: PhasedPlane, _ body: (_ offsets: UnsafeBufferPointer<Int>) -> Void
) {
  withUnsafeTemporaryAllocation(of: Int.self, capacity: pass.taps) { offsets in
    for i in 0..<pass.vertical.kernel {
      for j in 0..<pass.horizontal.kernel {
        offsets[i &* pass.horizontal.kernel &+ j] =
          layout.place(i &* pass.vertical.dilation, j &* pass.horizontal.dilation)
      }
    }
    body(UnsafeBufferPointer(offsets))
  }
}

func depthwiseGradientScratchSize(_ shape: ConvolutionShape) -> Int {
  depthwiseScratchSize(ConvolutionPass(shape, transposed: false))
}

/// The gradient of the kernels; channels are shared out, so every sum runs over the images in order.
func depthwiseWeightGradient(
  _ gradWeight: Output, stride: Int, accumulate: Bool, _ grad: Images<Input>, _ source: Images<Input>,
  _ shape: ConvolutionShape, scratch: Output
) {
  let pass = ConvolutionPass(shape, transposed: false)
  let layout = PhasedPlane(spreading: pass)
  withTapOffsets(pass, layout) { offsets in
    parallel(tasks: min(pass.groups, taskLimit(work: shape.work))) { task, tasks in
      let copy = scratch + task &* depthwiseCopySize(layout)
      fillZero(copy + layout.size, 4 &* laneCount)
      for channel in share(of: pass.groups, task, tasks) {
        let target = gradWeight + channel &* stride
        if !accumulate { fillZero(target, pass.taps) }
        for image in 0..<pass.batch {
          layout.fill(copy, source.base + image &* source.stride + channel &* pass.sourcePlane)
          let gradients = grad.base + image &* grad.stride + channel &* pass.targetPlane
          var tap = 0
          while tap < offsets.count {
            // Three taps at a time share what they read of the gradient.
            let others = (min(tap &+ 1, offsets.count &- 1), min(tap &+ 2, offsets.count &- 1))
            var totals = (broadcast(0), broadcast(0), broadcast(0))
            for row in 0..<shape.outHeight {
              let inputs = UnsafePointer(copy) + row &* layout.columns
              let line = gradients + row &* shape.outWidth
              var column = 0
              while column < shape.outWidth {
                // Zeros behind the end, in both: what a tap does not see need not be finite.
                let width = shape.outWidth &- column
                let gradient = load(line + column, first: width)
                let places = inputs + column
                totals.0 = multiplyAdd(totals.0, gradient, load(places + offsets[tap], first: width))
                totals.1 = multiplyAdd(totals.1, gradient, load(places + offsets[others.0], first: width))
                totals.2 = multiplyAdd(totals.2, gradient, load(places + offsets[others.1], first: width))
                column &+= laneCount
              }
            }
            target[tap] += sum(totals.0)
            if tap &+ 1 < offsets.count { target[tap &+ 1] += sum(totals.1) }
            if tap &+ 2 < offsets.count { target[tap &+ 2] += sum(totals.2) }
            tap &+= 3
          }
        }
      }
    }
  }
}
