import { auditIn, type AuditLog } from './audit'
import type { Identity } from './identity'
import type { IncomingCall } from './incoming'
import type { Logger } from './log'
import type { MessageBus } from './bus'
import type { Progress } from './progress'
import type { RegistryAddress } from './registry'
import type { KeyRef, Options } from '../native/binding'
import { passphraseIn, readKeyAsync } from './key-file'
import { native } from '../native'
import { isFailure, XBindError } from '../errors'
import { fail, ok, type Result } from '../result'
import { bounded, checkFunction, checkObject, checkString, known, optional } from '../check'

/** What a new agent is told; all of it may be left out. */
export interface AgentConfig {
  /** A label, and an address on the bus: letters, digits, '.', '_', '-', 1 to 64, first and last a letter or digit. */
  name?: string
  /** Where the agent lives, and its bounds. */
  agentOptions?: AgentOptions
  /**
   * Where the agent puts on record what it decides about calls, its bus's log by default: see `openAuditLog`. What cannot be recorded
   * is not done: callers get AUDIT_FAILED.
   */
  audit?: AuditLog
  /** The agent goes on where nothing can be recorded: what it does then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean
  /** One line more in the log for each message that goes out or comes in, DIDs shortened, never a payload or a key. */
  verbose?: boolean
  /** Where the log goes, stderr by default: handlers that fail, and what else the owner has to know. */
  logger?: Logger
  /**
   * Answers calls from the start, so that none comes before the agent can answer: everybody's, until `handle()` sets another
   * handler, or a policy. Its payload is of the type that it expects, which nobody has checked.
   */
  handler?: {
    /** A method, so that its payload may be of any type. */
    answer(call: IncomingCall): unknown
  }['answer']
  /**
   * Told of what a handler, or a function of its policy, throws, and of answers that cannot be sent; the caller is told
   * nothing of it but HANDLER_FAILED. Printed to the log by default, with its stack. A `HandlerError` is an answer, not a failure.
   * It may be asynchronous; where it fails itself, the log has what it threw, and what it was told.
   */
  onHandlerError?: (
    error: unknown,
    call: {
      /** Unique for its caller. */
      readonly id: string
      /** The caller's DID, proven by its signature. */
      readonly from: string
      /** The method asked for, if the caller named one. */
      readonly method: string | undefined
    },
  ) => void
  /** Signs with a key that is not the agent's own. An `Identity` stays its owner's: the agent can sign until it is destroyed. */
  identityProvider?: xBindIdentityProvider | Identity
}

/** Where an agent lives, and its bounds. */
export interface AgentOptions {
  /** Where the agent lives; the module's own bus by default. */
  bus?: MessageBus
  /** Of a call, default 30 000. */
  timeoutMs?: number
  /** Default 5; at most what the bus accepts, 30 unless it was made with `maxLifetimeSeconds`. */
  messageTtlSeconds?: number
  /** Default 1 MiB. */
  maxPayloadBytes?: number
  /**
   * Room for messages of one sender and its calls that wait for the handler, together; a third more is kept for other
   * senders. Beyond it messages are refused with INBOX_FULL, and calls wait with their sender until their time is over.
   */
  inbox?: {
    /** Default 1024. */
    maxMessages?: number
    /** Default 16 MiB. */
    maxBytes?: number
  }
  /** Calls handled at once; more wait. Default 64. */
  concurrency?: number
  /** Where it is reached from other processes: URLs, which its card names, for others to call it by its card. None by default. */
  addresses?: readonly string[]
  /**
   * The authority of the agent's operator: `register` and `requestToken` ask it, and names that nobody on the bus has are looked
   * up there. None by default.
   */
  registry?: RegistryAddress
}

