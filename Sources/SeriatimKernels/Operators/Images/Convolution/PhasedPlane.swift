// A copy of a plane with its border of zeros, laid out so that every tap of a convolution reads whole registers.
//
// Columns are in phases: of a stride s, columns 0, s, 2s, ... lie side by side, then 1, s + 1, ...; the inputs of a row's
// outputs lie side by side whatever the tap. `spread` puts zeros between the rows and columns of the plane: for an input
// gradient that is computed as one convolution.

struct PhasedPlane {
  /// Rows of the copy, columns of one phase, phases.
  let rows, phase, phases: Int
  /// The plane's first row and column in the copy.
  let paddingY, paddingX: Int
  let spreadY, spreadX: Int
  let inputs, width: Int

  /// For a pass whose transposed axes are computed phase by phase.
  init(gathering pass: ConvolutionPass) {
    let (vertical, horizontal) = (pass.vertical.reach, pass.horizontal.reach)
    phases = pass.horizontal.scale
    (paddingY, paddingX) = (0 &- vertical.lowerBound, 0 &- horizontal.lowerBound)
    (spreadY, spreadX) = (1, 1)
    rows = vertical.count
    phase = (horizontal.count &+ phases &- 1) / phases
    (inputs, width) = (pass.vertical.inputs, pass.horizontal.inputs)
  }

  /// For a pass whose transposed axes are computed over a plane with zeros in between.
  init(spreading pass: ConvolutionPass) {
    let (vertical, horizontal) = (pass.vertical, pass.horizontal)
    let turned = vertical.transposed
    phases = turned ? 1 : horizontal.stride
    (spreadY, spreadX) = turned ? (vertical.stride, horizontal.stride) : (1, 1)
    let (spanY, spanX) = ((vertical.kernel &- 1) &* vertical.dilation, (horizontal.kernel &- 1) &* horizontal.dilation)
    (paddingY, paddingX) =
      turned ? (spanY &- vertical.padding, spanX &- horizontal.padding) : (vertical.padding, horizontal.padding)
    rows = (vertical.outputs &- 1) &* (turned ? 1 : vertical.stride) &+ spanY &+ 1
    phase = ((horizontal.outputs &- 1) &* phases &+ spanX &+ phases) / phases
    (inputs, width) = (vertical.inputs, horizontal.inputs)
  }

  var pitch: Int { phase &* phases }
  var size: Int { rows &* pitch }

  /// Whether the copy would be the plane itself.
  var isPlain: Bool { phases == 1 && paddingY == 0 && paddingX == 0 && rows == inputs && phase == width }

  /// Where a tap at this column of the copy reads for the first output of a row.
  @inline(__always)
  func column(_ x: Int) -> Int { x % phases &* phase &+ x / phases }

  /// Copies a plane.
  func fill(_ copy: Output, _ plane: Input) {
    for row in 0..<rows {
      let target = copy + row &* pitch
      let place = row &- paddingY
      guard place >= 0, place % spreadY == 0, place / spreadY < inputs else {
        fillZero(target, pitch)
        continue
      }
      let source = plane + place / spreadY &* width
      if spreadX == 1 {
        for index in 0..<phases {
          copyClipped(
            target + index &* phase, source, from: index &- paddingX, step: phases, count: phase, width: width)
        }
        continue
      }
      fillZero(target, pitch)
      for column in 0..<width {
        let x = column &* spreadX &+ paddingX
        if x >= 0 && x < pitch { target[x] = source[column] }
      }
    }
  }
}

extension ConvolutionAxis {
  /// The input positions that any output reads, whether they exist or not.
  var reach: Range<Int> {
    var (first, last) = (Int.max, Int.min)
    for phase in 0..<phases {
      let count = count(phase: phase)
      guard count > 0 else { continue }
      for tap in 0..<kernel {
        guard let offset = offset(tap, phase: phase) else { continue }
        first = min(first, offset)
        last = max(last, offset &+ (count &- 1) &* scale)
      }
    }
    return first > last ? 0..<1 : first..<(last &+ 1)
  }
}
