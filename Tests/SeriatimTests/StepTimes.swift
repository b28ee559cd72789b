// How long a step of a stream takes beside the kernels alone, in one process:
//
//   SERIATIM_TIME=model.safetensors swift test -c release --filter StepTimes
//
// with the options that `make test-swift` has; a model whose first stage is a recurrent layer of one direction.
import CSeriatim
import SeriatimKernels
import XCTest

@testable import Seriatim

final class StepTimes: XCTestCase {
  private let rounds = 400
  private let stepsOfARound = 100

  func testStepsBesideKernels() throws {
    guard let path = ProcessInfo.processInfo.environment["SERIATIM_TIME"] else {
      throw XCTSkip("SERIATIM_TIME is not set")
    }
    Kernels.threads = 1
    let model = try Model(contentsOf: URL(fileURLWithPath: path))
    let network = model.networks[0]
    let frame = (0..<model.features).map { Float($0 % 7) / 7 }
    var result = [Float](repeating: 0, count: model.outputs)
    let (first, second, runner) = (try model.stream(), try model.stream(), StreamRunner(network, count: 1, window: nil))
    var (into, returning) = (first, second)
    let layer = try XCTUnwrap(network.stages.first)
    let layerSizes = try XCTUnwrap(recurrentSizes(layer.cell, batch: 1, rows: 1, steps: 1, training: false))
    let (h, c, y) = (Buffer(layerSizes.state_size), Buffer(layerSizes.cell_size), Buffer(layerSizes.state_size))
    let (x, scratch) = (Buffer(frame), Buffer(layerSizes.forward_scratch))
    var one: Int64 = 1
    var times = [[Double]](repeating: [], count: 4)
    for round in 0..<rounds {
      for index in 0..<4 {
        let begin = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<stepsOfARound {
          switch index {
          case 0:
            withUnsafePointer(to: &one) { one in
              recurrentForward(
                layer.cell,
                srt_recurrent_call(
                  y: y.start, output_stride: layerSizes.state_size,
                  final_states: srt_new_states(h: h.start, c: layerSizes.cell_size > 0 ? c.start : nil), cache: nil,
                  x: x.start, batch_sizes: one, steps: 1,
                  initial_states: srt_states(h: h.start, c: layerSizes.cell_size > 0 ? c.start : nil),
                  packed: layer.weights!, reverse: 0, training: 0, zoneout: srt_zoneout(), scratch: scratch.start))
            }
          case 1: runner.step(x.input)
          case 2:
            try frame.withUnsafeBufferPointer { frame in
              try result.withUnsafeMutableBufferPointer { try into.step(frame, into: $0) }
            }
          default: result = try returning.step(frame)
          }
        }
        if round > rounds / 10 {
          times[index].append(Double(DispatchTime.now().uptimeNanoseconds - begin) / Double(1000 * stepsOfARound))
        }
      }
    }
    let names = ["first layer's kernel", "all kernels", "step(_:into:)", "step(_:)"]
    for (name, found) in zip(names, times) { print("\(name): \(found.sorted()[found.count / 2]) us a step") }
  }
}
