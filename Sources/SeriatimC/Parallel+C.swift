// The C ABI of the worker pool: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_thread_limit") @implementation
public func srt_thread_limit() -> Int { threadLimit() }

@_cdecl("srt_set_thread_limit") @implementation
public func srt_set_thread_limit(_ count: Int) -> Int32 {
  guard count > 0 else { return badSize }
  setThreadLimit(count)
  return done
}

@_cdecl("srt_keep_thread_limit") @implementation
public func srt_keep_thread_limit(_ keeps: Int32) -> Int32 { keepThreadLimit(keeps != 0) ? 1 : 0 }

@_cdecl("srt_set_runs_alone") @implementation
public func srt_set_runs_alone(_ alone: Int32) -> Int32 {
  setRunsAlone(alone != 0)
  return done
}
