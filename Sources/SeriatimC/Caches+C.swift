// The C ABI of the machine's caches: Bindings/include/seriatim.h says what every argument is.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation
import CSeriatim
import SeriatimKernels

@_cdecl("srt_set_caches") @implementation
public func srt_set_caches(_ text: UnsafePointer<CChar>?) -> Int32 {
  readMachineCaches(text) ? done : badSize
}

@_cdecl("srt_get_caches") @implementation
public func srt_get_caches(_ values: UnsafeMutablePointer<Int>) -> Int32 {
  let caches = machineCaches
  values[0] = caches.first
  values[1] = caches.second
  values[2] = caches.shared
  values[3] = caches.coresPerSecond
  values[4] = caches.coresPerShared
  values[5] = caches.line
  return done
}
