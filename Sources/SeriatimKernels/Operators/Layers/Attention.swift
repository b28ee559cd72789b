// Dot-product attention over the steps of each sequence of a packed ragged batch (DeepGRU, Maghoumi and LaViola 2019):
//
//   s_t = query . h_t      w = softmax over the sequence's own steps of s      context = sum_t w_t h_t
//
//   dw_t = dcontext . h_t      ds_t = w_t (dw_t - sum_u w_u dw_u)
//   dquery = sum_t ds_t h_t    dh_t = w_t dcontext + ds_t query
//
// Sequences are shared out among the workers. 4 H FLOPs a frame forward, h read twice: memory is the limit.

/// The context and the weights.
///
/// - Parameters:
///   - context: `(batch, size)`; weights: `(rows,)`, packed like h
///   - query: `(batch, size)`; h: `(rows, size)`
public func attentionForward(
  context: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>, query: UnsafePointer<Float>,
  h: UnsafePointer<Float>, ragged: RaggedBatch, size: Int
) {
  parallel(tasks: min(ragged.batch, taskLimit(work: ragged.rows &* size))) { task, tasks in
    var sequence = task
    while sequence < ragged.batch {
      attend(
        PackedFrames(sequence: sequence, ragged: ragged), context + sequence &* size, weights, query + sequence &* size,
        h,
        size)
      sequence &+= tasks
    }
  }
}

/// The context and the weights of one sequence, whose frames are some rows of h; a frame's weight is written to its row's
/// place.
func attend(_ frames: some Frames, _ context: Output, _ weights: Output, _ query: Input, _ h: Input, _ size: Int) {
  fillZero(context, size)
  var peak = -Float.infinity
  frames.forEach(work: 16 &+ size) { row in
    let score = dotProduct(query, h + row &* size, size)
    weights[row] = score
    if !(score <= peak) { peak = score }
  }
  if peak - peak != 0 { peak = shiftedScores(of: frames, weights, query, h, size) }
  let total = exponentials(of: frames, weights, peak: peak)
  frames.forEach(work: 16 &+ size) { row in
    let weight = weights[row] / total
    weights[row] = weight
    addScaled(context, h + row &* size, weight, size)
  }
}

/// Where the frames of one sequence are.
protocol Frames {
  /// Runs `body` for their rows, in the order of time, until the call is cancelled.
  func forEach(work: Int, _ body: (Int) -> Void)
}

private struct PackedFrames: Frames {
  let sequence: Int
  let ragged: RaggedBatch

  @inline(__always)
  func forEach(work: Int, _ body: (Int) -> Void) {
    var offset = 0
    var lookout = Lookout(asksAtOnce: true)
    for step in 0..<ragged.steps {
      let count = ragged.size(step)
      if count <= sequence || lookout.isCancelled(after: work) { return }
      body(offset &+ sequence)
      offset &+= count
    }
  }
}

/// The gradients of `attentionForward`.
///
/// - Parameters:
///   - gradQuery: `(batch, size)`; gradH: `(rows, size)`: overwritten
///   - weights: from the forward call
///   - scratch: `(rows,)`
public func attentionBackward(
  gradQuery: UnsafeMutablePointer<Float>, gradH: UnsafeMutablePointer<Float>, gradContext: UnsafePointer<Float>,
  query: UnsafePointer<Float>, h: UnsafePointer<Float>, weights: UnsafePointer<Float>, ragged: RaggedBatch, size: Int,
  scratch: UnsafeMutablePointer<Float>
) {
  parallel(tasks: min(ragged.batch, taskLimit(work: ragged.rows &* size))) { task, tasks in
    var sequence = task
    while sequence < ragged.batch {
      let target = gradQuery + sequence &* size
      let frames = PackedFrames(sequence: sequence, ragged: ragged)
      let (grad, asked) = (gradContext + sequence &* size, query + sequence &* size)
      fillZero(target, size)
      var average: Float = 0
      frames.forEach(work: 16 &+ size) { row in
        let value = dotProduct(grad, h + row &* size, size)
        scratch[row] = value
        average += weights[row] * value
      }
      if average - average != 0 {
        centreSlopes(of: frames, scratch, weights, grad, h, size)
        average = 0
      }
      frames.forEach(work: 16 &+ size) { row in
        let weight = weights[row]
        let score = weight * (scratch[row] - average)
        addScaled(target, h + row &* size, score, size)
        var index = 0
        while index < size {
          let width = size &- index
          let value = load(grad + index, first: width) * broadcast(weight)
          store(
            multiplyAdd(value, load(asked + index, first: width), broadcast(score)), gradH + row &* size + index,
            first: width)
          index &+= laneCount
        }
      }
      sequence &+= tasks
    }
  }
}

/// The scores of a sequence whose greatest a float does not hold, less that: it is 0 then, and returned.
@inline(never)
private func shiftedScores(
  of frames: some Frames, _ scores: Output, _ query: Input, _ h: Input, _ size: Int
) -> Float {
  var peak = -Double.infinity
  frames.forEach(work: 4 &* size) { row in
    let score = wideProduct(query, h + row &* size, size)
    if !(score <= peak) { peak = score }
  }
  frames.forEach(work: 4 &* size) { row in
    scores[row] = Float(wideProduct(query, h + row &* size, size) - peak)
  }
  return 0
}

/// The slopes of a sequence's weights, less their average, where floats do not hold that.
@inline(never)
private func centreSlopes(
  of frames: some Frames, _ slopes: Output, _ weights: Input, _ grad: Input, _ h: Input, _ size: Int
) {
  var average = 0.0
  frames.forEach(work: 4 &* size) { row in
    average += Double(weights[row]) * wideProduct(grad, h + row &* size, size)
  }
  frames.forEach(work: 4 &* size) { row in
    // What weighs nothing has no part in it: 0 times infinity would have.
    slopes[row] = weights[row] == 0 ? 0 : Float(wideProduct(grad, h + row &* size, size) - average)
  }
}

private func wideProduct(_ a: Input, _ b: Input, _ count: Int) -> Double {
  var total = 0.0
  for index in 0..<count { total += Double(a[index]) * Double(b[index]) }
  return total
}

/// Replaces a sequence's scores by e^(score - peak) and gives their sum, in the order of time.
private func exponentials(of frames: some Frames, _ scores: Output, peak: Float) -> Float {
  var total: Float = 0
  frames.forEach(work: 16) { row in
    let value = exponential(broadcast(scores[row] - peak))[0]
    scores[row] = value
    total += value
  }
  return total
}

@inline(__always)
private func dotProduct(_ a: Input, _ b: Input, _ count: Int) -> Float {
  var total = broadcast(0)
  var index = 0
  while index < count {
    total = multiplyAdd(total, load(a + index, first: count &- index), load(b + index, first: count &- index))
    index &+= laneCount
  }
  return sum(total)
}

/// `target += factor * source`.
@inline(__always)
private func addScaled(_ target: Output, _ source: Input, _ factor: Float, _ count: Int) {
  var index = 0
  while index < count {
    let width = count &- index
    store(
      multiplyAdd(load(target + index, first: width), load(source + index, first: width), broadcast(factor)),
      target + index, first: width)
    index &+= laneCount
  }
}
