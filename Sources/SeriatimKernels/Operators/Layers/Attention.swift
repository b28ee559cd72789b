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
      let target = context + sequence &* size
      fillZero(target, size)
      var peak = -Float.infinity
      forEachFrame(of: sequence, ragged) { row in
        let score = dotProduct(query + sequence &* size, h + row &* size, size)
        weights[row] = score
        if !(score <= peak) { peak = score }
      }
      let total = exponentials(of: sequence, ragged, weights, peak: peak)
      forEachFrame(of: sequence, ragged) { row in
        let weight = weights[row] / total
        weights[row] = weight
        addScaled(target, h + row &* size, weight, size)
      }
      sequence &+= tasks
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
      let (grad, asked) = (gradContext + sequence &* size, query + sequence &* size)
      fillZero(target, size)
      var average: Float = 0
      forEachFrame(of: sequence, ragged) { row in
        let value = dotProduct(grad, h + row &* size, size)
        scratch[row] = value
        average += weights[row] * value
      }
      forEachFrame(of: sequence, ragged) { row in
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

/// Runs `body` for the packed rows of one sequence, in the order of time.
@inline(__always)
private func forEachFrame(of sequence: Int, _ ragged: RaggedBatch, _ body: (Int) -> Void) {
  var offset = 0
  for step in 0..<ragged.steps {
    let count = ragged.size(step)
    if count <= sequence { return }
    body(offset &+ sequence)
    offset &+= count
  }
}

/// Replaces a sequence's scores by e^(score - peak) and gives their sum, in the order of time.
private func exponentials(of sequence: Int, _ ragged: RaggedBatch, _ scores: Output, peak: Float) -> Float {
  var total: Float = 0
  forEachFrame(of: sequence, ragged) { row in
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
