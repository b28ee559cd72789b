// Connectionist temporal classification (Graves et al. 2006): the probability that frames, each with a distribution over
// classes, spell a sequence of labels when runs of one class are written once and blanks are left out.
//
// The states of a target of S labels are blank, l_1, blank, l_2, ... blank: 2 S + 1 of them. A path may stay, go on by one
// or, to a label unlike the last one, by two. With e_t(s) the log-probability of the class of state s in frame t:
//
//   alpha_t(s) = e_t(s) + log sum over s' of exp alpha_{t-1}(s'),     s' in {s, s - 1, s - 2 where it may be skipped to}
//   beta_t(s)  = log sum over s' of exp(beta_{t+1}(s') + e_{t+1}(s')),  s' in {s, s + 1, s + 2 where it may be skipped to}
//   loss = -log sum over the last two s of exp alpha_{T-1}(s)
//   grad[t, c] = exp log_p[t, c] - sum over s of class c of exp(alpha_t(s) + beta_t(s) + loss)
//
// The gradient is that with respect to what log_p is the log-softmax of; log-softmax's own backward leaves it as it is.
// Every row of alpha and beta has its largest value taken off, which float64 keeps of alpha: long sequences lose no
// digits. In a frame the exponentials add up to 1, so beta needs no such account.
//
// Sequences are shared out among the workers. Three exponentials and a logarithm a state and frame, twice.

/// A batch of frames and what they are to spell.
public struct CTCBatch {
  /// `(rows, classes)`, packed: the frames of step t are behind those of step t - 1
  let logProbabilities: UnsafePointer<Float>
  /// `(steps,)`, never growing
  let batchSizes: UnsafePointer<Int64>
  /// `(batch,)`: how many frames of a sequence count, at most those that it has
  let lengths: UnsafePointer<Int64>
  /// Labels; where those of a sequence begin, and how many they are, `(batch,)` each
  let targets, starts, counts: UnsafePointer<Int64>
  let steps, batch, classes, blank: Int

  /// Checks nothing: the caller has.
  public init(
    logProbabilities: UnsafePointer<Float>, batchSizes: UnsafePointer<Int64>, lengths: UnsafePointer<Int64>,
    targets: UnsafePointer<Int64>, starts: UnsafePointer<Int64>, counts: UnsafePointer<Int64>, steps: Int, batch: Int,
    classes: Int, blank: Int
  ) {
    self.logProbabilities = logProbabilities
    self.batchSizes = batchSizes
    self.lengths = lengths
    self.targets = targets
    self.starts = starts
    self.counts = counts
    self.steps = steps
    self.batch = batch
    self.classes = classes
    self.blank = blank
  }
}

/// Floats of scratch for `ctcLoss`: for every worker the rows of alpha and four more, with an edge on either side.
public func ctcScratchSize(steps: Int, batch: Int, mostLabels: Int) -> Int {
  min(threadLimit(), max(batch, 1)) &* (steps &+ 4) &* ctcStride(mostLabels)
}

private func ctcStride(_ labels: Int) -> Int { roundedUp(2 &* labels &+ 1, to: laneCount) &+ 2 &* laneCount }

/// The losses of the sequences, and their gradients.
///
/// - Parameters:
///   - losses: `(batch,)`: infinity where no path spells the target
///   - grad: `(rows, classes)`: 0 in frames that do not count, NaN in the others where the loss is not finite
///   - scratch: `scratchSize` floats, as `ctcScratchSize` has said
public func ctcLoss(
  losses: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>, _ batch: CTCBatch, mostLabels: Int,
  scratch: UnsafeMutablePointer<Float>, scratchSize: Int
) {
  let stride = ctcStride(mostLabels)
  let room = (batch.steps &+ 4) &* stride
  let work = batch.steps &* batch.batch &* (16 &* (2 &* mostLabels &+ 1) &+ batch.classes)
  parallel(tasks: min(batch.batch, min(scratchSize / room, taskLimit(work: work)))) { task, tasks in
    var path = CTCPath(batch, scratch + task &* room, stride)
    var sequence = task
    while sequence < batch.batch {
      losses[sequence] = path.run(sequence, grad)
      sequence &+= tasks
    }
  }
}

/// The states of one sequence at a time. Rows have a register of -inf before the first state, and behind the last one
/// -inf up to the end of its register and one more: whole registers are read, moved by two at most, and written.
private struct CTCPath {
  let batch: CTCBatch
  let stride: Int
  /// Pointers to the first states of rows; alpha has a row a step.
  let beta, spare, emission, skip, alpha: Output
  var labels: UnsafePointer<Int64>
  var states = 0

  init(_ batch: CTCBatch, _ scratch: Output, _ stride: Int) {
    for part in inParts(0..<(batch.steps &+ 4) &* stride, work: 1) {
      for index in part { scratch[index] = -.infinity }
    }
    let first = scratch + laneCount
    self.batch = batch
    self.stride = stride
    (beta, spare) = (first, first + stride)
    (emission, skip, alpha) = (first + 2 &* stride, first + 3 &* stride, first + 4 &* stride)
    labels = batch.targets
  }

