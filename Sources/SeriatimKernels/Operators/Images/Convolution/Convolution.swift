// 2-D convolution (cross-correlation), torch's rules:
//
//   y[n, k, v, u] = bias[k] + sum over c, i, j of weight[k, c, i, j] x[n, c, v sy + i dy - py, u sx + j dx - px]
//
// with zeros outside of x; in groups, the outputs of a group read the inputs of the same group. Images are (N, C, H, W),
// weights (K, C / groups, kernel height, kernel width).
//
//   grad_x[n, c, ., .]     the same sum read from the other end: a pass with the channels exchanged and `transposed` axes
//   grad_weight, grad_bias  Convolution+WeightGradient.swift
//
// Three methods compute a pass. Which one depends on the weights' shape alone, since these are packed for it beforehand:
//
//   depthwise   one channel in, one out: rows of multiply-adds over shifted rows, bound by the nearest caches
//   Winograd    3x3 and 5x5, stride and dilation 1: 36 products per tile of 6x6 inputs, 16 or 4 outputs; next to inputs
//               that are far larger than others, or no finite numbers, it leaves the outputs to the gathered method
//   gathered    everything else: the inputs of 48 output pixels are gathered, then multiplied like a matrix

/// The sizes of a convolution. All but the paddings are positive; `groups` divides both numbers of channels.
public struct ConvolutionShape {
  public var batch, inChannels, height, width: Int
  public var outChannels, kernelHeight, kernelWidth: Int
  public var strideY, strideX, paddingY, paddingX, dilationY, dilationX, groups: Int

  /// From 14 numbers in the order of the fields.
  public init(_ sizes: UnsafePointer<Int>) {
    (batch, inChannels, height, width) = (sizes[0], sizes[1], sizes[2], sizes[3])
    (outChannels, kernelHeight, kernelWidth) = (sizes[4], sizes[5], sizes[6])
    (strideY, strideX, paddingY, paddingX) = (sizes[7], sizes[8], sizes[9], sizes[10])
    (dilationY, dilationX, groups) = (sizes[11], sizes[12], sizes[13])
  }

  /// Whether the sizes are positive, the groups divide the channels and an output pixel exists.
  public var isSound: Bool {
    hasSoundWeights && batch > 0 && height > 0 && width > 0 && strideY > 0 && strideX > 0 && paddingY >= 0
      && paddingX >= 0 && outHeight > 0 && outWidth > 0
  }

  /// The same for what concerns the weights.
  public var hasSoundWeights: Bool {
    inChannels > 0 && outChannels > 0 && kernelHeight > 0 && kernelWidth > 0 && dilationY > 0 && dilationX > 0
      && strideY > 0 && strideX > 0 && groups > 0 && inChannels % groups == 0 && outChannels % groups == 0
  }

  /// Rows of the output.
  public var outHeight: Int { outputs(height, kernelHeight, strideY, paddingY, dilationY) }
  /// Columns of the output.
  public var outWidth: Int { outputs(width, kernelWidth, strideX, paddingX, dilationX) }

  private func outputs(_ size: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int) -> Int {
    let reach = size &+ 2 &* padding &- dilation &* (kernel &- 1) &- 1
    return reach < 0 ? 0 : reach / stride &+ 1
  }

  /// Floats of one output channel's weights.
  public var kernelSize: Int { groupInputs &* taps }
  /// Floats of an image of x.
  public var inImage: Int { inChannels &* inPlane }
  /// Floats of an image of y.
  public var outImage: Int { outChannels &* outPlane }

  var taps: Int { kernelHeight &* kernelWidth }
  var groupInputs: Int { inChannels / groups }
  var groupOutputs: Int { outChannels / groups }
  var inPlane: Int { height &* width }
  var outPlane: Int { outHeight &* outWidth }

  /// Multiply-adds of one pass by the definition.
  var work: Int { batch &* outChannels &* outPlane &* groupInputs &* taps }
}

/// Images in memory: channel c of image n is the dense plane at `base + n * stride + c * plane`.
struct Images<Pointer> {
  let base: Pointer
  let stride: Int
}

/// One axis of a pass: which input positions the taps of an output position read.
///
/// Of a transposed axis the outputs fall into `phases` by their remainder: all outputs of a phase are reached by the same
/// taps.
struct ConvolutionAxis {
  let kernel, stride, padding, dilation: Int
  let transposed: Bool
  let inputs, outputs: Int

