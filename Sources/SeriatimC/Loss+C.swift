// The C ABI of losses: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_nll_forward") @implementation
public func srt_nll_forward(
  _ losses: UnsafeMutablePointer<Float>, _ weights: UnsafeMutablePointer<Float>, _ totals: UnsafeMutablePointer<Double>,
  _ logProbabilities: UnsafePointer<Float>, _ targets: UnsafePointer<Int64>, _ classWeight: UnsafePointer<Float>?,
  _ sampleWeight: UnsafePointer<Float>?, _ smoothing: Float, _ rows: Int, _ classes: Int
) -> Int32 {
  guard rows > 0, classes > 0 else { return badSize }
  let sums = negativeLogLikelihood(
    losses: losses, weights: weights, logProbabilities: logProbabilities, targets: targets, classWeight: classWeight,
    sampleWeight: sampleWeight, smoothing: smoothing, rows: rows, classes: classes)
  totals[0] = sums.loss
  totals[1] = sums.weight
  return done
}

@_cdecl("srt_nll_backward") @implementation
public func srt_nll_backward(
  _ grad: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<Float>, _ targets: UnsafePointer<Int64>,
  _ classWeight: UnsafePointer<Float>?, _ sampleWeight: UnsafePointer<Float>?, _ smoothing: Float,
  _ scale: UnsafePointer<Float>, _ scalePerRow: Int32, _ rows: Int, _ classes: Int
) -> Int32 {
  guard rows > 0, classes > 0 else { return badSize }
  negativeLogLikelihoodBackward(
    grad: grad, weights: weights, targets: targets, classWeight: classWeight, sampleWeight: sampleWeight,
    smoothing: smoothing, scale: scale, scalePerRow: scalePerRow != 0, rows: rows, classes: classes)
  return done
}

@_cdecl("srt_point_loss") @implementation
public func srt_point_loss(
  _ losses: UnsafeMutablePointer<Float>, _ grad: UnsafeMutablePointer<Float>, _ prediction: UnsafePointer<Float>,
  _ target: UnsafePointer<Float>, _ positive: UnsafePointer<Float>?, _ count: Int, _ kind: Int32
) -> Int32 {
  guard count > 0, let loss = PointLoss(rawValue: kind) else { return badSize }
  pointLoss(
    loss, losses: losses, grad: grad, prediction: prediction, target: target, positive: positive, count: count)
  return done
}
