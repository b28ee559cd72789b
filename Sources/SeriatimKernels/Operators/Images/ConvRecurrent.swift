// What the convolutional recurrences share.
//
// All of them begin with the input part of their gates, made for all steps at once by one convolution (and whatever the
// caller puts behind it): `gates` is (T, B, gates * H, pixels). The time loop adds the convolution of the state and turns
// the sums into activations in place, so what backward needs besides the outputs needs no memory of its own; backward
// turns them into the gradients of the gates, again in place: the input part's gradient. After the loop, the weights'
// gradients are one pass over all steps.

/// The sizes of a convolutional recurrence: square odd kernels, stride 1, padded to keep the size.
public struct ConvRecurrentShape {
  public var steps, batch, hidden, height, width, kernel: Int

  /// From 6 numbers in the order of the fields.
  public init(_ sizes: UnsafePointer<Int>) {
    (steps, batch, hidden) = (sizes[0], sizes[1], sizes[2])
    (height, width, kernel) = (sizes[3], sizes[4], sizes[5])
  }

  /// Whether all sizes are positive and the kernel's is odd.
  public var isSound: Bool {
    steps > 0 && batch > 0 && hidden > 0 && height > 0 && width > 0 && kernel > 0 && kernel % 2 == 1
  }

  var pixels: Int { height &* width }
  /// Floats of one state.
  var state: Int { batch &* hidden &* pixels }

  /// The convolution of `images` states to `gates` maps of the hidden size each.
  func convolution(gates: Int, images: Int) -> ConvolutionShape {
    let sizes: InlineArray<14, Int> = [
      images, hidden, height, width, gates &* hidden, kernel, kernel, 1, 1, kernel / 2, kernel / 2, 1, 1, 1,
    ]
    return sizes.span.withUnsafeBufferPointer { ConvolutionShape($0.baseAddress.unsafelyUnwrapped) }
  }

  /// Runs `body(image, channel, place of the plane)` for the planes of one step's states.
  @inline(__always)
  func forEachPlane(cost: Int, _ body: (_ image: Int, _ channel: Int) -> Void) {
    let planes = batch &* hidden
    parallel(tasks: min(planes, taskLimit(work: planes &* pixels &* cost))) { task, tasks in
      for plane in untilCancelled(share(of: planes, task, tasks), work: pixels &* cost) {
        body(plane / hidden, plane % hidden)
      }
    }
  }

  /// Runs `body(pixel, width)` for every register of a plane.
  @inline(__always)
  func forEachPixel(_ body: (_ pixel: Int, _ width: Int) -> Void) {
    var pixel = 0
    while pixel < pixels {
      body(pixel, min(laneCount, pixels &- pixel))
      pixel &+= laneCount
    }
  }
}

/// The two kinds of gates: smooth, or cut out of straight lines.
struct GateFunctions {
  let hard: Bool

  /// sigmoid, or x / 2 + 1 / 2 held between 0 and 1
  @inline(__always)
  func gate(_ x: Lanes) -> Lanes {
    hard ? clamp(multiplyAdd(broadcast(0.5), broadcast(0.5), x), from: 0, to: 1) : sigmoid(x)
  }

  /// tanh, or x held between -1 and 1
  @inline(__always)
  func candidate(_ x: Lanes) -> Lanes {
    hard ? clamp(x, from: -1, to: 1) : hyperbolicTangent(x)
  }

  /// The derivative of `gate` at the value y: of a hard one 1/2 inside.
  @inline(__always)
  func gateSlope(_ y: Lanes) -> Lanes {
    let one = broadcast(1)
    guard hard else { return y * (one - y) }
    return broadcast(0).replacing(with: broadcast(0.5), where: (y .> broadcast(0)) .& (y .< one))
  }

  /// The derivative of `candidate` at the value y: of a hard one 1 inside.
  @inline(__always)
  func candidateSlope(_ y: Lanes) -> Lanes {
    let one = broadcast(1)
    guard hard else { return one - y * y }
    return broadcast(0).replacing(with: one, where: (y .> broadcast(-1)) .& (y .< one))
  }
}

/// `target = source`, or zeros for nil.
func copyState(_ target: Output, _ source: Input?, count: Int) {
  guard let source else { return fillZero(target, count) }
  copyPadded(target, source, count, width: count)
}

/// The gradient of the hidden weights of some gates over all steps: the states before each step are `initial` and then
/// `states`; without `initial` the first step has none.
///
/// - Parameters:
///   - grads: `(T, B, ., pixels)`, `stride` floats from one image to the next
///   - scratch: as `convolutionWeightGradient` needs for all images
func hiddenWeightGradient(
  _ gradWeight: Output, accumulate: Bool, _ grads: Input, stride: Int, gates: Int, initial: Input?, states: Input,
  shape: ConvRecurrentShape, scratch: Output
) {
  let size = shape.hidden &* shape.pixels
  let weightStride = shape.hidden &* shape.kernel &* shape.kernel
  var added = accumulate
  if let initial {
    convolutionWeightGradient(
      gradWeight: gradWeight, weightStride: weightStride, gradBias: nil, accumulate: added, gradY: grads,
      outStride: stride, x: initial, inStride: size, shape: shape.convolution(gates: gates, images: shape.batch),
      scratch: scratch)
    added = true
  }
  let images = (shape.steps &- 1) &* shape.batch
  if images > 0 {
    convolutionWeightGradient(
      gradWeight: gradWeight, weightStride: weightStride, gradBias: nil, accumulate: added,
      gradY: grads + shape.batch &* stride, outStride: stride, x: states, inStride: size,
      shape: shape.convolution(gates: gates, images: images), scratch: scratch)
    added = true
  }
  if !added { fillZero(gradWeight, gates &* shape.hidden &* weightStride) }
}

/// `grad_bias (+)=` sums over steps, images and pixels of `channels` maps from `first` on.
func gateBiasGradient(
  _ gradBias: Output, accumulate: Bool, _ grads: Input, channels: Int, shape: ConvRecurrentShape
) {
  parallel(tasks: min(channels, taskLimit(work: shape.steps &* shape.batch &* channels &* shape.pixels))) {
    task, tasks in
    for channel in share(of: channels, task, tasks) {
      var total = broadcast(0)
      for image in untilCancelled(0..<(shape.steps &* shape.batch), work: shape.pixels) {
        let plane = grads + (image &* channels &+ channel) &* shape.pixels
        shape.forEachPixel { pixel, width in total += load(plane + pixel, first: width) }
      }
      gradBias[channel] = sum(total) + (accumulate ? gradBias[channel] : 0)
    }
  }
}
