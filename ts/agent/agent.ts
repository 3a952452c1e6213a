import { onAbort } from './abort'
import { Duty, type HandleOptions, type Post } from './admission'
import { approveWith, type CallDecision } from '../tokens/approval'
import { defaultBus, refOf } from './bus'
import { resultOf, type DeliveryReceipt, type Ended, type Settle } from './calls'
import {
  bounded,
  checkFunction,
  checkList,
  checkNumber,
  checkObject,
  checkSignal,
  checkString,
  known,
  optional,
} from '../check'
import {
  checkLogger,
  nativeOptions,
  type AgentConfig,
  type CallOptions,
  type Handler,
  type Message,
  type xBindIdentityProvider,
} from './config'
import { Draining } from './draining'
import { failure, isFailure, XBindError } from '../errors'
import { keyIn, signWith } from './identity'
import { passphraseIn, readKeyAsync, writeKeyAsync } from './key-file'
import { leave, short, shown, write, type Logger } from './log'
import { native } from '../native'
import type { Failure, KeyRef } from '../native/binding'
import { decode, encode } from '../messages/payload'
import { openPort, type Members, type Port } from './port'
import { presentedText } from '../tokens/presented'
import { checkProvider, didOf, exportFrom } from './provider'
import { Receivers } from './receivers'
import { fail, ok, orThrow, result, type Result } from '../result'
import { delegationOf, grantOf, type TokenRequest } from '../tokens/token'

export type { CallOptions, Handler } from './config'

const FROM_IDENTITY = ['name', 'agentOptions', 'verbose', 'logger', 'handler', 'onHandlerError', 'passphrase']
const CONFIG = [...FROM_IDENTITY.slice(0, -1), 'identityProvider']
const AGENT_OPTIONS = ['bus', 'timeoutMs', 'messageTtlSeconds', 'maxPayloadBytes', 'inbox', 'concurrency']
const CALL_OPTIONS = ['timeoutMs', 'signal', 'token', 'approval']
const SEND_OPTIONS = ['signal']
const RECEIVE_OPTIONS = ['max', 'waitMs', 'signal']
const none = Object.freeze({})

const MAX_TIMEOUT = 0x7fff_ffff
/** How long `await using` lets handlers run. */
const DRAIN_MS = 5000
const abortedFailure = failure('ABORTED', 'the caller gave up')
const closedFailure = failure('AGENT_CLOSED', 'this agent is closed', 'make a new one, or import its identity again')

/** What the port may ask of agents; set by the class, which alone sees into them. */
let members: Members<AutoGenxBindAgent>

