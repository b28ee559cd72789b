// Convolution with one channel in and one out: every plane by itself.
//
// A plane is first copied with its border, its columns in phases: of a stride s, columns 0, s, 2s, ... lie side by side,
// then 1, s + 1, ... So all loads of the taps are whole registers. An input gradient is the same sum over a plane with
// s - 1 zeros between its rows and columns, with the kernel turned around. One load and one multiply-add a tap and
// register: a 3x3 kernel moves 11 registers for 9 multiply-adds, so the first-level cache is the limit.

/// The copy of a plane.
private struct PhasedPlane {
  /// Rows and columns of the copy; columns of one phase, with room for a register to reach behind.
  let rows, phase, phases: Int
  let paddingY, paddingX: Int
  let inputs, width: Int

  init(_ pass: ConvolutionPass) {
    let (vertical, horizontal) = (pass.vertical, pass.horizontal)
    phases = horizontal.transposed ? 1 : horizontal.stride
    paddingY = PhasedPlane.padding(vertical)
    paddingX = PhasedPlane.padding(horizontal)
    let scaleY = vertical.transposed ? 1 : vertical.stride
    rows = (vertical.outputs &- 1) &* scaleY &+ (vertical.kernel &- 1) &* vertical.dilation &+ 1
    let columns = (horizontal.outputs &- 1) &* phases &+ (horizontal.kernel &- 1) &* horizontal.dilation &+ 1
    phase = (columns &+ phases &- 1) / phases &+ laneCount
    inputs = vertical.inputs
    width = horizontal.inputs
  }

  private static func padding(_ axis: ConvolutionAxis) -> Int {
    axis.transposed ? (axis.kernel &- 1) &* axis.dilation &- axis.padding : axis.padding
  }

  var pitch: Int { phase &* phases }
  var size: Int { rows &* pitch }

  /// Copies a plane whose rows and columns are `spreadY` and `spreadX` apart in the copy.
  func fill(_ copy: Output, _ plane: Input, spreadY: Int, spreadX: Int) {
    for row in 0..<rows {
      let target = copy + row &* pitch
      let place = row &- paddingY
      fillZero(target, pitch)
      guard place >= 0, place % spreadY == 0, place / spreadY < inputs else { continue }
      let source = plane + place / spreadY &* width
      if phases == 1 && spreadX == 1 {
        let first = max(0, paddingX)
        let skipped = max(0, 0 &- paddingX)
        let count = max(0, min(width &- skipped, phase &- first))
        copyPadded(target + first, source + skipped, count, width: count)
        continue
      }
      for column in 0..<width {
        let x = column &* spreadX &+ paddingX
        if x >= 0 && x / phases < phase { target[x % phases &* phase &+ x / phases] = source[column] }
      }
    }
  }

  /// Where the tap at column `x` of the copy reads for the first output of a row.
  func column(_ x: Int) -> Int { x % phases &* phase &+ x / phases }
}

func depthwiseScratchSize(_ pass: ConvolutionPass) -> Int { threadLimit() &* PhasedPlane(pass).size }

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
  let layout = PhasedPlane(pass)
  let planes = pass.batch &* pass.groups
  let (vertical, horizontal) = (pass.vertical, pass.horizontal)
  let spreadY = vertical.transposed ? vertical.stride : 1
  let spreadX = horizontal.transposed ? horizontal.stride : 1
  let scaleY = vertical.transposed ? 1 : vertical.stride
  parallel(tasks: min(planes, taskLimit(work: planes &* pass.targetPlane &* pass.taps))) { task, tasks in
    let copy = scratch + task &* layout.size
    for plane in share(of: planes, task, tasks) {
      let (image, channel) = (plane / pass.groups, plane % pass.groups)
      layout.fill(
        copy, source.base + image &* source.stride + channel &* pass.sourcePlane, spreadY: spreadY, spreadX: spreadX)
      let kernel = packed + channel &* pass.taps
      let shift = broadcast(end.bias.map { $0[channel] } ?? 0)
      let output = target.base + image &* target.stride + channel &* pass.targetPlane
      for row in 0..<vertical.outputs {
        let line = output + row &* horizontal.outputs
        var column = 0
        while column < horizontal.outputs {
          let width = horizontal.outputs &- column
          var sums = end.accumulate ? load(line + column, first: width) + shift : shift
          for i in 0..<vertical.kernel {
            let inputs = copy + (row &* scaleY &+ i &* vertical.dilation) &* layout.pitch + column
            for j in 0..<horizontal.kernel {
              sums = multiplyAdd(
                sums, load(inputs + layout.column(j &* horizontal.dilation)),
                broadcast(kernel[i &* horizontal.kernel &+ j]))
            }
          }
          if !end.accumulate { sums = end.activation.apply(sums) }
          store(sums, line + column, first: width)
          column &+= laneCount
        }
      }
    }
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
  let layout = PhasedPlane(pass)
  parallel(tasks: min(pass.groups, taskLimit(work: shape.work))) { task, tasks in
    let copy = scratch + task &* layout.size
    for channel in share(of: pass.groups, task, tasks) {
      let target = gradWeight + channel &* stride
      if !accumulate { fillZero(target, pass.taps) }
      for image in 0..<pass.batch {
        layout.fill(
          copy, source.base + image &* source.stride + channel &* pass.sourcePlane, spreadY: 1, spreadX: 1)
        let gradients = grad.base + image &* grad.stride + channel &* pass.targetPlane
        for i in 0..<shape.kernelHeight {
          for j in 0..<shape.kernelWidth {
            let first = copy + i &* shape.dilationY &* layout.pitch + layout.column(j &* shape.dilationX)
            var total = broadcast(0)
            for row in 0..<shape.outHeight {
              let inputs = first + row &* shape.strideY &* layout.pitch
              let line = gradients + row &* shape.outWidth
              var column = 0
              while column < shape.outWidth {
                // Lanes behind the end: the gradient is 0 there, and the copy holds finite numbers.
                total = multiplyAdd(
                  total, load(line + column, first: shape.outWidth &- column), load(inputs + column))
                column &+= laneCount
              }
            }
            target[i &* shape.kernelWidth &+ j] += sum(total)
          }
        }
      }
    }
  }
}
