import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Binding } from './native/binding'

const PACKAGE = '@private.me/autogen'

class NativeLoadError extends Error {
  override readonly name = 'XBindError'
  readonly code = 'INTERNAL'
}

// Spelled out, so that tools which trace what a program requires find the binaries.
const packages: Record<string, () => unknown> = {
  'linux-x64-gnu': () => require('@private.me/autogen-linux-x64-gnu'),
  'linux-x64-musl': () => require('@private.me/autogen-linux-x64-musl'),
  'linux-arm64-gnu': () => require('@private.me/autogen-linux-arm64-gnu'),
  'linux-arm64-musl': () => require('@private.me/autogen-linux-arm64-musl'),
  'darwin-x64': () => require('@private.me/autogen-darwin-x64'),
  'darwin-arm64': () => require('@private.me/autogen-darwin-arm64'),
  'win32-x64-msvc': () => require('@private.me/autogen-win32-x64-msvc'),
  'win32-arm64-msvc': () => require('@private.me/autogen-win32-arm64-msvc'),
}

/** The compiled core, loaded once when the module is first imported. */
export const native: Binding = load()

function load(): Binding {
  const machine = `${process.platform}-${process.arch}`
  // Which C library a Linux runs on is learned by trying, gnu first: asking costs more than loading.
  const platforms = Object.keys(packages).filter((platform) => `${platform}-`.startsWith(`${machine}-`))
  if (platforms.length === 0) {
    throw new NativeLoadError(
      `${PACKAGE} has no binary for ${machine}; it runs on Linux, macOS and Windows, on x64 and arm64`,
    )
  }
  let broken: unknown
  for (const platform of platforms) {
    try {
      const file = local(platform)
      return (file === undefined ? packages[platform]?.() : require(file)) as Binding
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') broken ??= cause
    }
  }
  throw broken === undefined ? missing(platforms) : unloadable(broken)
}

/** The binary that `npm run build` leaves in a checkout; an installed package has no npm folder. */
function local(platform: string): string | undefined {
  const file = join(__dirname, '..', 'npm', platform, `xbind.${platform}.node`)
  return existsSync(file) ? file : undefined
}

function missing(platforms: string[]): Error {
  const names = platforms.map((platform) => `${PACKAGE}-${platform}`).join(' or ')
  return new NativeLoadError(
    `${names}, which holds the binary of ${PACKAGE} for this machine, is not installed; ` +
      `install again on this machine and without leaving out optional dependencies`,
  )
}

function unloadable(cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new NativeLoadError(
    `the binary of ${PACKAGE} for this machine does not load: ${reason}; delete node_modules and install again`,
    { cause },
  )
}