interface Extras {
  provider: xBindIdentityProvider | undefined
  /** The key of an Identity that signs for the agent. */
  owned: KeyRef | undefined
  logger: Logger | undefined
  verbose: boolean
  onHandlerError: AgentConfig['onHandlerError']
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
  #draining: Draining | undefined
  #closed = false

  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config: AgentConfig = {}) {
    checkObject(config, 'config')
    known(config, 'AutoGenxBindAgent', CONFIG)
    const { name, agentOptions = {}, verbose = false, logger, identityProvider, handler, onHandlerError } = config
    const { [importedKey]: key } = config as InternalConfig
    optional(name, checkString, 'name')
    checkObject(agentOptions, 'agentOptions')
    known(agentOptions, 'agentOptions', AGENT_OPTIONS)
    const { bus: home, timeoutMs } = agentOptions
    if (typeof verbose !== 'boolean') throw new TypeError('verbose must be a boolean')
    if (logger !== undefined) checkLogger(logger)
    optional(handler, checkFunction, 'handler')
    optional(onHandlerError, checkFunction, 'onHandlerError')
    const duty = handler && new Duty(() => this.#post(), handler, {})
    const owned = keyIn(identityProvider)
    const provider = owned ? undefined : (identityProvider as xBindIdentityProvider | undefined)
    if (provider !== undefined) checkProvider(provider)
    const bus = refOf(home === undefined ? defaultBus() : home)
    const options = nativeOptions(name, agentOptions, handler !== undefined, verbose)
    this.#timeoutMs = bounded(timeoutMs, 30_000, 'timeoutMs', 1, MAX_TIMEOUT)
    this.#longest = options.maxPayloadBytes
    const did = owned ? orThrow(native.keyDid(owned)) : provider && didOf(provider)
    const signer = did ?? key

    this.#port = openPort(members)
    this.#number = orThrow(native.join(this.#port.number, bus, options, signer))
    this.#duty = duty
    this.#port.add(this.#number, this)
    this.#did = orThrow(native.agentDid(this.#port.number, this.#number))
    this.name = name
    const isUsual = !provider && !owned && !logger && !verbose && !onHandlerError
    this.#extras = isUsual ? undefined : { provider, owned, logger, verbose, onHandlerError }
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
  static async fromIdentity(
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
    const key = await readKeyAsync(pkcs8, given)
    if (isFailure(key)) return fail(key)
    try {
      const internal: InternalConfig = { ...own, [importedKey]: key }
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
  async call<T = unknown>(agentName: string, payload: unknown, options: CallOptions = none): Promise<Result<T>> {
    checkString(agentName, 'agentName')
    checkOptions(options, 'call()', CALL_OPTIONS)
    const { timeoutMs = this.#timeoutMs, signal, token, approval } = options
    if (typeof timeoutMs !== 'number') throw new TypeError('timeoutMs must be a number')
    if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT)) {
      return fail(failure('INVALID_CONFIG', `timeoutMs is ${timeoutMs}`, `give 1 to ${MAX_TIMEOUT}`))
    }
    optional(token, checkString, 'token')
    optional(approval, checkString, 'approval')
    const presented = presentedText(token, approval)
    if (isFailure(presented)) return fail(presented)
    return resultOf(await this.#begin(agentName, payload, false, timeoutMs, signal, presented))
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
  async send(
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
    return resultOf(await this.#begin(to, payload, true, this.#timeoutMs, signal))
  }

  #begin(
    to: string,
    payload: unknown,
    oneWay: boolean,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    token?: string,
  ): Ended | Promise<Ended> {
    checkSignal(signal, 'signal')
    const over = this.#over(signal)
    if (over) return { ok: false, failure: over }
    const content = encode(payload, this.#longest)
    const wrong = this.#over(signal) ?? (isFailure(content) ? content : undefined) // encoding runs the payload's own code
    if (wrong) return { ok: false, failure: wrong }
    let settle!: Settle
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    if (this.#extras?.verbose) settle = this.#traced(to, oneWay, settle)
    if (signal) settle = heeding(signal, settle, () => this.#port.calls.abandon(number))
    const body = content as string | Uint8Array
    const number = this.#port.calls.begin(this.#number, to, body, oneWay, timeoutMs, token, settle)
    return ended
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
  async receive<P = unknown>(
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
      if (!(value >= least)) return fail(failure('INVALID_CONFIG', `${what} is ${value}`, `give ${least} or more`))
    }
    checkSignal(signal, 'signal')
    if (signal?.aborted) return fail(abortedFailure)
    return result(await this.#waiting().receive(max, waitMs, signal)) as Result<Message<P>[]>
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

  #take(max: number, listen: boolean): Message[] | Failure {
    const flat = native.receive(this.#port.number, this.#number, max, listen)
    if (isFailure(flat)) return closedFailure
    const messages: Message[] = []
    for (let i = 0; i < flat.length; i += 5) {
      const [oneWay, id, from, seconds, body] = flat.slice(i, i + 5) as [boolean, string, string, number, string]
      const message = toMessage(oneWay ? 'message' : 'call', id, from, seconds, body)
      if (message) messages.push(message)
      else if (this.#extras?.verbose) this.#warn(`message ${id} from ${short(from)} only claims to be JSON`)
    }
    return messages
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
    if (failed) throw new XBindError(failed.code === 'AGENT_CLOSED' ? { ...closedFailure, ...failed } : failed)
    if (this.#isLogged && this.#duty && duty && !this.#duty.isOf(handler))
      this.#warn('another handler has replaced the one that was set')
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
  async grant(request: TokenRequest): Promise<Result<string>> {
    checkObject(request, 'request')
    checkString(request.audience, 'request.audience')
    checkList(request.scopes, 'request.scopes')
    const grant = grantOf(request)
    const key = this.#key()
    if (isFailure(key)) return fail(key)
    return isFailure(grant) ? fail(grant) : result(native.issueToken(key, grant))
  }

  /**
   * Hands on a part of the rights in a token that was issued to this agent. See `delegateToken`.
   * Errors: INVALID_DELEGATION, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, AGENT_CLOSED,
   * SIGN_FAILED.
   */
  async delegate(
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
    if (isFailure(key)) return fail(key)
    return isFailure(grant) ? fail(grant) : result(native.delegateToken(key, token, grant))
  }

  /**
   * Signs a yes or no to one call of another agent. See `approveCall`, and `approvals` for doing so when asked over the bus.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   */
  async decide(request: CallDecision): Promise<Result<string>> {
    const key = this.#key()
    return isFailure(key) ? fail(key) : approveWith(key, request)
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
  async exportIdentity(
    options: {
      /** Encrypts; without it the key stands there plainly. */
      passphrase?: string
    } = {},
  ): Promise<Result<Uint8Array>> {
    const passphrase = passphraseIn(options, 'exportIdentity', ['passphrase'])
    if (this.#closed) return fail(closedFailure)
    const provider = this.#extras?.provider
    if (provider) return await exportFrom(provider, this.#did, passphrase)
    const key = this.#key()
    if (isFailure(key)) return fail(key)
    const exported = (await writeKeyAsync(key, false, passphrase)) as Result<Uint8Array>
    return this.#closed && !exported.ok ? fail(closedFailure) : exported
  }

  /**
   * Leaves the bus: pending calls end with AGENT_CLOSED, the key is wiped. Idempotent. With `drainMs` no new calls come in
   * (callers get AGENT_CLOSED), handlers that run may end and are answered, and may still call others; when they have, or
   * after so many milliseconds, what is left is aborted. Rejects with INVALID_CONFIG.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => agent.close({ drainMs: 10_000 }))
   * ```
   */
  close(): void
  /** Closes when its handlers have ended; resolves then. */
  close(options: {
    /** How long they may take, in milliseconds. */
    drainMs: number
  }): Promise<void>
  close(options?: { drainMs: number }): void | Promise<void> {
    if (options !== undefined) return AutoGenxBindAgent.#drain(this, options)
    if (this.#closed) return
    this.#leave()
    this.#port.close(this.#number)
  }

  /** A function of the class, so that it rejects whatever `this` was. */
  static async #drain(agent: AutoGenxBindAgent, options: { drainMs: number }): Promise<void> {
    checkObject(options, 'options')
    known(options, 'close()', ['drainMs'])
    const { drainMs } = options
    checkNumber(drainMs, 'drainMs')
    const ms = bounded(drainMs, 0, 'drainMs', 0, MAX_TIMEOUT)
    if (agent.#closed) return
    const isFirst = agent.#draining === undefined
    const draining = (agent.#draining ??= new Draining(() => agent.close()))
    draining.within(ms)
    if (isFirst) agent.#port.retire(agent.#number)
    await draining.over
  }

  #leave(): void {
    this.#closed = true
    this.#duty = undefined
    this.#receivers?.close(closedFailure)
    this.#draining?.end()
  }

  /** The same as `close()`, for `using agent = …`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** The same as `close({ drainMs: 5000 })`, for `await using agent = …`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ drainMs: DRAIN_MS })
  }

  #label(): string {
    return this.name ?? short(this.#did)
  }

  /** Whether somebody asked for more than what has to be known. */
  get #isLogged(): boolean {
    return this.#extras !== undefined && (this.#extras.verbose || this.#extras.logger !== undefined)
  }

  #log(level: 'info' | 'warn' | 'error', line: string): void {
    write(this.#extras?.logger, level, `${this.#label()}${line}`)
  }

  #warn(line: string): void {
    this.#log('warn', `: ${line}`)
  }

  #traced(to: string, oneWay: boolean, settle: Settle): Settle {
    const began = performance.now()
    return (ended) => {
      const took = `${(performance.now() - began).toFixed(2)} ms`
      const what = ` → ${short(to)} ${oneWay ? 'send' : 'call'}`
      if (ended.ok) this.#log('info', `${what} ok in ${took}`)
      else this.#log('warn', `${what} ${ended.failure.code} in ${took}`)
      settle(ended)
    }
  }

  #failed(error: unknown, id: string, from: string): void {
    const tell = this.#extras?.onHandlerError
    try {
      if (tell) {
        leave(tell(error, { id, from, method: undefined }))
        return
      }
    } catch {
      this.#warn('onHandlerError threw')
    }
    this.#log('error', `: the handler failed, call ${id} of ${short(from)}\n${shown(error)}`)
  }

  static {
    members = {
      admit(agent, call, body, token) {
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
      idle: (agent) => agent.close(),
      failed: (agent, error, { id, from }) => agent.#failed(error, id, from),
      warn: (agent, line, error) => agent.#warn(error ? `${line}\n${shown(error.thrown)}` : line),
      trace(agent, from, kind, id, outcome) {
        if (!agent.#extras?.verbose) return
        const isBad = outcome?.startsWith('refused') || outcome?.startsWith('failed')
        agent.#log(
          isBad ? 'warn' : 'info',
          ` ← ${short(from)} ${kind} ${id}${outcome === undefined ? '' : ` ${outcome}`}`,
        )
      },
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

function heeding(signal: AbortSignal, settle: Settle, abandon: () => void): Settle {
  const settled: Settle = (ended) => {
    unheed()
    settle(ended)
  }
  const unheed = onAbort(signal, abandon)
  return settled
}
