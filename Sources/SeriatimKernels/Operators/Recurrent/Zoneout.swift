// Zoneout around any cell (Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR
// 2017): an element of the state keeps its value with probability `rate`,
//
//   h' = m * h + (1 - m) * cell(x, h)      m from {0, 1} in training; m = rate in evaluation
//
// h is the recurrent state and the output; a cell's c is left alone. Backward, with dh the gradient of h', (1 - m) * dh
// goes into the cell and m * dh to the step before. The mask is drawn again, not kept.

import CSeriatim

extension srt_zoneout {
  /// m of the elements from `element` on, in training.
  @inline(__always)
  func mask(element: Int) -> Lanes {
    var lanes = WordLanes(repeating: 0)
    for lane in 0..<laneCount { lanes[lane] = UInt32(truncatingIfNeeded: lane) }
    let words = philox(
      counter: (
        WordLanes(repeating: UInt32(truncatingIfNeeded: element)) &+ lanes,
        WordLanes(repeating: UInt32(truncatingIfNeeded: element &>> 32)),
        WordLanes(repeating: UInt32(truncatingIfNeeded: offset)),
        WordLanes(repeating: UInt32(truncatingIfNeeded: offset &>> 32))
      ), key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed &>> 32)))
    // The upper 24 bits, exact as floats.
    let unit = Lanes(words.0 &>> 8) * broadcast(1 / 16_777_216)
    return broadcast(0).replacing(with: broadcast(1), where: unit .< broadcast(rate))
  }
}

/// The passes of a cell, and one that keeps old values.
struct ZoneoutForward<Base: ForwardLoop>: Recurrence {
  let base: Base
  let call: srt_recurrent_call
  let size: Int

  private var units: Int { roundedUp(size, to: laneCount) }
  var passes: Int { base.passes &+ 1 }
  @inline(__always)
  func parts(_ pass: Int) -> Int { pass < base.passes ? base.parts(pass) : panelCount(size) }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { true }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass < base.passes {
      base.run(pass, step, share, parts: parts)
      return
    }
    let range = unitRange(of: parts, units: units)
    share.forEach(in: 0..<step.continuing) { row in
      keep(step, row, range, previous: Input(call.y + (step.previousRow &+ row) &* call.output_stride))
    }
    share.forEach(in: step.continuing..<step.count) { row in
      keep(step, row, range, previous: call.initial_states.h.map { $0 + row &* size })
    }
  }

  private func keep(_ step: Step, _ sequence: Int, _ range: Range<Int>, previous: Input?) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = size &- unit
      let target = call.y + row &* call.output_stride + unit
      var before = broadcast(0)
      if let previous { before = load(previous + unit, first: width) }
      let new = load(target, first: width)
      let mask =
        call.training != 0 ? call.zoneout.mask(element: row &* size &+ unit) : broadcast(call.zoneout.rate)
      store(multiplyAdd(new, mask, before - new), target, first: width)
      unit &+= laneCount
    }
  }
}

/// Before a cell's passes: what is kept of dh; after them: it joins what they carry on.
struct ZoneoutBackward<Base: BackwardLoop>: Recurrence {
  let base: Base
  let call: srt_recurrent_gradient_call
  let size: Int
  let carry: Output
  /// m * dh, like `carry`.
  let held: Output

  private var units: Int { roundedUp(size, to: laneCount) }
  var passes: Int { base.passes &+ 2 }
  @inline(__always)
  func parts(_ pass: Int) -> Int {
    pass == 0 || pass == passes &- 1 ? panelCount(size) : base.parts(pass &- 1)
  }
  @inline(__always)
  func isShared(_ pass: Int) -> Bool { pass < passes &- 1 }

  @inline(never)
  func run(_ pass: Int, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    if pass > 0, pass < passes &- 1 {
      base.run(pass &- 1, step, share, parts: parts)
      return
    }
    let range = unitRange(of: parts, units: units)
    share.forEach(in: 0..<step.count) { row in
      if pass == 0 { split(step, row, range) } else { join(row, range) }
    }
  }

  private func split(_ step: Step, _ sequence: Int, _ range: Range<Int>) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let target = carry + sequence &* units + unit
      var dh = load(target)
      if let gradY = call.grad_y { dh += load(gradY + row &* call.grad_output_stride + unit, first: size &- unit) }
      let kept = dh * call.zoneout.mask(element: row &* size &+ unit)
      store(kept, held + sequence &* units + unit)
      store(dh - kept, target)
      unit &+= laneCount
    }
  }

  private func join(_ sequence: Int, _ range: Range<Int>) {
    var unit = range.lowerBound
    while unit < range.upperBound {
      let target = carry + sequence &* units + unit
      store(load(target) + load(held + sequence &* units + unit), target)
      unit &+= laneCount
    }
  }
}
