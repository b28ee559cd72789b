// Predicts with a model that Python has saved: an example of the library Seriatim, and a program of its own.

import Foundation
import Seriatim

let usage = """
  usage: seriatim-predict MODEL [FRAMES] [--stream] [--window N] [--log] [--describe]
                          [--time SECONDS]

  Predicts what sequences are with a model that seriatim.save has written in Python.

    MODEL        the file of a classifier or a regressor
    FRAMES       a text with a frame a line, its numbers separated by commas; an empty line is between two sequences.
                 Without it, or for -, standard input.

    --stream     take frames one at a time, and print a line behind each
    --window N   with --stream: how many of the last frames DeepGRU's attention looks back at
    --log        print natural logarithms of probabilities, not probabilities
    --describe   print what the model is, and end
    --time S     take steps for S seconds, print how long one is, and end
    --help       print this, and end

  A line is a label and the probability of each class, in the order of --describe; of a regressor its numbers. There is a
  line for each sequence; of a model of frames one for each frame, and an empty one between two sequences.
  Ends with 0, with 1 if the model or the frames are wrong, with 2 if the arguments are.
  """

/// What is asked for.
struct Arguments {
  var files: [String] = []
  var options: Set<String> = []
  var window: Int?
  var seconds: Double?

  static let known: Set = ["--stream", "--log", "--describe", "--help"]

  init(_ given: some Sequence<String>) throws(UsageError) {
    var rest = Array(given)[...]
    while let argument = rest.popFirst() {
      if argument == "--window" {
        guard let text = rest.popFirst(), let number = Int(text), number > 0 else {
          throw UsageError("--window: expected a number of frames above 0")
        }
        window = number
      } else if argument == "--time" {
        guard let text = rest.popFirst(), let number = Double(text), number > 0, number < 3600 else {
          throw UsageError("--time: expected a number of seconds above 0")
        }
        seconds = number
      } else if argument.hasPrefix("-") && argument != "-" {
        guard Self.known.contains(argument) else { throw UsageError("\(argument): no such option; --help lists them") }
        options.insert(argument)
      } else {
        files.append(argument)
      }
    }
    if options.contains("--help") { return }
    if files.isEmpty || files.count > 2 { throw UsageError("expected a model and a file of frames; --help says more") }
    if window != nil && !options.contains("--stream") && seconds == nil {
      throw UsageError("--window: is for --stream")
    }
  }
}

struct UsageError: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

/// Reads the sequences of a text: a frame a line, an empty line between two sequences.
func sequences(of text: String, name: String) throws -> [[[Float]]] {
  var found: [[[Float]]] = [[]]
  for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
    let line = line.trimmingCharacters(in: .whitespaces)
    if line.isEmpty {
      if found[found.count - 1].count > 0 { found.append([]) }
      continue
    }
    let frame = try line.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let value = Float(part.trimmingCharacters(in: .whitespaces)) else {
        throw ModelError.input("\(name): line \(number + 1): expected numbers separated by commas, got '\(part)'")
      }
      return value
    }
    found[found.count - 1].append(frame)
  }
  if found.last?.isEmpty == true { found.removeLast() }
  if found.isEmpty { throw ModelError.input("\(name): expected at least one frame, got none") }
  return found
}

func text(of name: String) throws -> String {
  let data = name == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: name)
  guard let data, let text = String(data: data, encoding: .utf8) else {
    throw ModelError.unreadable("\(name): expected a file of text; it is not there, or is none")
  }
  return text
}

func describe(_ model: Model) {
  print("\(model.kind), written by seriatim \(model.writtenBy): \(model.features) features a frame")
  if model.isClassifier {
    print("classes: \(model.classes.map(\.description).joined(separator: ", "))")
  } else {
    print("numbers: \(model.outputs)")
  }
  print("kernels: \(Kernels.level), \(Kernels.threads) threads")
}

func joined(_ numbers: [some CustomStringConvertible]) -> String { numbers.map(\.description).joined(separator: ",") }

/// Prints a line of each sequence; of a model of frames one of each frame, and an empty one between two sequences.
func predict(_ model: Model, _ sequences: Sequences, logarithms: Bool) throws {
  func line(_ row: [Float]) -> String { "\(model.label(row)),\(joined(row))" }
  switch (model.isClassifier, model.isByFrame) {
  case (true, false):
    let rows = try logarithms ? model.logProbabilities(sequences) : model.probabilities(sequences)
    for row in rows { print(line(row)) }
  case (false, false):
    for row in try model.numbers(sequences) { print(joined(row)) }
  case (true, true):
    let found = try logarithms ? model.frameLogProbabilities(sequences) : model.frameProbabilities(sequences)
    print(found.map { $0.map(line).joined(separator: "\n") }.joined(separator: "\n\n"))
  case (false, true):
    let found = try model.frameNumbers(sequences)
    print(found.map { $0.map { joined($0) }.joined(separator: "\n") }.joined(separator: "\n\n"))
  }
}

/// Prints a line of each frame, and an empty one between two sequences.
func follow(_ model: Model, _ sequences: [[[Float]]], window: Int?, logarithms: Bool) throws {
  var stream = try model.stream(window: window, logarithms: logarithms)
  for (number, sequence) in sequences.enumerated() {
    if number > 0 { print("") }
    stream.reset()
    for frame in sequence {
      let found = try stream.step(frame)
      print(model.isClassifier ? "\(model.label(found)),\(joined(found))" : joined(found))
    }
  }
}

/// Prints the microseconds of a step: the median of rounds of 16.
func time(_ model: Model, window: Int?, seconds: Double) throws {
  var stream = try model.stream(window: window)
  let frame = (0..<model.features).map { Float($0 % 7) / 7 }
  var result = [Float](repeating: 0, count: model.outputs)
  let (most, begin) = (1 << 16, DispatchTime.now().uptimeNanoseconds)
  var times: [UInt64] = []
  times.reserveCapacity(most)
  var now = begin
  while Double(now - begin) < 1e9 * seconds, times.count < most {
    let before = now
    for _ in 0..<16 {
      try frame.withUnsafeBufferPointer { frame in
        try result.withUnsafeMutableBufferPointer { try stream.step(frame, into: $0) }
      }
    }
    now = DispatchTime.now().uptimeNanoseconds
    times.append(now - before)
  }
  times.sort()
  print("\(Double(times[times.count / 2]) / 16_000) us a step")
}

func fail(_ text: String, _ code: Int32) -> Never {
  FileHandle.standardError.write(Data("seriatim-predict: \(text)\n".utf8))
  exit(code)
}

do {
  let arguments = try Arguments(CommandLine.arguments.dropFirst())
  if arguments.options.contains("--help") {
    print(usage)
    exit(0)
  }
  let model = try Model(contentsOf: URL(fileURLWithPath: arguments.files[0]))
  if arguments.options.contains("--describe") {
    describe(model)
  } else if let seconds = arguments.seconds {
    try time(model, window: arguments.window, seconds: seconds)
  } else {
    let name = arguments.files.count > 1 ? arguments.files[1] : "-"
    let found = try sequences(of: try text(of: name), name: name)
    if arguments.options.contains("--stream") {
      try follow(model, found, window: arguments.window, logarithms: arguments.options.contains("--log"))
    } else {
      try predict(model, Sequences(found), logarithms: arguments.options.contains("--log"))
    }
  }
} catch let error as UsageError {
  fail(error.text, 2)
} catch {
  fail("\(error)", 1)
}
