// What a classifier was trained to tell apart.

/// A class's label, of the kind that it had in Python.
public enum Label: Hashable, Sendable {
  case text(String)
  case integer(Int)
  case number(Double)
  case truth(Bool)
}

extension Label: CustomStringConvertible, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }

  /// The label as Python prints it.
  public var description: String {
    switch self {
    case .text(let value): value
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .truth(let value): value ? "True" : "False"
    }
  }
}
