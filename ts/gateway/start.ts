import { resolve } from 'node:path'
import { checkBoolean, checkObject, checkString, known, optional } from '../check'
import { failure } from '../errors'
import { native } from '../native'
import type { CommandRef, Failure } from '../native/binding'
import { fail, ok, type Result } from '../result'
import type { GatewayConfig } from './config'
import { placeOf, textOf } from './text'

/** What is said of a gateway beside its configuration. */
export interface GatewayOptions {
  /**
   * A file with the passphrase of the gateway's key, 1 to 4096 bytes. Without it, the variable `XBIND_PASSPHRASE` of the environment
   * is what protects the key, if it is there.
   */
  passphraseFile?: string
  /** The gateway's key must be protected with a passphrase: a new one is, and one that is not is refused. Default false. */
  encrypt?: boolean
  /** A PEM file with certificates to trust beside the usual ones. */
  caFile?: string
  /** A file to whose end a line of JSON for each request goes. */
  logFile?: string
}

/** A gateway that runs. */
export interface Gateway {
  /** How clients reach it. */
  readonly url: string
  /** Whose key signs its log. */
  readonly did: string
  /** For whom tokens have to be. */
  readonly audience: string
  /** Where it listens: an IP address and a port. */
  readonly listen: string
  /** Where Prometheus asks, if it may ask anywhere. */
  readonly metrics?: string
  /**
   * Takes no more connections, lets requests end that are under way, for 30 seconds at most, and closes database and log. Resolves
   * when that is done, also if it was stopped before.
   */
  stop(): Promise<void>
  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

const OPTIONS = ['passphraseFile', 'encrypt', 'caFile', 'logFile']

/**
 * Starts a gateway before models in this process, on threads of its own: `config`, or the path of a file that says the same.
 * Resolves when it takes connections. It keeps the process alive until it is stopped.
 * Errors: INVALID_CONFIG with what is wrong, also where a directory, file or address cannot be used, or another gateway has it;
 * WRONG_PASSPHRASE. Throws TypeError.
 *
 * @example
 * ```ts
 * const gateway = await startGateway({
 *   data: 'gateway',
 *   trust: [agent.getDID()],
 *   upstreams: { local: { url: 'http://127.0.0.1:11434' } },
 *   models: { llama: { upstreams: ['local'], context: 8192, max_output: 1024 } },
 *   budgets: [{ name: 'daily', per: 'agent', period: 'day', tokens: 100_000 }],
 * })
 * if (gateway.ok) console.log(gateway.value.url)
 * ```
 */
export async function startGateway(
  config: GatewayConfig | string,
  options: GatewayOptions = {},
): Promise<Result<Gateway>> {
  if (typeof config !== 'string') checkObject(config, 'config')
  const args = ['gateway', 'serve', '--json', '--quiet', ...argumentsOf(options)]
  if (typeof config === 'string') return begin([...args, `--config=${resolve(config)}`], '')
  const text = textOf(config)
  if (typeof text !== 'string') return fail(text)
  return begin([...args, '--config=-'], text)
}

function argumentsOf(options: GatewayOptions): string[] {
  checkObject(options, 'options')
  known(options, 'startGateway()', OPTIONS)
  const { passphraseFile, encrypt, caFile, logFile } = options
  // Whoever has meant to protect a key is not taken at less.
  if ('passphraseFile' in options) checkString(passphraseFile, 'passphraseFile')
  if ('encrypt' in options) checkBoolean(encrypt, 'encrypt')
  optional(caFile, checkString, 'caFile')
  optional(logFile, checkString, 'logFile')
  const path = (name: string, file: string | undefined): string[] =>
    file === undefined ? [] : [`--${name}=${resolve(file)}`]
  return [
    ...path('passphrase-file', passphraseFile),
    ...(encrypt === true ? ['--encrypt'] : []),
    ...path('ca', caFile),
    ...path('log', logFile),
  ]
}

interface Piece {
  out: string
  said: string
  exit?: number
}

async function next(command: CommandRef): Promise<Piece> {
  return JSON.parse(await native.nextOutput(command)) as Piece
}

/** Runs the command to its first line, which says that the gateway takes connections, or to its end. */
async function begin(args: string[], input: string): Promise<Result<Gateway>> {
  const command = native.startCommand(args, input)
  let [out, said] = ['', '']
  while (!out.includes('\n')) {
    const piece = await next(command)
    out += piece.out
    said += piece.said
    if (piece.exit !== undefined) return fail(why(said, input))
  }
  const ended = untilItEnds(command)
  const stop = async (): Promise<void> => {
    native.stopCommand(command)
    await ended
  }
  const told = JSON.parse(out) as Omit<Gateway, 'stop' | typeof Symbol.asyncDispose>
  return ok({ ...told, stop, [Symbol.asyncDispose]: stop })
}

/** Waiting for it keeps the process. */
async function untilItEnds(command: CommandRef): Promise<void> {
  while ((await next(command)).exit === undefined);
}

interface Said {
  error: { message: string; hint?: string }
}

/** What the command has said of its end, in words that fit here. */
function why(said: string, input: string): Failure {
  const last = said.trimEnd().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) return failure('INTERNAL', 'the gateway has failed, and does not say why')
  const { message, hint } = (JSON.parse(last) as Said).error
  const option = hint?.replace('--passphrase-file', 'passphraseFile')
  const [, passphrase] = /^WRONG_PASSPHRASE: (.*)$/s.exec(message) ?? []
  if (passphrase !== undefined) return failure('WRONG_PASSPHRASE', passphrase, option)
  return failure('INVALID_CONFIG', input === '' ? message : placeOf(message, input), option)
}
