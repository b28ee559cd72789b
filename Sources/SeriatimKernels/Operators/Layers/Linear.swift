// y = x W^T + b, and its gradients.
//
//   grad_x = grad_y W        grad_W = grad_y^T x        grad_b = sum over rows of grad_y
//
// W is (out_features, in_features), as in torch. The forward product wants W^T packed, the input gradient W.

/// Packs W for `linearForward`: `form.packedSize(depth: inFeatures, columns: outFeatures)` floats.
///
/// - Parameter scales: `(outFeatures,)`, for int8, whose weight has whole numbers
public func packLinear(
  _ packed: UnsafeMutablePointer<Float>, form: WeightForm, weight: UnsafePointer<Float>,
  scales: UnsafePointer<Float>?, inFeatures: Int, outFeatures: Int
) {
  if form != .float32 {
    return packNarrow(packed, form, weight, scales, depth: inFeatures, columns: outFeatures) {
      $0 < outFeatures ? $0 : nil
    }
  }
  packPanels(packed, weight, depthStride: 1, columnStride: inFeatures, depth: inFeatures, columns: outFeatures)
}

/// Packs W for the input gradient: `packedSize(depth: outFeatures, columns: inFeatures)` floats.
public func packLinearBackward(
  _ packed: UnsafeMutablePointer<Float>, weight: UnsafePointer<Float>, inFeatures: Int, outFeatures: Int
) {
  packPanels(packed, weight, depthStride: inFeatures, columnStride: 1, depth: outFeatures, columns: inFeatures)
}

/// `y = x W^T + b`.
///
/// - Parameters:
///   - y: `(rows, outFeatures)`, contiguous
///   - x: `(rows, inFeatures)`, contiguous
///   - packed: from `packLinear`, in the same form
///   - bias: `(outFeatures,)` or nil
public func linearForward(
  y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, packed: UnsafePointer<Float>, form: WeightForm,
  bias: UnsafePointer<Float>?, rows: Int, inFeatures: Int, outFeatures: Int
) {
  let start: ProductStart = if let bias { .bias(bias) } else { .zero }
  product(
    y, outputStride: outFeatures, start: start, x, inputStride: inFeatures, packed: packed, form: form,
    rows: rows, depth: inFeatures, columns: outFeatures)
}

/// The gradients of `linearForward`; each output may be nil when nobody asks for it.
///
/// - Parameters:
///   - gradX: `(rows, inFeatures)`, overwritten
///   - gradWeight: `(outFeatures, inFeatures)`, and gradBias: `(outFeatures,)`: overwritten, or added to
///   - packedBackward: from `packLinearBackward`; read only for gradX
///   - scratch: `weightGradientScratchSize()` floats; used only for gradWeight
public func linearBackward(
  gradX: UnsafeMutablePointer<Float>?, gradWeight: UnsafeMutablePointer<Float>?,
  gradBias: UnsafeMutablePointer<Float>?, accumulate: Bool, gradY: UnsafePointer<Float>, x: UnsafePointer<Float>,
  packedBackward: UnsafePointer<Float>?, rows: Int, inFeatures: Int, outFeatures: Int,
  scratch: UnsafeMutablePointer<Float>
) {
  if let gradX, let packedBackward {
    product(
      gradX, outputStride: inFeatures, start: .zero, gradY, inputStride: outFeatures, packed: packedBackward,
      rows: rows, depth: outFeatures, columns: inFeatures)
  }
  if let gradWeight {
    weightGradient(
      gradWeight, outputStride: inFeatures, accumulate: accumulate, RowSource(gradY, stride: outFeatures),
      RowSource(x, stride: inFeatures), rows: outFeatures, columns: inFeatures, depth: rows, scratch: scratch)
  }
  if let gradBias {
    columnSums(gradBias, accumulate: accumulate, gradY, stride: outFeatures, depth: rows, columns: outFeatures)
  }
}