/**
 * Keys that live elsewhere: a KMS, Vault transit, an HSM, the OS keychain.
 *
 * @example
 * ```ts
 * const keystore: xBindIdentityProvider = {
 *   getDID: () => friend.did,
 *   sign: (data) => friend.dangerouslySign(data), // stands for a KMS, which may take its time
 * }
 * const signer = new AutoGenxBindAgent({ identityProvider: keystore })
 * ```
 */
export interface xBindIdentityProvider {
  /** The `did:key` of the key; asked once, when the agent is made. */
  getDID(): string
  /** 64-byte Ed25519 signature by the key of getDID(); checked before anything leaves. */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Absent: exportIdentity() answers EXPORT_FAILED. */
  exportPKCS8?(): Uint8Array | Promise<Uint8Array>
}

/**
 * Answers a call: what it returns is the answer, what it throws is a refusal (see `HandlerError`). An async generator, or whatever
 * gives an AsyncIterable or a ReadableStream, answers in parts: see `stream`.
 */
export type Handler<P = unknown, R = unknown> = (call: IncomingCall<P>) => R | Promise<R>

/** What stands in an inbox: a message, or a call that nobody answered. */
export interface Message<P = unknown> {
  /** Unique for its sender. */
  readonly id: string
  /** `message` for what was sent, `call` for a call that came while there was no handler. */
  readonly kind: 'message' | 'call'
  /** The sender's DID, proven by its signature. */
  readonly from: string
  /** What the sender sent; of the type that you expect, which nobody has checked. */
  readonly payload: P
  /** When the sender signed it, by its clock, to the second. */
  readonly issuedAt: Date
}

/** How long to wait for the answer, and what to present with the call. */
export interface CallOptions {
  /**
   * How long the other side may be silent; the agent's own by default, 30 000. Whatever it says of the call, with `progress` or by
   * sending a part, starts the time anew.
   */
  timeoutMs?: number
  /** How long the call may take in all, whatever the other side says: default 600 000, or `timeoutMs` if that is more. */
  maxTotalTimeoutMs?: number
  /**
   * The call may run twice without harm: where its connection is lost, or the other process has restarted, it is made again,
   * three times at most. Default false: then such a call fails, and `error.handled` says `unknown`.
   */
  idempotent?: boolean
  /** Told while the other side works, or waits for an approval. What it throws goes to the log. */
  onProgress?: (progress: Progress) => void
  /** Gives the call up: the caller gets ABORTED, and the handler sees its own signal abort. */
  signal?: AbortSignal
  /** A token for the agent that is called; it travels beside the call, whose signature covers it. */
  token?: string
  /** An approval of this very call, signed by an approver. */
  approval?: string
  /** Which of the other agent's methods is asked for: 1 to 128 of `A-Z a-z 0-9 _ . -`. */
  method?: string
  /** Where the call belongs in a trace: a `traceparent` of W3C Trace Context. */
  traceparent?: string
  /** Also gives the call and its answer themselves, to be shown to others: see `CallReceipt`. Default false. */
  receipt?: boolean
}

/** A call of a method. */
export type WithMethod = CallOptions & {
  /** The method asked for: such a call gets no delivery receipt. */
  method: string
}

/** A call that is shown to others. */
export type WithReceipt = CallOptions & {
  /** The call and its answer themselves are given with it. */
  receipt: true
}

/** The options of `stream`. */
export type StreamOptions = Omit<CallOptions, 'receipt'>

/** The options of `fromIdentity`. */
const FROM_IDENTITY = [
  'name',
  'agentOptions',
  'verbose',
  'logger',
  'handler',
  'onHandlerError',
  'audit',
  'dangerouslyContinueUnrecorded',
  'passphrase',
]
const CONFIG = [...FROM_IDENTITY.slice(0, -1), 'identityProvider']
const AGENT_OPTIONS = [
  'bus',
  'timeoutMs',
  'messageTtlSeconds',
  'maxPayloadBytes',
  'inbox',
  'concurrency',
  'addresses',
  'registry',
]

