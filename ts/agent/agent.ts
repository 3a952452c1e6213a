import { onAbort } from './abort'
import { approveWith, type CallDecision } from '../tokens/approval'
import {
  bounded,
  checkBytes,
  checkFunction,
  checkList,
  checkObject,
  checkSignal,
  checkString,
  known,
  optional,
} from '../check'
import { defaultBus, refOf, type MessageBus } from './bus'
import type { Failure, KeyRef, Options } from '../native/binding'
import { failure, isFailure, XBindError } from '../errors'
import { keyIn, signWith, type Identity } from './identity'
import { passphraseIn, readKey, readKeyAsync, writeKeyAsync } from './key-file'
import { Duty, type HandleOptions, type Post } from './admission'
import { short, stderrLogger, type Logger } from './log'
import { native } from '../native'
import { decode, encode } from '../messages/payload'
import { openPort, type DeliveryReceipt, type IncomingCall, type Members, type Port, type Settle } from './port'
import { presentedText } from '../tokens/presented'
import { Receivers } from './receivers'
import { fail, ok, orThrow, result, type Result } from '../result'
import { delegationOf, grantOf, type TokenRequest } from '../tokens/token'

/** What a new agent is told; all of it may be left out. */
export interface AgentConfig {
  /** A label, and an address on the bus: letters, digits, '.', '_', '-', 1 to 64, first and last a letter or digit. */
  name?: string
  /** Where the agent lives, and its bounds. */
  agentOptions?: AgentOptions
  /** One line per message to stderr (or `logger`), DIDs shortened, never a payload or a key. */
  verbose?: boolean
  /** Where the lines of `verbose` go; stderr by default. */
  logger?: Logger
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

/** Answers a call: what it returns is the answer, what it throws is a refusal (see `HandlerError`). */
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
  /** How long the answer may take; the agent's own by default, 30 000. */
  timeoutMs?: number
  /** Gives the call up: the caller gets ABORTED, and the handler sees its own signal abort. */
  signal?: AbortSignal
  /** A token for the agent that is called; it travels beside the call, whose signature covers it. */
  token?: string
  /** An approval of this very call, signed by an approver. */
  approval?: string
}

const CONFIG = ['name', 'agentOptions', 'verbose', 'logger', 'identityProvider']
const FROM_IDENTITY = ['name', 'agentOptions', 'verbose', 'logger', 'passphrase']
const AGENT_OPTIONS = ['bus', 'timeoutMs', 'messageTtlSeconds', 'maxPayloadBytes', 'inbox', 'concurrency']
const INBOX = ['maxMessages', 'maxBytes']
const CALL_OPTIONS = ['timeoutMs', 'signal', 'token', 'approval']
const SEND_OPTIONS = ['signal']
const RECEIVE_OPTIONS = ['max', 'waitMs', 'signal']
const none = Object.freeze({})

const MAX_TIMEOUT = 0x7fff_ffff
const abortedFailure = failure('ABORTED', 'the caller gave up')
const closedFailure = failure('AGENT_CLOSED', 'this agent is closed', 'make a new one, or import its identity again')

/** The native key of an agent, or why it is not here; undefined for what is no agent of this module. */
export let keyOfAgent: (value: unknown) => KeyRef | Failure | undefined

/** What the port may ask of agents; set by the class, which alone sees into them. */
let members: Members<AutoGenxBindAgent>

interface Extras {
  provider: xBindIdentityProvider | undefined
  /** The key of an Identity that signs for the agent. */
  owned: KeyRef | undefined
  logger: Logger | undefined
}

/** How `fromIdentity` hands the constructor a key. */
const importedKey = Symbol('importedKey')
type InternalConfig = AgentConfig & { [importedKey]?: KeyRef }