  /// The loss of a sequence; writes the gradient of all its frames.
  mutating func run(_ sequence: Int, _ grad: Output) -> Float {
    let count = Int(batch.counts[sequence])
    labels = batch.targets + Int(batch.starts[sequence])
    states = 2 &* count &+ 1
    for state in 0..<stride &- laneCount { skip[state] = -.infinity }
    for label in 1..<max(count, 1) where labels[label] != labels[label &- 1] { skip[2 &* label &+ 1] = 0 }
    let length = Int(batch.lengths[sequence])
    var (row, lastRow, peaks) = (sequence, sequence, 0.0)
    for step in untilCancelled(0..<batch.steps, work: 16 &* states &+ batch.classes)
    where Int(batch.batchSizes[step]) > sequence {
      if step < length {
        peaks += Double(advance(step, row))
        lastRow = row
      } else {
        fillZero(grad + row &* batch.classes, batch.classes)
      }
      row &+= Int(batch.batchSizes[step])
    }
    if length == 0 { return count == 0 ? 0 : .infinity }
    let ends = alpha + (length &- 1) &* stride + states
    let loss = Float(-peaks) - logarithmOfSum(ends[-1], states > 1 ? ends[-2] : -.infinity)
    differentiate(lastRow, length, grad, isFinite: loss - loss == 0)
    return loss
  }

  /// alpha of a step; returns what was taken off.
  private func advance(_ step: Int, _ row: Int) -> Float {
    emit(row)
    let now = alpha + step &* stride
    if step == 0 {
      forEachState { store(broadcast(-.infinity), now + $0) }
      for state in 0..<min(states, 2) { now[state] = emission[state] }
    } else {
      let before = now - stride
      forEachState { first in
        let sum = joined(before + first, -1, load(skip + first))
        store(sum + load(emission + first), now + first)
      }
    }
    return level(now)
  }

  /// The gradient of the frames that count, the last one first.
  private func differentiate(_ lastRow: Int, _ length: Int, _ grad: Output, isFinite: Bool) {
    // A longer sequence may have been here, and rows are read beyond the last register of states.
    for state in 0..<stride &- laneCount { (beta[state], spare[state]) = (-.infinity, -.infinity) }
    for state in max(0, states &- 2)..<states { beta[state] = 0 }
    var (now, other, row, step) = (beta, spare, lastRow, length &- 1)
    var lookout = Lookout(asksAtOnce: true)
    while !lookout.isCancelled(after: 16 &* states &+ 8 &* batch.classes) {
      let (target, logs) = (grad + row &* batch.classes, batch.logProbabilities + row &* batch.classes)
      for first in Swift.stride(from: 0, to: batch.classes, by: laneCount) {
        let width = batch.classes &- first
        let value = isFinite ? exponential(load(logs + first, first: width)) : broadcast(.nan)
        store(value, target + first, first: width)
      }
      if isFinite { takePosterior(alpha + step &* stride, now, target) }
      if step == 0 { return }
      if isFinite {
        emit(row)
        forEachState { store(load(now + $0) + load(emission + $0), now + $0) }
        forEachState { store(joined(now + $0, 1, load(skip + $0 + 2)), other + $0) }
        _ = level(other)
        (now, other) = (other, now)
      }
      step &-= 1
      row &-= Int(batch.batchSizes[step])
    }
  }

  /// Takes off, class by class, how probable it is that the path is in each state.
  private func takePosterior(_ alpha: Output, _ beta: Output, _ target: Output) {
    forEachState { store(load(alpha + $0) + load(beta + $0), emission + $0) }
    _ = level(emission)
    var total = broadcast(0)
    forEachState {
      let value = exponential(load(emission + $0))
      total += value
      store(value, emission + $0)
    }
    let whole = sum(total)
    for state in 0..<states { target[classOf(state)] -= emission[state] / whole }
  }

  @inline(__always)
  private func classOf(_ state: Int) -> Int { state & 1 == 0 ? batch.blank : Int(labels[state / 2]) }

  /// The log-probabilities of the states' classes in a frame.
  private func emit(_ row: Int) {
    let logs = batch.logProbabilities + row &* batch.classes
    for state in 0..<states { emission[state] = logs[classOf(state)] }
    for state in states..<roundedUp(states, to: laneCount) { emission[state] = -.infinity }
  }

  /// Takes a row's largest value off, and returns it; 0 where there is no finite one.
  private func level(_ row: Output) -> Float {
    var highest = broadcast(-.infinity)
    forEachState { highest = highest.atLeast(load(row + $0)) }
    var peak = -Float.infinity
    for lane in 0..<laneCount where highest[lane] > peak { peak = highest[lane] }
    guard peak - peak == 0 else { return 0 }
    forEachState { store(load(row + $0) - broadcast(peak), row + $0) }
    return peak
  }

  @inline(__always)
  private func forEachState(_ body: (_ first: Int) -> Void) {
    var first = 0
    while first < states {
      body(first)
      first &+= laneCount
    }
  }
}

/// log(e^a + e^b + e^c) of the registers at `place`, beside it and, with `mask` added, two beside it.
@inline(__always)
private func joined(_ place: Output, _ beside: Int, _ mask: Lanes) -> Lanes {
  let (a, b, c) = (load(place), load(place + beside), load(place + 2 &* beside) + mask)
  let highest = a.atLeast(b).atLeast(c)
  let peak = highest.replacing(with: broadcast(0), where: highest .== broadcast(-.infinity))
  return peak + naturalLogarithm(exponential(a - peak) + exponential(b - peak) + exponential(c - peak))
}

private func logarithmOfSum(_ a: Float, _ b: Float) -> Float {
  let peak = a > b ? a : b
  if peak == -.infinity { return a + b }
  return peak + naturalLogarithm(exponential(broadcast(a - peak)) + exponential(broadcast(b - peak)))[0]
}