/** A config, each of whose members was read once. */
export type ReadConfig = Omit<
  { [member in keyof AgentConfig]-?: AgentConfig[member] | undefined },
  'audit' | 'dangerouslyContinueUnrecorded'
> & {
  recording: ReturnType<typeof auditIn>
  agentOptions: AgentOptions
  verbose: boolean
  /** Of an imported identity. */
  key: KeyRef | undefined
}

/** How `fromIdentity` hands the constructor a key. */
const importedKey = Symbol('importedKey')

/** What is made with an exported identity. */
export async function imported<Agent>(
  pkcs8: Uint8Array | string,
  config: Omit<AgentConfig, 'identityProvider'> & { passphrase?: string },
  make: (config: AgentConfig) => Agent,
): Promise<Result<Agent>> {
  const given = passphraseIn(config, 'fromIdentity', FROM_IDENTITY)
  const own = copied(config) // as it is now, whatever the caller does with it while the passphrase is worked on
  const key = await readKeyAsync(pkcs8, given)
  if (isFailure(key)) return fail(key)
  try {
    return ok(make({ ...own, [importedKey]: key } as AgentConfig))
  } catch (error) {
    native.destroyKey(key)
    if (error instanceof XBindError) return { ok: false, error }
    throw error
  }
}

export function configIn(config: AgentConfig): ReadConfig {
  checkObject(config, 'config')
  known(config, 'AutoGenxBindAgent', CONFIG)
  const { name, agentOptions = {}, verbose = false, logger, identityProvider, handler, onHandlerError } = config
  const { audit, dangerouslyContinueUnrecorded } = config
  const recording = auditIn(audit, dangerouslyContinueUnrecorded)
  optional(name, checkString, 'name')
  checkObject(agentOptions, 'agentOptions')
  known(agentOptions, 'agentOptions', AGENT_OPTIONS)
  if (typeof verbose !== 'boolean') throw new TypeError('verbose must be a boolean')
  if (logger !== undefined) checkLogger(logger)
  optional(handler, checkFunction, 'handler')
  optional(onHandlerError, checkFunction, 'onHandlerError')
  const { [importedKey]: key } = config as { [importedKey]?: KeyRef }
  return { name, agentOptions, verbose, logger, identityProvider, handler, onHandlerError, recording, key }
}

/** A copy of the options of `fromIdentity`, without the passphrase. */
function copied(config: AgentConfig & { passphrase?: string }): AgentConfig {
  const { passphrase: _, agentOptions: options, ...rest } = config
  const isPlain = Object.prototype.toString.call(options) === '[object Object]'
  if (!('agentOptions' in config)) return rest
  return { ...rest, agentOptions: isPlain ? { ...options } : options } as AgentConfig
}

const INBOX = ['maxMessages', 'maxBytes']

/** The options as the native side takes them. */
export function nativeOptions(
  name: string | undefined,
  options: AgentOptions,
  handles: boolean,
  tells: boolean,
): Options {
  const { inbox = {} } = options
  checkObject(inbox, 'inbox')
  known(inbox, 'inbox', INBOX)
  return {
    name,
    maxPayloadBytes: bounded(options.maxPayloadBytes, 1 << 20, 'maxPayloadBytes', 1, 0x7fff_ffff),
    messageTtl: bounded(options.messageTtlSeconds, 5, 'messageTtlSeconds', 1, 300),
    inboxMessages: bounded(inbox.maxMessages, 1024, 'inbox.maxMessages', 1, 0x7fff_ffff),
    inboxBytes: bounded(inbox.maxBytes, 16 << 20, 'inbox.maxBytes', 1, Number.MAX_SAFE_INTEGER),
    concurrency: bounded(options.concurrency, 64, 'concurrency', 1, 0x7fff_ffff),
    handles,
    tells,
  }
}

function checkLogger(logger: Logger): void {
  checkObject(logger, 'logger')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) checkFunction(logger[level], `logger.${level}`)
}
