import { AsyncLocalStorage } from 'node:async_hooks'
import { approveWith, type CallDecision } from '../tokens/approval'
import { defaultBus, refOf } from './bus'
import { cardIn, CardKeeper, type AgentCard } from './card'
import { callChannel, joinChannel, leaveChannel, type CallSeen } from './channels'
import {
  heeding,
  resultOf,
  type Asking,
  type CallReceipt,
  type DeliveryReceipt,
  type Ended,
  type Hearing,
  type Receipted,
  type Settle,
} from './calls'
import { gaveUp } from './abort'
import { bounded, checkSignal, checkString } from '../check'
import {
  configIn,
  copied,
  FROM_IDENTITY,
  nativeOptions,
  type AgentConfig,
  type CallOptions,
  type Handler,
  type Message,
  type StreamOptions,
  type xBindIdentityProvider,
} from './config'
import { Draining } from './draining'
import { failure, isFailure, XBindError } from '../errors'
import { Guard, type HandleOptions } from './guard'
import { keyIn, signWith } from './identity'
import { Journal, type Wishes } from './journal'
import { passphraseIn, readKeyAsync, writeKeyAsync } from './key-file'
import { short } from './log'
import { lettersIn } from './letters'
import { DESCRIBE, Offers, type MethodOptions } from './methods'
import { native } from '../native'
import type { Failure, KeyRef } from '../native/binding'
import {
  callOptionsIn,
  checkOptions,
  drainMsIn,
  MAX_TIMEOUT,
  none,
  PEER_OPTIONS,
  receiveOptionsIn,
  streamOptionsIn,
  type Wanted,
} from './options'
import { peerOf, type Peer, type PeerOptions } from './peer'
import { encode } from '../messages/payload'
import { openPort, type Members, type Port } from './port'
import { checkProvider, didOf, exportFrom, Signing } from './provider'
import type { Progress } from './progress'
import { Receivers } from './receivers'
import { streamOf, type AnswerStream } from './stream'
import { fail, ok, orThrow, result, type Result } from '../result'
import { delegateWith, grantWith, type TokenRequest } from '../tokens/token'

export type { CallOptions, Handler } from './config'

/** How long `await using` lets handlers run. */
const DRAIN_MS = 5000
const closedFailure = failure('AGENT_CLOSED', 'this agent is closed', 'make a new one, or import its identity again')

/** Whether a value is an agent of this module. */
export let isAgent: (value: unknown) => value is AutoGenxBindAgent

/** Tells an agent's owner something. */
export let warnOf: (agent: AutoGenxBindAgent, line: string) => void

/** The native key of an agent, or why it is not here; undefined for what is no agent of this module. */
export let keyOfAgent: (value: unknown) => KeyRef | Failure | undefined

/** What the port may ask of agents; set by the class, which alone sees into them. */
let members: Members<AutoGenxBindAgent>

interface Extras extends Wishes {
  readonly provider: xBindIdentityProvider | undefined
  /** The key of an Identity that signs for the agent. */
  readonly owned: KeyRef | undefined
  /** Where the key is not the agent's own. */
  readonly signing: Signing | undefined
}

