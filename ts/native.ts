import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Binding } from './binding'

const PACKAGE = '@private.me/autogen'

class NativeLoadError extends Error {
  override readonly name = 'XBindError'
  readonly code = 'INTERNAL'
}

/** The compiled core, loaded once when the module is first imported. */
export const native: Binding = load()

function load(): Binding {
  const platforms = candidates()
  if (platforms.length === 0) {
    throw new NativeLoadError(
      `${PACKAGE} has no binary for ${process.platform}-${process.arch}; ` +
        `it runs on Linux, macOS and Windows, on x64 and arm64`,
    )
  }
  let broken: unknown
  for (const platform of platforms) {
    try {
      return require(local(platform) ?? `${PACKAGE}-${platform}`) as Binding
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') broken ??= cause
    }
  }
  throw broken === undefined ? missing(platforms) : unloadable(broken)
}

// Which C library a Linux runs on is learned by trying: asking costs more than loading.
function candidates(): string[] {
  const { platform, arch } = process
  if (arch !== 'x64' && arch !== 'arm64') return []
  switch (platform) {
    case 'linux':
      return [`linux-${arch}-gnu`, `linux-${arch}-musl`]
    case 'darwin':
      return [`darwin-${arch}`]
    case 'win32':
      return [`win32-${arch}-msvc`]
    default:
      return []
  }
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
