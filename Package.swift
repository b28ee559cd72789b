// swift-tools-version: 6.2
// The kernels as a Swift package, for `swift test` and editors, and Seriatim, a library for Swift programs that run models
// which Python has trained. The Python extension is made of the same kernels by `setup.py`, which compiles them in Embedded
// mode once per instruction-set level.
import PackageDescription

let package = Package(
  name: "Seriatim",
  products: [
    .library(name: "Seriatim", targets: ["Seriatim"]),
    .executable(name: "seriatim-predict", targets: ["seriatim-predict"]),
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
    // Models from files: read, checked, run by the kernels. No unsafeFlags: other packages depend on it.
    .target(name: "Seriatim", dependencies: ["CSeriatim", "SeriatimKernels", "SeriatimSystem"]),
    .executableTarget(name: "seriatim-predict", dependencies: ["Seriatim"]),
    .testTarget(
      name: "SeriatimTests", dependencies: ["CSeriatim", "Seriatim", "SeriatimKernels"],
      exclude: ["Models", "make_models.py"]),
    .testTarget(name: "SeriatimKernelsTests", dependencies: ["CSeriatim", "SeriatimKernels", "SeriatimSystem"]),
  ]
)