/**
 * An agent with a cryptographic identity: calls other agents by name or DID, every message signed and verified.
 *
 * @example
 * ```ts
 * const researcher = new AutoGenxBindAgent({ name: 'researcher' })
 * const writer = new AutoGenxBindAgent({ name: 'writer' }).handle(({ payload }) => `about ${payload}`)
 * const answer = await researcher.call<string>('writer', 'identity')
 * if (answer.ok) console.log(answer.value) // about identity
 * ```
 */
export class AutoGenxBindAgent {
  /** Its label, as it was made with: it finds the agent and proves nothing. */
  readonly name: string | undefined
  readonly #port: Port<AutoGenxBindAgent>
  readonly #number: number
  readonly #did: string
  readonly #timeoutMs: number
  /** Bytes of a payload. */
  readonly #longest: number
  /** None for most agents; kept together so that an idle agent stays small. */
  readonly #extras: Extras | undefined
  #duty: Duty | undefined
  #receivers: Receivers<Message> | undefined
  #closed = false

  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config: AgentConfig = {}) {
    checkObject(config, 'config')
    known(config, 'AutoGenxBindAgent', CONFIG)
    const { name, agentOptions = {}, verbose = false, logger, identityProvider } = config
    const { [importedKey]: key } = config as InternalConfig
    optional(name, checkString, 'name')
    checkObject(agentOptions, 'agentOptions')
    known(agentOptions, 'agentOptions', AGENT_OPTIONS)
    const { bus: home, timeoutMs } = agentOptions
    if (typeof verbose !== 'boolean') throw new TypeError('verbose must be a boolean')
    if (logger !== undefined) checkLogger(logger)
    const owned = keyIn(identityProvider)
    const provider = owned ? undefined : (identityProvider as xBindIdentityProvider | undefined)
    if (provider !== undefined) checkProvider(provider)
    const bus = refOf(home === undefined ? defaultBus() : home)
    const options = nativeOptions(name, agentOptions)
    this.#timeoutMs = bounded(timeoutMs, 30_000, 'timeoutMs', 1, MAX_TIMEOUT)
    this.#longest = options.maxPayloadBytes
    const did = owned ? orThrow(native.keyDid(owned)) : provider && didOf(provider)
    const signer = did ?? key

    this.#port = openPort(members)
    this.#number = orThrow(native.join(this.#port.number, bus, options, signer))
    this.#port.add(this.#number, this)
    this.#did = orThrow(native.agentDid(this.#port.number, this.#number))
    this.name = name
    const log = logger ?? (verbose ? stderrLogger : undefined)
    this.#extras = provider || owned || log ? { provider, owned, logger: verbose ? log : undefined } : undefined
  }

  /**
   * An agent with an exported identity: PKCS#8, DER or PEM, plain or encrypted.
   * Errors: IMPORT_FAILED, WRONG_PASSPHRASE, and those of the constructor.
   *
   * @example
   * ```ts
   * const restored = await AutoGenxBindAgent.fromIdentity(await readFile('agent.key'), { passphrase })
   * if (!restored.ok) throw restored.error
   * ```
   */
  static fromIdentity(
    pkcs8: Uint8Array | string,
    config: Omit<AgentConfig, 'identityProvider'> & {
      /** Of an encrypted file. */
      passphrase?: string
    } = {},
  ): Promise<Result<AutoGenxBindAgent>> {
    const given = passphraseIn(config, 'fromIdentity', FROM_IDENTITY)
    // As it is now, whatever the caller does with it while the passphrase is worked on.
    const { passphrase: _, agentOptions: options, ...rest } = config as InternalConfig & { passphrase?: string }
    const isPlain = Object.prototype.toString.call(options) === '[object Object]'
    const own = (
      'agentOptions' in config ? { ...rest, agentOptions: isPlain ? { ...options } : options } : rest
    ) as AgentConfig
    if (given === undefined) return Promise.resolve(AutoGenxBindAgent.#with(readKey(pkcs8, undefined), own))
    return readKeyAsync(pkcs8, given).then((key) => AutoGenxBindAgent.#with(key, own))
  }

  static #with(key: KeyRef | Failure, config: AgentConfig): Result<AutoGenxBindAgent> {
    if (isFailure(key)) return fail(key)
    try {
      const internal: InternalConfig = { ...config, [importedKey]: key }
      return ok(new AutoGenxBindAgent(internal))
    } catch (error) {
      native.destroyKey(key)
      if (error instanceof XBindError) return { ok: false, error }
      throw error
    }
  }

  /** Who it is: `did:key:z6Mk…`, which spells the public key. */
  getDID(): string {
    return this.#did
  }

  /**
   * Asks another agent, by name or DID. The request and the reply are signed, and both are verified.
   * An agent without a handler gets the call in its inbox and answers with a signed DeliveryReceipt.
   * Errors: docs/errors.md, addressing, messages, delivery and rights; INVALID_DID, SIGN_FAILED, INVALID_CONFIG.
   *
   * @example
   * ```ts
   * const answer = await agent.call<{ summary: string }>('writer', { topic: 'identity' }, { timeoutMs: 5000 })
   * console.log(answer.ok ? answer.value.summary : answer.error.code)
   * ```
   */
  call<T = unknown>(agentName: string, payload: unknown, options: CallOptions = none): Promise<Result<T>> {
    checkString(agentName, 'agentName')
    checkOptions(options, 'call()', CALL_OPTIONS)
    const { timeoutMs = this.#timeoutMs, signal, token, approval } = options
    if (typeof timeoutMs !== 'number') throw new TypeError('timeoutMs must be a number')
    if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT)) {
      return Promise.resolve(fail(failure('INVALID_CONFIG', `timeoutMs is ${timeoutMs}`, `give 1 to ${MAX_TIMEOUT}`)))
    }
    optional(token, checkString, 'token')
    optional(approval, checkString, 'approval')
    const presented = presentedText(token, approval)
    if (isFailure(presented)) return Promise.resolve(fail(presented))
    return this.#begin<T>(agentName, payload, false, timeoutMs, signal, presented)
  }

  /**
   * One-way; resolves when the message stands in the recipient's inbox, which the recipient has signed for.
   * Errors: docs/errors.md, addressing, messages and delivery; INVALID_DID, SIGN_FAILED, REVOKED.
   *
   * @example
   * ```ts
   * const sent = await agent.send('writer', 'the sources are in')
   * if (!sent.ok && sent.error.retryable) console.log('later, then')
   * ```
   */
  send(
    to: string,
    payload: unknown,
    options: {
      /** Gives the message up. */
      signal?: AbortSignal
    } = none,
  ): Promise<Result<DeliveryReceipt>> {
    checkString(to, 'to')
    checkOptions(options, 'send()', SEND_OPTIONS)
    const { signal } = options
    return this.#begin<DeliveryReceipt>(to, payload, true, this.#timeoutMs, signal)
  }

  #begin<T>(
    to: string,
    payload: unknown,
    oneWay: boolean,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    token?: string,
  ): Promise<Result<T>> {
    checkSignal(signal, 'signal')
    const over = this.#over(signal)
    if (over) return Promise.resolve(fail(over))
    const content = encode(payload, this.#longest)
    const wrong = this.#over(signal) ?? (isFailure(content) ? content : undefined) // encoding runs the payload's own code
    if (wrong) return Promise.resolve(fail(wrong))
    let settle!: Settle
    const settled = new Promise<Result<T>>((resolve) => (settle = resolve as Settle))
    const logger = this.#extras?.logger
    if (logger) settle = logged(logger, this.#label(), to, oneWay, settle)
    if (signal) settle = heeding(signal, settle, () => this.#port.abandon(number))
    const body = content as string | Uint8Array
    const number = this.#port.begin(this.#number, to, body, oneWay, timeoutMs, token, settle)
    return settled
  }

  /** Why nothing begins any more. */
  #over(signal: AbortSignal | undefined): Failure | undefined {
    if (this.#closed) return closedFailure
    return signal?.aborted ? abortedFailure : undefined
  }

  /**
   * Drains the inbox, oldest first. With waitMs, waits for the first message at most so long.
   * Errors: AGENT_CLOSED, ABORTED, INVALID_CONFIG.
   *
   * @example
   * ```ts
   * const inbox = await agent.receive<string>({ max: 10, waitMs: 1000 })
   * if (inbox.ok) for (const { from, payload } of inbox.value) console.log(from, payload)
   * ```
   */
  receive<P = unknown>(
    options: {
      /** At most so many; all by default. */
      max?: number
      /** How long to wait for the first message; default 0, which takes what is there. */
      waitMs?: number
      /** Ends the waiting with ABORTED. */
      signal?: AbortSignal
    } = none,
  ): Promise<Result<Message<P>[]>> {
    checkOptions(options, 'receive()', RECEIVE_OPTIONS)
    const { max = Number.MAX_SAFE_INTEGER, waitMs = 0, signal } = options
    for (const [what, value, least] of [
      ['max', max, 1],
      ['waitMs', waitMs, 0],
    ] as const) {
      if (typeof value !== 'number') throw new TypeError(`${what} must be a number`)
      if (!(value >= least)) {
        return Promise.resolve(fail(failure('INVALID_CONFIG', `${what} is ${value}`, `give ${least} or more`)))
      }
    }
    checkSignal(signal, 'signal')
    if (signal?.aborted) return Promise.resolve(fail(abortedFailure))
    return this.#waiting().receive(max, waitMs, signal) as Promise<Result<Message<P>[]>>
  }

  /**
   * The inbox, one message after the other, until the agent closes. Waiting for the next one keeps no process alive.
   *
   * @example
   * ```ts
   * for await (const { from, payload } of agent.messages<string>()) console.log(from, payload)
   * ```
   */
  messages<P = unknown>(): AsyncIterableIterator<Message<P>> {
    return this.#waiting().iterate() as AsyncIterableIterator<Message<P>>
  }

  #waiting(): Receivers<Message> {
    return (this.#receivers ??= new Receivers((max, listen) => this.#take(max, listen)))
  }

  #take(max: number, listen: boolean): Result<Message[]> {
    const flat = native.receive(this.#port.number, this.#number, max, listen)
    if (isFailure(flat)) return fail(closedFailure)
    const messages: Message[] = []
    for (let i = 0; i < flat.length; i += 5) {
      const [oneWay, id, from, seconds, body] = flat.slice(i, i + 5) as [boolean, string, string, number, string]
      const message = toMessage(oneWay ? 'message' : 'call', id, from, seconds, body)
      if (message) messages.push(message)
      else this.#note(`message ${id} from ${short(from)} only claims to be JSON`)
    }
    return ok(messages)
  }

  /**
   * Answers calls; null sends them to the inbox again. The options say who may call, and with which rights.
   * Throws XBindError: INVALID_DID, INVALID_CONFIG, INVALID_KEY (a JWK set), AGENT_CLOSED.
   *
   * @example
   * ```ts
   * agent.handle<{ topic: string }>(({ from, payload }) => ({ summary: payload.topic, askedBy: from }), {
   *   allow: [friend.did],
   * })
   * ```
   */
  handle<P = unknown, R = unknown>(handler: Handler<P, R> | null, options: HandleOptions = {}): this {
    if (handler !== null) checkFunction(handler, 'handler')
    checkObject(options, 'options')
    const policy = new Duty(() => this.#post(), (handler ?? nobody) as Handler, options) // without a handler, they are checked as well
    const duty = handler === null ? undefined : policy
    const failed = native.handle(this.#port.number, this.#number, duty !== undefined, duty?.only)
    if (failed) throw new XBindError(failed)
    this.#duty = duty
    this.#port.schedule()
    return this
  }

  #post(): Post {
    return {
      did: this.#did,
      call: (to, payload, options) => this.call(to, payload, options),
      useOnce: (approver, id, until) =>
        native.useApproval(this.#port.number, this.#number, approver, id, until) === null,
    }
  }

  #key(): KeyRef | Failure {
    return this.#closed ? closedFailure : (this.#extras?.owned ?? native.agentKey(this.#port.number, this.#number))
  }

  /**
   * Grants scopes with this agent's key: a token that agents which trust this one's DID accept. See `issueToken`.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED (the key is with an identity provider).
   *
   * @example
   * ```ts
   * const token = await agent.grant({ subject: friend.did, audience: agent.getDID(), scopes: ['reports:write'] })
   * ```
   */
  grant(request: TokenRequest): Promise<Result<string>> {
    checkObject(request, 'request')
    checkString(request.audience, 'request.audience')
    checkList(request.scopes, 'request.scopes')
    const grant = grantOf(request)
    const key = this.#key()
    if (isFailure(key)) return Promise.resolve(fail(key))
    return Promise.resolve(isFailure(grant) ? fail(grant) : result(native.issueToken(key, grant)))
  }

  /**
   * Hands on a part of the rights in a token that was issued to this agent. See `delegateToken`.
   * Errors: INVALID_DELEGATION, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, AGENT_CLOSED,
   * SIGN_FAILED.
   */
  delegate(
    token: string,
    request: Partial<TokenRequest> & {
      /** The DID that may use what is handed on. */
      subject: string
    },
  ): Promise<Result<string>> {
    checkString(token, 'token')
    checkObject(request, 'request')
    optional(request.audience, checkString, 'request.audience')
    optional(request.scopes, checkList, 'request.scopes')
    const grant = delegationOf(request)
    const key = this.#key()
    if (isFailure(key)) return Promise.resolve(fail(key))
    return Promise.resolve(isFailure(grant) ? fail(grant) : result(native.delegateToken(key, token, grant)))
  }

  /**
   * Signs a yes or no to one call of another agent. See `approveCall`, and `approvals` for doing so when asked over the bus.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   */
  decide(request: CallDecision): Promise<Result<string>> {
    const key = this.#key()
    return Promise.resolve(isFailure(key) ? fail(key) : approveWith(key, request))
  }

  /**
   * The private key as PKCS#8 version 1 DER; with a passphrase encrypted, which another thread works on.
   * Errors: EXPORT_FAILED, AGENT_CLOSED (also if it is closed meanwhile).
   *
   * @example
   * ```ts
   * const exported = await agent.exportIdentity({ passphrase })
   * if (exported.ok) await writeFile('agent.key', exported.value, { mode: 0o600 })
   * ```
   */
  exportIdentity(
    options: {
      /** Encrypts; without it the key stands there plainly. */
      passphrase?: string
    } = {},
  ): Promise<Result<Uint8Array>> {
    return this.#export(passphraseIn(options, 'exportIdentity', ['passphrase']))
  }

  async #export(passphrase: string | undefined): Promise<Result<Uint8Array>> {
    if (this.#closed) return fail(closedFailure)
    const provider = this.#extras?.provider
    if (provider) return exportFrom(provider, this.#did, passphrase)
    const key = this.#key()
    if (isFailure(key)) return fail(key)
    const exported = (await writeKeyAsync(key, false, passphrase)) as Result<Uint8Array>
    return this.#closed && !exported.ok ? fail(closedFailure) : exported
  }

  /** Leaves the bus: pending calls end with AGENT_CLOSED, the key is wiped. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#leave()
    this.#port.close(this.#number)
  }

  #leave(): void {
    this.#closed = true
    this.#duty = undefined
    this.#receivers?.close(closedFailure)
  }

  /** The same as `close()`, for `using agent = …`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #label(): string {
    return this.name ?? short(this.#did)
  }

  #note(line: string): void {
    const logger = this.#extras?.logger
    if (logger) write(logger, 'warn', `${this.#label()}: ${line}`)
  }

  static {
    keyOfAgent = (value) => (typeof value === 'object' && value !== null && #closed in value ? value.#key() : undefined)
    members = {
      admit(agent, call, body, token) {
        const logger = agent.#extras?.logger
        if (logger) write(logger, 'info', `${agent.#label()} ← ${short(call.from)} call ${call.id}`)
        const duty = agent.#duty
        return duty?.admit(call, body, token, () => agent.#duty === duty)
      },
      arrived: (agent) => agent.#receivers?.arrived(),
      sign: (agent, bytes) => {
        const { provider, owned } = agent.#extras ?? {}
        return owned ? signWith(owned, bytes, true) : provider?.sign(bytes)
      },
      longest: (agent) => agent.#longest,
      closed: (agent) => agent.#leave(),
      note: (agent, line) => agent.#note(line),
    }
  }
}

const nobody: Handler = () => undefined

function toMessage(
  kind: Message['kind'],
  id: string,
  from: string,
  seconds: number,
  body: string,
): Message | undefined {
  try {
    return { id, kind, from, payload: decode(body), issuedAt: new Date(seconds * 1000) }
  } catch {
    return undefined
  }
}

function checkOptions(options: object, what: string, names: readonly string[]): void {
  if (options === none) return // most calls have none
  checkObject(options, 'options')
  known(options, what, names)
}

function nativeOptions(name: string | undefined, options: AgentOptions): Options {
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
  }
}

function checkLogger(logger: Logger): void {
  checkObject(logger, 'logger')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) checkFunction(logger[level], `logger.${level}`)
}

function checkProvider(provider: xBindIdentityProvider): void {
  checkObject(provider, 'identityProvider')
  checkFunction(provider.getDID, 'identityProvider.getDID')
  checkFunction(provider.sign, 'identityProvider.sign')
  optional(provider.exportPKCS8, checkFunction, 'identityProvider.exportPKCS8')
}

function didOf(provider: xBindIdentityProvider): string {
  const did = provider.getDID()
  checkString(did, 'identityProvider.getDID()')
  return did
}

/** A provider's key, if it lets it out: only the key of its DID, encrypted here where a passphrase is given. */
async function exportFrom(
  provider: xBindIdentityProvider,
  did: string,
  passphrase: string | undefined,
): Promise<Result<Uint8Array>> {
  if (!provider.exportPKCS8) {
    return fail(
      failure('EXPORT_FAILED', 'the identity provider does not export its key', 'ask the system that keeps it'),
    )
  }
  let bytes: Uint8Array
  try {
    bytes = await provider.exportPKCS8()
    checkBytes(bytes, 'exportPKCS8()')
  } catch {
    return fail(failure('EXPORT_FAILED', 'the identity provider failed to export its key'))
  }
  const key = readKey(bytes, undefined)
  try {
    if (isFailure(key) || native.keyDid(key) !== did) {
      return fail(failure('EXPORT_FAILED', 'the identity provider exported another key than that of its DID'))
    }
    return (await writeKeyAsync(key, false, passphrase)) as Result<Uint8Array>
  } finally {
    if (!isFailure(key)) native.destroyKey(key)
  }
}

function heeding(signal: AbortSignal, settle: Settle, abandon: () => void): Settle {
  const settled: Settle = (result) => {
    unheed()
    settle(result)
  }
  const unheed = onAbort(signal, abandon)
  return settled
}

function logged(logger: Logger, from: string, to: string, oneWay: boolean, resolve: Settle): Settle {
  const began = performance.now()
  return (result) => {
    const took = `${(performance.now() - began).toFixed(2)} ms`
    const what = `${from} → ${short(to)} ${oneWay ? 'send' : 'call'}`
    if (result.ok) write(logger, 'info', `${what} ok in ${took}`)
    else write(logger, 'warn', `${what} ${result.error.code} in ${took}`)
    resolve(result)
  }
}

/** A logger that throws loses its line, not the message. */
function write(logger: Logger, level: 'info' | 'warn', line: string): void {
  try {
    logger[level](`[xbind] ${line}`)
  } catch {
    // nobody to tell
  }
}
