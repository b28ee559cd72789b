// The C ABI of streams: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

private func read(_ stages: UnsafePointer<srt_stage>, _ count: Int) -> StreamStages? {
  guard count > 0 else { return nil }
  for index in 0..<count {
    let stage = stages[index]
    let hasCell = stage.kind == Int32(SRT_RECURRENT) || stage.kind == Int32(SRT_ATTENTION)
    if hasCell && !isValid(stage.cell) { return nil }
  }
  let read = StreamStages(stages, count: count)
  return read.areValid ? read : nil
}

@_cdecl("srt_stream_measure") @implementation
public func srt_stream_measure(
  _ stages: UnsafePointer<srt_stage>, _ count: Int, _ batch: Int, _ rows: Int, _ steps: Int, _ capacity: Int,
  _ every: Int32, _ sizes: UnsafeMutablePointer<srt_stream_sizes>
) -> Int32 {
  guard batch > 0, rows > 0, steps > 0, capacity >= 0, let read = read(stages, count) else { return badSize }
  sizes.pointee = read.sizes(batch: batch, rows: rows, steps: steps, capacity: capacity, every: every != 0)
  return done
}

@_cdecl("srt_stream_run") @implementation
public func srt_stream_run(
  _ stages: UnsafePointer<srt_stage>, _ count: Int, _ call: UnsafePointer<srt_stream_call>
) -> Int32 {
  let call = call.pointee
  let stages = StreamStages(stages, count: count)
  guard count > 0, call.steps > 0, call.batch > 0, call.capacity >= 0 else { return badSize }
  guard call.state != nil || call.every == 0, call.state == nil || !stages.looksAhead else { return badSize }
  guard (call.state == nil) == (call.frames == nil) else { return missingPointer }
  streamRun(stages, call)
  return done
}
