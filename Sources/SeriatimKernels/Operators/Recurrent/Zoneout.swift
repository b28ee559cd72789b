// Zoneout around any cell (Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR
// 2017): an element of the state keeps its value with probability `rate`,
//
//   h' = m * h + (1 - m) * cell(x, h)      m from {0, 1} in training; m = rate in evaluation, or -rate of a rate below 0
//
// h is the recurrent state and the output; a cell's c is left alone. Backward, with dh the gradient of h', (1 - m) * dh
// goes into the cell and m * dh to the step before. The mask is drawn again, not kept.

import CSeriatim

extension srt_zoneout {
  /// m of the elements from `element` on, where there is a gradient.
  @inline(__always)
  func mask(element: Int) -> Lanes {
    if rate < 0 { return broadcast(-rate) }
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

/// What zoneout does at a step: forward after a cell's passes; backward before them, where dh is parted, and after.
struct ZoneoutPasses {
  /// Passes before the cell's own.
  let before: Int
  let zoneout: srt_zoneout
  /// Whether the mask is random.
  let isRandom: Bool
  let size: Int
  /// Forward: y and the initial states, or backward nil.
  let y: Output?
  let outputStride: Int
  let initialState: Input?
  /// Backward: the output's gradient; dh of the step at hand and m * dh, `units` a sequence.
  let gradY: Input?
  let gradOutputStride: Int
  let carry: Output?
  let held: Output?

  init(_ call: srt_recurrent_call, size: Int) {
    (before, zoneout, isRandom, self.size) = (0, call.zoneout, call.training != 0 || call.zoneout.rate < 0, size)
    (y, outputStride, initialState) = (call.y, call.output_stride, call.initial_states.h)
    (gradY, gradOutputStride, carry, held) = (nil, 0, nil, nil)
  }

  init(_ call: srt_recurrent_gradient_call, size: Int, carry: Output, held: Output) {
    (before, zoneout, isRandom, self.size) = (1, call.zoneout, true, size)
    (y, outputStride, initialState) = (nil, 0, nil)
    (gradY, gradOutputStride) = (call.grad_y, call.grad_output_stride)
    (self.carry, self.held) = (carry, held)
  }

  private var units: Int { roundedUp(size, to: laneCount) }
  var parts: Int { registerCount(size) }

  /// One pass for some rows and parts. Not to be inlined: every cell's loop would have a copy.
  @inline(never)
  func run(isLast: Bool, _ step: Step, _ share: RowShare, parts: Range<Int>) {
    let range = unitRange(of: parts, units: units)
    if let y {
      share.forEach(in: 0..<step.continuing) { row in
        keep(step, row, range, y, previous: Input(y + (step.previousRow &+ row) &* outputStride))
      }
      share.forEach(in: step.continuing..<step.count) { row in
        keep(step, row, range, y, previous: initialState.map { $0 + row &* size })
      }
    } else if let carry, let held {
      share.forEach(in: 0..<step.count) { row in
        if isLast { join(row, range, carry, held) } else { split(step, row, range, carry, held) }
      }
    }
  }

  private func keep(_ step: Step, _ sequence: Int, _ range: Range<Int>, _ y: Output, previous: Input?) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let width = size &- unit
      let target = y + row &* outputStride + unit
      var before = broadcast(0)
      if let previous { before = load(previous + unit, first: width) }
      let new = load(target, first: width)
      let mask = isRandom ? zoneout.mask(element: row &* size &+ unit) : broadcast(zoneout.rate)
      store(multiplyAdd(new, mask, before - new), target, first: width)
      unit &+= laneCount
    }
  }

  private func split(_ step: Step, _ sequence: Int, _ range: Range<Int>, _ carry: Output, _ held: Output) {
    let row = step.row &+ sequence
    var unit = range.lowerBound
    while unit < range.upperBound {
      let target = carry + sequence &* units + unit
      var dh = load(target)
      if let gradY { dh += load(gradY + row &* gradOutputStride + unit, first: size &- unit) }
      let kept = dh * zoneout.mask(element: row &* size &+ unit)
      store(kept, held + sequence &* units + unit)
      store(dh - kept, target)
      unit &+= laneCount
    }
  }

  private func join(_ sequence: Int, _ range: Range<Int>, _ carry: Output, _ held: Output) {
    var unit = range.lowerBound
    while unit < range.upperBound {
      let target = carry + sequence &* units + unit
      store(load(target) + load(held + sequence &* units + unit), target)
      unit &+= laneCount
    }
  }
}
