// The C ABI of losses: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

extension LabelTargets {
  /// nil for sizes that cannot be.
  fileprivate init?(_ wish: srt_label_targets) {
    guard wish.rows > 0, wish.classes > 0, (wish.labels != nil) != (wish.probabilities != nil) else { return nil }
    self.init(
      labels: wish.labels, probabilities: wish.probabilities, classWeight: wish.class_weight,
      sampleWeight: wish.sample_weight, smoothing: wish.smoothing, ignored: wish.ignored, rows: wish.rows,
      classes: wish.classes)
  }
}

@_cdecl("srt_nll_forward") @implementation
public func srt_nll_forward(
  _ losses: UnsafeMutablePointer<Float>, _ weights: UnsafeMutablePointer<Float>, _ totals: UnsafeMutablePointer<Double>,
  _ logProbabilities: UnsafePointer<Float>, _ wish: UnsafePointer<srt_label_targets>
) -> Int32 {
  guard let wish = LabelTargets(wish.pointee) else { return badSize }
  let sums = negativeLogLikelihood(losses: losses, weights: weights, logProbabilities: logProbabilities, wish)
  totals[0] = sums.loss
  totals[1] = sums.weight
  return done
}

@_cdecl("srt_nll_backward") @implementation
public func srt_nll_backward(
  _ grad: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<Float>, _ scale: UnsafePointer<Float>,
  _ scalePerRow: Int32, _ wish: UnsafePointer<srt_label_targets>
) -> Int32 {
  guard let wish = LabelTargets(wish.pointee) else { return badSize }
  negativeLogLikelihoodBackward(grad: grad, weights: weights, scale: scale, scalePerRow: scalePerRow != 0, wish)
  return done
}

@_cdecl("srt_ctc_scratch") @implementation
public func srt_ctc_scratch(_ steps: Int, _ batch: Int, _ mostLabels: Int) -> Int {
  ctcScratchSize(steps: steps, batch: batch, mostLabels: mostLabels)
}

@_cdecl("srt_ctc_loss") @implementation
public func srt_ctc_loss(
  _ losses: UnsafeMutablePointer<Float>, _ grad: UnsafeMutablePointer<Float>,
  _ logProbabilities: UnsafePointer<Float>, _ batchSizes: UnsafePointer<Int64>, _ lengths: UnsafePointer<Int64>,
  _ targets: UnsafePointer<Int64>, _ starts: UnsafePointer<Int64>, _ counts: UnsafePointer<Int64>, _ steps: Int,
  _ batch: Int, _ classes: Int, _ blank: Int, _ mostLabels: Int, _ scratch: UnsafeMutablePointer<Float>,
  _ scratchSize: Int
) -> Int32 {
  guard steps > 0, batch > 0, blank >= 0, blank < classes else { return badSize }
  let frames = CTCBatch(
    logProbabilities: logProbabilities, batchSizes: batchSizes, lengths: lengths, targets: targets, starts: starts,
    counts: counts, steps: steps, batch: batch, classes: classes, blank: blank)
  ctcLoss(
    losses: losses, grad: grad, frames, mostLabels: mostLabels, scratch: scratch, scratchSize: scratchSize)
  return done
}

@_cdecl("srt_point_loss") @implementation
public func srt_point_loss(
  _ losses: UnsafeMutablePointer<Float>, _ grad: UnsafeMutablePointer<Float>, _ prediction: UnsafePointer<Float>,
  _ target: UnsafePointer<Float>, _ positive: UnsafePointer<Float>?, _ bound: Float, _ count: Int,
  _ kind: Int32
) -> Int32 {
  guard count > 0, bound > 0, let loss = PointLoss(rawValue: kind) else { return badSize }
  pointLoss(
    loss, losses: losses, grad: grad, prediction: prediction, target: target, positive: positive, bound: bound,
    count: count)
  return done
}
