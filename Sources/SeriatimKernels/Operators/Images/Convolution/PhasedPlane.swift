// A copy of a plane with its border of zeros, laid out so that every tap of a convolution reads whole registers.
//
// Of strides (t, s) the rows and columns fall into t s phases, each a plane of its own: of the first, rows 0, t, 2t, ... and
// columns 0, s, 2s, ... What a tap reads for an output lies one further for the next output, and one row further for the
// output below, whatever the strides: all outputs of a plane are one long row, with a few columns too many.

struct PhasedPlane {
  /// Rows and columns of one phase; from one row of the plane to the phase's next.
  let rows, columns: Int
  let stepY, stepX: Int
  /// Phases that are kept.
  let phasesY, phasesX: Int
  /// The plane's first row and column in the copy.
  let paddingY, paddingX: Int
  let spreadY, spreadX: Int
  let inputs, width: Int

  /// For a pass whose transposed axes are computed phase by phase.
  init(gathering pass: ConvolutionPass) {
    let (vertical, horizontal) = (pass.vertical.reach, pass.horizontal.reach)
    (stepY, stepX) = (pass.vertical.scale, pass.horizontal.scale)
    (paddingY, paddingX) = (0 &- vertical.lowerBound, 0 &- horizontal.lowerBound)
    (spreadY, spreadX) = (1, 1)
    (phasesY, phasesX) = (pass.vertical.kernel > 1 ? stepY : 1, pass.horizontal.kernel > 1 ? stepX : 1)
    rows = (vertical.count &+ stepY &- 1) / stepY
    columns = (horizontal.count &+ stepX &- 1) / stepX
    (inputs, width) = (pass.vertical.inputs, pass.horizontal.inputs)
  }

  /// For a pass whose transposed axes are computed over a plane with zeros in between.
  init(spreading pass: ConvolutionPass) {
    let (vertical, horizontal) = (pass.vertical, pass.horizontal)
    let turned = vertical.transposed
    (stepY, stepX) = turned ? (1, 1) : (vertical.stride, horizontal.stride)
    (phasesY, phasesX) = (vertical.kernel > 1 ? stepY : 1, horizontal.kernel > 1 ? stepX : 1)
    (spreadY, spreadX) = turned ? (vertical.stride, horizontal.stride) : (1, 1)
    let (spanY, spanX) = ((vertical.kernel &- 1) &* vertical.dilation, (horizontal.kernel &- 1) &* horizontal.dilation)
    (paddingY, paddingX) =
      turned ? (spanY &- vertical.padding, spanX &- horizontal.padding) : (vertical.padding, horizontal.padding)
    rows = vertical.outputs &+ spanY / stepY
    columns = horizontal.outputs &+ spanX / stepX
    (inputs, width) = (vertical.inputs, horizontal.inputs)
  }

  private var phaseSize: Int { rows &* columns }
  var size: Int { phasesY &* phasesX &* phaseSize }
  /// From one copy to the next: an odd number of registers, so that copies do not meet in the same sets of a cache.
  var stride: Int { (size / laneCount | 1) &* laneCount &+ (size / laneCount % 2 == 0 ? 0 : 2 &* laneCount) }

  /// Whether the copy would be the plane itself.
  var isPlain: Bool {
    stepY &* stepX &* spreadY &* spreadX == 1 && paddingY == 0 && paddingX == 0 && rows == inputs && columns == width
  }

  /// Where a tap at this place of the copy reads for the first output.
  @inline(__always)
  func place(_ y: Int, _ x: Int) -> Int {
    (y % stepY &* phasesX &+ x % stepX) &* phaseSize &+ y / stepY &* columns &+ x / stepX
  }

  /// Copies a plane.
  func fill(_ copy: Output, _ plane: Input) {
    var target = copy
    for phaseY in 0..<phasesY {
      for phaseX in 0..<phasesX {
        let line = ClippedRow(from: phaseX &- paddingX, step: stepX, count: columns, width: width)
        for row in 0..<rows {
          let place = row &* stepY &+ phaseY &- paddingY
          if place < 0 || place >= inputs &* spreadY || spreadY > 1 && place % spreadY != 0 {
            fillZero(target, columns)
          } else if spreadX == 1 {
            line.copy(plane + (spreadY == 1 ? place : place / spreadY) &* width, to: target)
          } else {
            spread(plane + place / spreadY &* width, to: target)
          }
          target += columns
        }
      }
    }
  }

  /// A row with zeros in between.
  private func spread(_ row: Input, to target: Output) {
    fillZero(target, columns)
    // Columns of the plane that the copy has.
    let first = max(0, (spreadX &- 1 &- paddingX) / spreadX)
    let last = min(width, (columns &- 1 &- paddingX) / spreadX &+ 1)
    var column = first
    while spreadX == 2 && column &+ laneCount <= last {
      // The last zero may lie behind the row: in the next one, which follows, or in what the copy has behind.
      let (low, high) = Lanes.alternated(load(row + column), broadcast(0))
      store(low, target + (column &* 2 &+ paddingX))
      store(high, target + (column &* 2 &+ paddingX &+ laneCount))
      column &+= laneCount
    }
    while column < last {
      target[column &* spreadX &+ paddingX] = row[column]
      column &+= 1
    }
  }
}

extension ConvolutionAxis {
  /// The input positions that any output reads, whether they exist or not; all phases as long as the first.
  var reach: Range<Int> {
    var (first, last) = (Int.max, Int.min)
    // Two phases are computed together, even if the second has no output: it reads all the same.
    for phase in 0..<(phases == 2 ? 2 : min(phases, outputs)) {
      for tap in 0..<kernel {
        guard let offset = offset(tap, phase: phase) else { continue }
        first = min(first, offset)
        last = max(last, offset &+ (count(phase: 0) &- 1) &* scale)
      }
    }
    return first > last ? 0..<1 : first..<(last &+ 1)
  }
}
