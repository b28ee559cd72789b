// swift-tools-version: 6.2
// The kernels as a Swift package. `setup.py` builds the static library `SeriatimC` once per instruction-set level in
// Embedded mode and links it into the Python extension; `swift test` builds the same sources as ordinary Swift.
import PackageDescription

let package = Package(
  name: "Seriatim",
  products: [
    .library(name: "SeriatimC", type: .static, targets: ["SeriatimC"])
  ],
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