  var phases: Int { transposed ? stride : 1 }

  /// From the input position of one output of a phase to the next one's.
  var scale: Int { transposed ? 1 : stride }

  /// From one output of a phase to the next.
  var step: Int { transposed ? stride : 1 }

  /// Where a tap reads for the first output of a phase, or nil if it does not reach the phase.
  @inline(__always)
  func offset(_ tap: Int, phase: Int) -> Int? {
    if !transposed { return tap &* dilation &- padding }
    let distance = phase &+ padding &- tap &* dilation
    return distance % stride == 0 ? distance / stride : nil
  }

  func taps(phase: Int) -> Int {
    var count = 0
    for tap in 0..<kernel where offset(tap, phase: phase) != nil { count &+= 1 }
    return count
  }

  /// Outputs in a phase.
  func count(phase: Int) -> Int { max(0, (outputs &- phase &+ step &- 1) / step) }
}

/// A convolution or its input gradient: `targets` channels from `sources` channels in every group.
struct ConvolutionPass {
  var batch, groups, sources, targets: Int
  var vertical, horizontal: ConvolutionAxis
  /// From one target plane to the next.
  let targetPlane: Int

  init(_ shape: ConvolutionShape, transposed: Bool) {
    batch = shape.batch
    groups = shape.groups
    sources = transposed ? shape.groupOutputs : shape.groupInputs
    targets = transposed ? shape.groupInputs : shape.groupOutputs
    targetPlane = transposed ? shape.inPlane : shape.outPlane
    vertical = ConvolutionAxis(
      kernel: shape.kernelHeight, stride: shape.strideY, padding: shape.paddingY, dilation: shape.dilationY,
      transposed: transposed, inputs: transposed ? shape.outHeight : shape.height,
      outputs: transposed ? shape.height : shape.outHeight)
    horizontal = ConvolutionAxis(
      kernel: shape.kernelWidth, stride: shape.strideX, padding: shape.paddingX, dilation: shape.dilationX,
      transposed: transposed, inputs: transposed ? shape.outWidth : shape.width,
      outputs: transposed ? shape.width : shape.outWidth)
    if isPointwise && !isDepthwise {
      // No neighbours: a plane is one long row, which fills panels better.
      vertical = ConvolutionAxis(
        kernel: 1, stride: 1, padding: 0, dilation: 1, transposed: false, inputs: 1, outputs: 1)
      horizontal = ConvolutionAxis(
        kernel: 1, stride: 1, padding: 0, dilation: 1, transposed: false, inputs: shape.inPlane, outputs: shape.inPlane)
    }
  }

  var taps: Int { vertical.kernel &* horizontal.kernel }
  var sourcePlane: Int { vertical.inputs &* horizontal.inputs }
  /// Tiles of target channels of a group.
  var tiles: Int { (targets &+ tileRows &- 1) / tileRows }

  /// Some rows of one image's outputs, of a pass whose stride and dilation are 1.
  func strip(from first: Int, rows: Int) -> ConvolutionPass {
    var part = self
    part.batch = 1
    part.vertical = ConvolutionAxis(
      kernel: vertical.kernel, stride: 1, padding: vertical.padding &+ (vertical.transposed ? first : 0 &- first),
      dilation: 1, transposed: vertical.transposed, inputs: vertical.inputs, outputs: rows)
    return part
  }

  private var isDepthwise: Bool { sources == 1 && targets == 1 && groups > 1 }

  private var isPointwise: Bool { isPlain(vertical, 1) && isPlain(horizontal, 1) }

  private func isPlain(_ axis: ConvolutionAxis, _ kernel: Int) -> Bool {
    axis.kernel == kernel && axis.stride == 1 && axis.dilation == 1 && (kernel > 1 || axis.padding == 0)
  }

  enum Method { case depthwise, winograd, gathered }

  var method: Method {
    if isDepthwise { return .depthwise }
    let kernel = vertical.kernel
    if (kernel == 3 || kernel == 5) && isPlain(vertical, kernel) && isPlain(horizontal, kernel)
      && min(sources, targets) >= winogradChannels
    {
      return .winograd
    }
    return .gathered
  }

