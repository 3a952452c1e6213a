// The machines a binary is made for: the name of its package, and the Rust target that builds it.
export const targets = {
  'linux-x64-gnu': 'x86_64-unknown-linux-gnu',
  'linux-x64-musl': 'x86_64-unknown-linux-musl',
  'linux-arm64-gnu': 'aarch64-unknown-linux-gnu',
  'linux-arm64-musl': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
  'win32-x64-msvc': 'x86_64-pc-windows-msvc',
  'win32-arm64-msvc': 'aarch64-pc-windows-msvc',
}

export function thisPlatform() {
  const { platform, arch } = process
  const abi = { linux: () => (usesGlibc() ? '-gnu' : '-musl'), win32: () => '-msvc' }[platform]
  return `${platform}-${arch}${abi ? abi() : ''}`
}

function usesGlibc() {
  return process.report.getReport().header.glibcVersionRuntime !== undefined
}
