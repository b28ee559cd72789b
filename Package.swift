// swift-tools-version: 6.2
// The kernels as a Swift package, for `swift test` and editors. The Python extension is made of the same sources by
// `setup.py`, which compiles them in Embedded mode once per instruction-set level.
import PackageDescription

let package = Package(
  name: "Seriatim",
  targets: [
    // pthreads, atomics and memory advice: the part of libc that Embedded Swift cannot import by itself.
    .target(name: "SeriatimSystem"),
    // Bindings/include/seriatim.h, the C ABI, for Swift: the compiler holds both sides to it.
    .systemLibrary(name: "CSeriatim", path: "Bindings/include"),
    // Every number is computed here.
    .target(
      name: "SeriatimKernels", dependencies: ["CSeriatim", "SeriatimSystem"],
      // Vector/Arithmetic.swift names single instructions.
      swiftSettings: [.enableExperimentalFeature("BuiltinModule")]),
    // The functions of CSeriatim: check, call, return a status.
    .target(name: "SeriatimC", dependencies: ["CSeriatim", "SeriatimKernels"]),
    .testTarget(name: "SeriatimKernelsTests", dependencies: ["CSeriatim", "SeriatimKernels", "SeriatimSystem"]),
  ]
)