/** How a call or message is to be made, and by whose leave. */
type Begun = Asking & Partial<Pick<Wanted, 'signal' | 'onProgress'>>

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
 * const answer = await researcher.call('writer', 'identity')
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
  #offers: Offers | undefined
  #card: CardKeeper | undefined
  #receivers: Receivers<Message> | undefined
  #draining: Draining | undefined
  #closed = false

  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config: AgentConfig = {}) {
    const { name, agentOptions, verbose, logger, identityProvider, handler, onHandlerError, recording } =
      configIn(config)
    const { [importedKey]: key } = config as InternalConfig
    const { bus: home, timeoutMs } = agentOptions
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
    this.#number = orThrow(native.join(this.#port.number, bus, options, signer, recording.log, recording.unrecorded))
    this.#port.add(this.#number, this)
    this.#did = orThrow(native.agentDid(this.#port.number, this.#number))
    this.name = name
    if (handler) this.#offers = this.#nothing().with(handler, undefined)
    const isUsual = !provider && !owned && !logger && !verbose && !onHandlerError
    const signing = provider || owned ? new Signing() : undefined
    this.#extras = isUsual ? undefined : { provider, owned, signing, logger, verbose, onHandlerError }
    if (joinChannel.hasSubscribers) joinChannel.publish({ agent: this.#did, name })
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
    const own = copied(config) // as it is now, whatever the caller does with it while the passphrase is worked on
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
   * An agent without a handler gets the call in its inbox and answers with a signed DeliveryReceipt, which `isReceipt` tells
   * from an answer; a call that names a method gets none. The type `T` is what you expect, and nobody has checked it.
   * Errors: docs/errors.md, addressing, messages, delivery and rights; INVALID_DID, SIGN_FAILED, INVALID_CONFIG.
   *
   * @example
   * ```ts
   * const answer = await agent.call<{ summary: string }>('writer', { topic: 'identity' }, { method: 'summarise' })
   * console.log(answer.ok ? answer.value.summary : answer.error.code)
   * ```
   */
  call<T = unknown>(
    agentName: string,
    payload: unknown,
    options: CallOptions & {
      /** The method asked for: such a call gets no delivery receipt. */
      method: string
      /** The call and its answer themselves are given with it. */
      receipt: true
    },
  ): Promise<Receipted<T>>
  /** The same without a method: what comes may be a delivery receipt. */
  call<T = unknown>(
    agentName: string,
    payload: unknown,
    options: CallOptions & {
      /** The call and its answer themselves are given with it. */
      receipt: true
    },
  ): Promise<Receipted<T | DeliveryReceipt>>
  /** The same without the messages themselves. */
  call<T = unknown>(
    agentName: string,
    payload: unknown,
    options: CallOptions & {
      /** The method asked for: such a call gets no receipt. */
      method: string
    },
  ): Promise<Result<T>>
  /** The same without a method: what comes may be a receipt. */
  call<T = unknown>(agentName: string, payload: unknown, options?: CallOptions): Promise<Result<T | DeliveryReceipt>>
  async call(agentName: string, payload: unknown, options: CallOptions = none): Promise<Result<unknown>> {
    checkString(agentName, 'agentName')
    const wanted = callOptionsIn(options, this.#timeoutMs)
    if (isFailure(wanted)) return fail(wanted)
    const progress = this.#progressFor(wanted)
    if (!wanted.receipt) {
      return resultOf(await this.#begin(agentName, payload, wanted, false, progress && { progress }))
    }
    let receipt: CallReceipt | undefined
    const hearing: Hearing = { progress, receipt: (it) => (receipt = it) }
    return Object.assign(resultOf(await this.#begin(agentName, payload, wanted, false, hearing)), { receipt })
  }

  /**
   * Asks another agent, and gives the parts of its answer as they come: each of them is signed, in its place, and none is
   * missing; what is cut short throws an XBindError, with the errors of `call`, and never just ends. The handler there is an
   * async generator, or gives an AsyncIterable or a ReadableStream, and makes no more than its reader takes. `break` gives the call
   * up, and the generator there ends with its `finally`. An answer in one has no parts, and is the `result`.
   * Throws TypeError for what is no name or option.
   *
   * @example
   * ```ts
   * for await (const token of agent.stream<string>('writer', { topic: 'identity' })) process.stdout.write(token)
   * ```
   */
  stream<T = unknown>(to: string, payload: unknown, options: StreamOptions = none): AnswerStream<T> {
    checkString(to, 'to')
    const wanted = streamOptionsIn(options, this.#timeoutMs)
    const progress = isFailure(wanted) ? undefined : this.#progressFor(wanted)
    return streamOf(this.#port.calls, progress, (hearing) =>
      isFailure(wanted) ? { ok: false, failure: wanted } : this.#begin(to, payload, wanted, false, hearing),
    )
  }

  /** Where the caller hears how far his call is: in the context in which he made it. */
  #progressFor({ onProgress }: Wanted): Hearing['progress'] {
    if (!onProgress) return undefined
    const threw = (thrown: unknown): void => this.#journal.warn('onProgress threw', { thrown })
    return AsyncLocalStorage.bind((progress: Progress): void => {
      try {
        const given: unknown = onProgress(progress)
        if (typeof given === 'object' && given !== null) Promise.resolve(given).catch(threw)
      } catch (thrown) {
        threw(thrown)
      }
    })
  }

  /**
   * A typed client of another agent: its methods as functions, each of which calls with that method. `options` count for all of
   * them, unless a call says otherwise.
   *
   * @example
   * ```ts
   * const writer = agent.peer<{ summarise(input: { topic: string }): string }>('writer')
   * const summary = await writer.summarise({ topic: 'identity' })
   * ```
   */
  peer<M extends object>(to: string, options: PeerOptions = none): Peer<M> {
    checkString(to, 'to')
    checkOptions(options, 'peer()', PEER_OPTIONS)
    const common = { ...options }
    return peerOf<M>(async (method, input, own) => {
      checkOptions(own, `${method}()`, PEER_OPTIONS)
      const given = Object.entries(own).filter(([, value]) => value !== undefined)
      return this.call(to, input, { ...common, ...(Object.fromEntries(given) as PeerOptions), method })
    })
  }

  /**
   * What this agent offers or, by name or DID, another one: its methods with JSON Schemas and scopes, signed by it. The card of
   * another is verified, and has to be that of the one asked.
   * Errors: those of `call`; INVALID_TOKEN (no card), UNTRUSTED_ISSUER (another agent's), TOKEN_EXPIRED, TOKEN_NOT_YET_VALID.
   *
   * @example
   * ```ts
   * const card = await agent.describe('writer')
   * if (card.ok) for (const { name, description } of card.value.methods) console.log(name, description)
   * ```
   */
  async describe(to?: string): Promise<Result<AgentCard>> {
    if (to === undefined) return this.#described()
    checkString(to, 'to')
    const answer = await this.#begin(to, null, { timeoutMs: this.#timeoutMs, method: DESCRIBE })
    return answer.ok ? cardIn(answer.value, answer.from) : resultOf(answer)
  }

  #described(): Promise<Result<AgentCard>> | Result<AgentCard> {
    if (this.#closed) return fail(closedFailure)
    const { provider, owned } = this.#extras ?? {}
    this.#card ??= new CardKeeper(this.#did, this.name, (bytes) =>
      provider ? provider.sign(bytes) : signWith(owned ?? orThrow(this.#key()), bytes, true),
    )
    return this.#card.of((this.#offers ??= this.#nothing()))
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
    checkOptions(options, 'send()', ['signal'])
    const { signal } = options
    return resultOf(await this.#begin(to, payload, { timeoutMs: this.#timeoutMs, signal }, true))
  }

  #begin(to: string, payload: unknown, wanted: Begun, oneWay = false, hearing?: Hearing): Ended | Promise<Ended> {
    if (!callChannel.isSeen) return this.#ask(to, payload, wanted, oneWay, hearing)
    const { method, traceparent } = wanted
    const kind = oneWay ? 'send' : hearing?.window === undefined ? 'call' : 'stream'
    const seen: CallSeen = { agent: this.#did, to, kind, method, traceparent }
    return callChannel.run(
      seen,
      () => {
        // A subscriber may set anything.
        const set = seen.traceparent === traceparent ? traceparent : traceparentIn(seen.traceparent)
        return this.#ask(to, payload, { ...wanted, traceparent: set }, oneWay, hearing)
      },
      // Without what the other side chose to tell, which is a part of its answer.
      (ended) => ((ended as Ended).ok ? undefined : new XBindError((ended as { failure: Failure }).failure)),
    )
  }

  #ask(to: string, payload: unknown, wanted: Begun, oneWay: boolean, hearing?: Hearing): Ended | Promise<Ended> {
    const { signal } = wanted
    checkSignal(signal, 'signal')
    const over = this.#over(signal)
    if (over) return { ok: false, failure: over }
    const content = encode(payload, this.#longest)
    const wrong = this.#over(signal) ?? (isFailure(content) ? content : undefined) // encoding runs the payload's own code
    if (wrong) return { ok: false, failure: wrong }
    let settle!: Settle
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    if (this.#extras?.signing) settle = this.#extras.signing.explained(settle)
    if (this.#extras?.verbose) settle = this.#journal.traced(to, oneWay, settle)
    if (signal) settle = heeding(signal, settle, () => this.#port.calls.abandon(number, gaveUp(signal)))
    const body = content as string | Uint8Array
    const number = this.#port.calls.begin(this.#number, to, body, oneWay, wanted, hearing, settle)
    return ended
  }

  /** Why nothing begins any more. */
  #over(signal: AbortSignal | undefined): Failure | undefined {
    if (this.#closed) return closedFailure
    return signal?.aborted ? gaveUp(signal) : undefined
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
    const wanted = receiveOptionsIn(options)
    if (isFailure(wanted)) return fail(wanted)
    const { max, waitMs, signal } = wanted
    if (signal?.aborted) return fail(gaveUp(signal))
    return result(await this.#waiting().receive(max, waitMs, signal)) as Result<Message<P>[]>
  }

  /**
   * The inbox, one message after the other, until the agent closes. Waiting for the next one alone keeps no process alive.
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
    const { letters, unreadable } = lettersIn(flat)
    const journal = unreadable.length > 0 && this.#extras?.verbose ? this.#journal : undefined
    for (const { id, from } of unreadable) journal?.warn(`message ${id} from ${short(from)} only claims to be JSON`)
    return letters
  }

  /**
   * Answers calls of one method. What the options leave out of its policy is that of the handler without a name. Where there is
   * neither, calls of a method are METHOD_NOT_FOUND. Null takes the method away.
   * Throws XBindError: INVALID_CONFIG (also a name that is none, or begins with xbind.), INVALID_DID, INVALID_KEY (a JWK set),
   * AGENT_CLOSED.
   *
   * @example
   * ```ts
   * agent.handle<{ topic: string }, string>('summarise', ({ payload }) => `about ${payload.topic}`, {
   *   description: 'Says in few words what a topic is about.',
   *   allow: [friend.did],
   * })
   * ```
   */
  handle<I = unknown, O = unknown>(
    method: string,
    handler: Handler<I, O | AsyncIterable<O>> | null,
    options?: MethodOptions<I, O>,
  ): this
  /**
   * Answers all other calls; null sends those without a method to the inbox again, and leaves its policy to the methods unless
   * there are options. The options say who may call, and with which rights.
   * Throws XBindError: INVALID_DID, INVALID_CONFIG, INVALID_KEY (a JWK set), AGENT_CLOSED.
   *
   * @example
   * ```ts
   * agent.handle<{ topic: string }>(({ from, payload }) => ({ summary: payload.topic, askedBy: from }), {
   *   allow: [friend.did],
   * })
   * ```
   */
  handle<P = unknown, R = unknown>(handler: Handler<P, R> | null, options?: HandleOptions): this
  handle(...[first, second, third]: [unknown, unknown?, unknown?]): this {
    const before = this.#offers ?? this.#nothing()
    const next =
      typeof first === 'string'
        ? before.withMethod(first, second as Handler | null, third as MethodOptions | undefined)
        : before.with(first as Handler | null, second as HandleOptions | undefined)
    const { policies, judges } = next.policies
    const number = native.guard(this.#port.number, this.#number, policies, judges)
    if (isFailure(number))
      throw new XBindError(number.code === 'AGENT_CLOSED' ? { ...closedFailure, ...number } : number)
    next.number = number
    if (next.replaces(before) && this.#journal.isRead) {
      this.#journal.warn('another handler has replaced the one that was set, and its policy with it')
    }
    this.#offers = next
    this.#port.schedule()
    return this
  }

  #nothing(): Offers {
    const did = this.#did
    return Offers.none({
      did,
      make: (handler, options) => new Guard(did, handler, options, (line) => this.#journal.warn(line)),
      describe: async () => ({ card: orThrown(await this.#described()).jws }),
    })
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
    return this.#recorded(
      'token.issued',
      grantWith(() => this.#key(), request),
    )
  }

  /**
   * Hands on a part of the rights in a token that was issued to this agent. See `delegateToken`.
   * Errors: INVALID_DELEGATION, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, AGENT_CLOSED,
   * SIGN_FAILED.
   *
   * @example
   * ```ts
   * const narrower = await agent.delegate(token, { subject: friend.did, scopes: ['reports:write'], ttlSeconds: 60 })
   * ```
   */
  async delegate(
    token: string,
    request: Partial<TokenRequest> & {
      /** The DID that may use what is handed on. */
      subject: string
    },
  ): Promise<Result<string>> {
    return this.#recorded(
      'token.delegated',
      delegateWith(() => this.#key(), token, request),
    )
  }

  /**
   * Signs a yes or no to one call of another agent. See `approveCall`, and `approvals` for doing so when asked over the bus.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   *
   * @example
   * ```ts
   * const approval = await agent.decide({ decision: 'approve', call })
   * ```
   */
  async decide(request: CallDecision): Promise<Result<string>> {
    const key = this.#key()
    return isFailure(key) ? fail(key) : this.#recorded('approval.signed', approveWith(key, request))
  }

  /** What this agent has signed is on record, or nobody gets it. */
  #recorded(event: string, signed: Result<string>): Result<string> {
    if (!signed.ok) return signed
    const failed = native.putOnRecord(this.#port.number, this.#number, statementRecord(event, signed.value))
    return failed ? fail(failed) : signed
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
    const ms = drainMsIn(options)
    if (agent.#closed) return
    const isFirst = agent.#draining === undefined
    const draining = (agent.#draining ??= new Draining(() => agent.close()))
    draining.within(ms)
    if (isFirst) agent.#port.retire(agent.#number)
    await draining.over
  }

  #leave(): void {
    if (!this.#closed && leaveChannel.hasSubscribers) leaveChannel.publish({ agent: this.#did, name: this.name })
    this.#closed = true
    this.#offers = undefined
    this.#card = undefined
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

  get #journal(): Journal {
    return new Journal(this.name ?? short(this.#did), this.#extras)
  }

  static {
    keyOfAgent = (value) => (typeof value === 'object' && value !== null && #closed in value ? value.#key() : undefined)
    isAgent = (value): value is AutoGenxBindAgent => typeof value === 'object' && value !== null && #closed in value
    warnOf = (agent, line) => agent.#journal.warn(line)
    members = {
      guard: (agent, method) => (agent.#closed ? undefined : (agent.#offers ??= agent.#nothing()).guardFor(method)),
      handler: (agent, method) => (agent.#closed ? undefined : (agent.#offers ??= agent.#nothing()).handlerFor(method)),
      did: (agent) => agent.#did,
      arrived: (agent) => agent.#receivers?.arrived(),
      sign: (agent, bytes) => {
        const { provider, owned } = agent.#extras ?? {}
        return owned ? signWith(owned, bytes, true) : provider?.sign(bytes)
      },
      signing: (agent) => agent.#extras?.signing,
      longest: (agent) => agent.#longest,
      closed: (agent) => agent.#leave(),
      idle: (agent) => agent.close(),
      failed: (agent, error, call) => agent.#journal.failed(error, call),
      warn: (agent, line, error) => agent.#journal.warn(line, error),
      trace(agent, from, kind, id, outcome) {
        if (agent.#extras?.verbose) agent.#journal.trace(from, kind, id, outcome)
      },
    }
  }
}

/** The record of a token, delegation or approval that was just made: of the last link, for whom it is, and its id. */
function statementRecord(event: string, text: string): string {
  const last = text.slice(text.lastIndexOf('~') + 1)
  const claims = JSON.parse(Buffer.from(last.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
  const [to, token] = [claims.sub, claims.jti]
  const isDID = typeof to === 'string' && to.startsWith('did:key:')
  return JSON.stringify({
    event,
    outcome: 'accepted',
    ...(isDID && { to }),
    ...(typeof token === 'string' && { token }),
  })
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/

/** What a subscriber has set. */
function traceparentIn(value: unknown): string | undefined {
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined
}

function orThrown<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw result.error
}
