/** Where lines go: `console`, or a logger with these four methods. */
export type Logger = Pick<Console, 'debug' | 'info' | 'warn' | 'error'>

const stderr = (line: string): void => void process.stderr.write(`${line}\n`)

/** `verbose` without a logger writes to stderr, so that a program's own output stays clean. */
export const stderrLogger: Logger = { debug: stderr, info: stderr, warn: stderr, error: stderr }

/** `did:key:z6Mk…2doK`: enough to tell agents apart. Names stay as they are; what is neither cannot forge a line. */
export function short(address: string): string {
  if (/^[\w.-]{1,64}$/.test(address)) return address
  const plain = address.replaceAll(/[^\w.:-]/g, '?')
  return plain.length > 20 ? `${plain.slice(0, 12)}…${plain.slice(-4)}` : plain
}
