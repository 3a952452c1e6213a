import { types } from 'node:util'
import { XBindError } from '../errors'

/** Where lines go: `console`, or a logger with these four methods. */
export type Logger = Pick<Console, 'debug' | 'info' | 'warn' | 'error'>

const stderr = (line: string): void => void process.stderr.write(`${line}\n`)

/** The log of those who have no logger, so that a program's own output stays clean. */
const stderrLogger: Logger = { debug: stderr, info: stderr, warn: stderr, error: stderr }

/** What nobody waits for: if it is a promise, its failure is not to end the process. */
export function leave(value: unknown, failed: (thrown: unknown) => void = () => {}): void {
  if (typeof value === 'object') Promise.resolve(value).catch(failed)
}

/** A logger that fails loses its line, not the message. */
export function write(logger: Logger = stderrLogger, level: 'info' | 'warn' | 'error', line: string): void {
  try {
    leave(logger[level](`[xbind] ${line}`))
  } catch {
    // nobody to tell
  }
}

/** `did:key:z6Mk…2doK`: enough to tell agents apart. Names stay as they are; what is neither cannot forge a line. */
export function short(address: string): string {
  if (/^[\w.-]{1,64}$/.test(address)) return address
  const plain = address.replaceAll(/[^\w.:-]/g, '?')
  return plain.length > 20 ? `${plain.slice(0, 12)}…${plain.slice(-4)}` : plain
}

const MAX_SHOWN = 4000
const MAX_CAUSES = 4
const MAX_ERRORS = 4
const MAX_KEYS = 16
const INDENT = '[xbind]   '
/** What moves a cursor, turns the direction of a text or cannot be seen. */
// oxlint-disable-next-line no-control-regex -- these are what must not be there
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

/** What somebody threw, for the log: its stack and those of its causes. Other members stay out: who knows what is in them. */
export function shown(thrown: unknown): string {
  let text: string
  try {
    text = textOf(thrown, 0)
  } catch {
    text = 'a value that cannot be looked at'
  }
  const lines = text.slice(0, MAX_SHOWN).split(/\r\n|[\n\r\u2028\u2029]/)
  const whole = lines.map((line) => INDENT + line.replaceAll(UNPRINTABLE, '?')).join('\n')
  if (whole.length <= MAX_SHOWN) return whole
  const cut = whole.slice(0, MAX_SHOWN - 1)
  const last = cut.lastIndexOf('\n') + 1
  return cut.startsWith(INDENT, last) ? `${cut}…` : cut.slice(0, last - 1)
}

/** What is no error, without its values: who knows what is in them. */
function outlined(thrown: object): string {
  const kind = Object.prototype.toString.call(thrown)
  const names = Array.isArray(thrown) ? [] : Object.keys(thrown).slice(0, MAX_KEYS)
  return names.length === 0 ? `${kind}, which is no Error` : `${kind} with ${names.join(', ')}, which is no Error`
}

function textOf(thrown: unknown, depth: number): string {
  if (typeof thrown === 'object' && thrown !== null) {
    if (!types.isNativeError(thrown) && !(thrown instanceof Error)) return outlined(thrown)
    const { stack, cause } = thrown
    const { hint, errors } = thrown as { hint?: unknown; errors?: unknown }
    const parts = [typeof stack === 'string' ? stack : `${String(thrown.name)}: ${String(thrown.message)}`]
    if (thrown instanceof XBindError && typeof hint === 'string') parts.push(`hint: ${hint}`)
    if (depth < MAX_CAUSES) {
      if (Array.isArray(errors))
        for (const each of errors.slice(0, MAX_ERRORS)) parts.push(`of them ${textOf(each, depth + 1)}`)
      if (cause !== undefined) parts.push(`caused by ${textOf(cause, depth + 1)}`)
    }
    return parts.join('\n')
  }
  return typeof thrown === 'function' ? 'a function' : String(thrown)
}
