// What can go wrong, said as the Python library says it: what was found, what is wanted, what to do.

import Foundation

/// Why a model cannot be read, or cannot do what it is asked to.
///
/// The text of every case is whole: it names the file, or the argument, what was found there and what to do.
public enum ModelError: Error, Equatable, Sendable {
  /// There is no such file, or the system does not give it.
  case unreadable(String)
  /// It is not a whole file of safetensors: cut, or of another kind.
  case incomplete(String)
  /// It is whole, and not as it was written: its checksum is of another content.
  case damaged(String)
  /// It is a file of safetensors that `seriatim.save` has not written.
  case foreign(String)
  /// It is in a format that this version does not read.
  case format(String)
  /// What it says contradicts itself: tensors that are missing, of another shape, not finite, named twice.
  case malformed(String)
  /// It holds what Swift programs cannot run, or cannot run as it is asked for.
  case unsupported(String)
  /// Sequences, frames or states have another shape than the model takes, or numbers that are not finite.
  case input(String)
}

extension ModelError: CustomStringConvertible, LocalizedError {
  /// What was found, what is wanted, what to do.
  public var description: String {
    switch self {
    case .unreadable(let text), .incomplete(let text), .damaged(let text), .foreign(let text), .format(let text),
      .malformed(let text), .unsupported(let text), .input(let text):
      text
    }
  }

  /// The same, for programs that show errors by `localizedDescription`.
  public var errorDescription: String? { description }

  /// The error with the file's name before its text.
  func of(_ name: String) -> ModelError {
    let text = "\(name): \(description)"
    return switch self {
    case .unreadable: .unreadable(text)
    case .incomplete: .incomplete(text)
    case .damaged: .damaged(text)
    case .foreign: .foreign(text)
    case .format: .format(text)
    case .malformed: .malformed(text)
    case .unsupported: .unsupported(text)
    case .input: .input(text)
    }
  }
}

/// A value as an error shows it: quoted, and not longer than a line.
func shown(_ value: Any) -> String {
  let text = "\(value)"
  let short = text.count > 60 ? "\(text.prefix(60))..." : text
  return "'\(short)'"
}