  /// Floats of packed weights.
  var packedSize: Int {
    switch method {
    case .depthwise: groups &* taps
    case .winograd: winogradPackedSize(self)
    case .gathered: groups &* tiles &* tileRows &* sources &* taps
    }
  }
}

/// Weights as a pass reads them: the kernel of target t and source s of a group.
struct ConvolutionWeights {
  let base: Input
  let groupStride, targetStride, sourceStride: Int

  /// - Parameter stride: floats from one output channel to the next, `taps * groupInputs` or more
  init(_ base: Input, stride: Int, _ shape: ConvolutionShape, transposed: Bool) {
    self.base = base
    groupStride = shape.groupOutputs &* stride
    targetStride = transposed ? shape.taps : stride
    sourceStride = transposed ? stride : shape.taps
  }

  @inline(__always)
  func kernel(_ group: Int, _ target: Int, _ source: Int) -> Input {
    base + group &* groupStride + target &* targetStride + source &* sourceStride
  }
}

/// What becomes of the sums: `y = activation(bias + sum)`, or `y += sum`.
struct ConvolutionEnd {
  let bias: Input?
  let activation: Activation
  let accumulate: Bool
}

/// Floats that `packConvolution` writes; `transposed` for the input gradient.
public func convolutionPackedSize(_ shape: ConvolutionShape, transposed: Bool) -> Int {
  ConvolutionPass(shape, transposed: transposed).packedSize
}

/// Packs weights for `convolution` or, `transposed`, for its input gradient.
///
/// - Parameters:
///   - packed: `convolutionPackedSize` floats; must not overlap the weights
///   - weight: `(K, C / groups, kernel height, kernel width)`, `stride` floats from one output channel to the next
public func packConvolution(
  _ packed: UnsafeMutablePointer<Float>, weight: UnsafePointer<Float>, stride: Int, shape: ConvolutionShape,
  transposed: Bool
) {
  let pass = ConvolutionPass(shape, transposed: transposed)
  let weights = ConvolutionWeights(weight, stride: stride, shape, transposed: transposed)
  switch pass.method {
  case .depthwise: packDepthwise(packed, weights, pass)
  case .winograd: packWinograd(packed, weights, pass)
  case .gathered: packGathered(packed, weights, pass)
  }
}

/// Floats of scratch that `convolution` needs; `transposed` for the input gradient.
public func convolutionScratchSize(_ shape: ConvolutionShape, transposed: Bool) -> Int {
  let pass = ConvolutionPass(shape, transposed: transposed)
  switch pass.method {
  case .depthwise: return depthwiseScratchSize(pass)
  case .winograd: return winogradScratchSize(pass)
  case .gathered: return gatheredScratchSize(pass)
  }
}

/// `y = activation(bias + convolution of x)`, or `y += convolution of x`; with `transposed`, grad_x from grad_y: then
/// what is said of x and of y changes places.
///
/// - Parameters:
///   - y: `(N, K, out height, out width)`, `outStride` floats from one image to the next; must not overlap x
///   - x: `(N, C, height, width)`, `inStride` floats from one image to the next
///   - packed: from `packConvolution`, packed for the same direction
///   - bias: `(K,)` or nil
///   - slope: of the activations that have one
///   - scratch: `convolutionScratchSize` floats
public func convolution(
  y: UnsafeMutablePointer<Float>, outStride: Int, x: UnsafePointer<Float>, inStride: Int,
  packed: UnsafePointer<Float>, bias: UnsafePointer<Float>?, activation: Activation, accumulate: Bool,
  shape: ConvolutionShape, transposed: Bool, scratch: UnsafeMutablePointer<Float>
) {
  let pass = ConvolutionPass(shape, transposed: transposed)
  let source = Images<Input>(base: x, stride: inStride)
  let target = Images<Output>(base: y, stride: outStride)
  let end = ConvolutionEnd(bias: bias, activation: activation, accumulate: accumulate)
  switch pass.method {
  case .depthwise: depthwiseConvolution(target, source, packed, end, pass, scratch: scratch)
  case .winograd: winogradConvolution(target, source, packed, end, pass, work: shape.work, scratch: scratch)
  case .gathered: gatheredConvolution(target, source, packed, end, pass, work: shape.work, scratch: scratch)
  }
}
