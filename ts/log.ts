export type Logger = Pick<Console, 'debug' | 'info' | 'warn' | 'error'>

const stderr = (line: string): void => void process.stderr.write(`${line}\n`)

/** `verbose` without a logger writes to stderr, so that a program's own output stays clean. */
export const stderrLogger: Logger = { debug: stderr, info: stderr, warn: stderr, error: stderr }

/** `did:key:z6Mk…2doK`: enough to tell agents apart. Names stay as they are. */
export function short(address: string): string {
  return address.startsWith('did:') && address.length > 20 ? `${address.slice(0, 12)}…${address.slice(-4)}` : address
}
