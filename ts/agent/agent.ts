import { recipientIn, type Address } from './address'
import type { CallDecision } from '../tokens/approval'
import { call, describe, send, stream } from './asking'
import type { AgentCard } from './card'
import type { DeliveryReceipt, Receipted } from './calls'
import {
  configIn,
  imported,
  type AgentConfig,
  type CallOptions,
  type Handler,
  type Message,
  type StreamOptions,
  type WithMethod,
  type WithReceipt,
} from './config'
import type { HandleOptions } from './guard'
import { passphraseIn } from './key-file'
import { Member } from './member'
import type { MethodOptions } from './methods'
import type { Failure, KeyRef, NodeRef } from '../native/binding'
import { drainMsIn, none, type ReceiveOptions } from './options'
import { peerOf, type Peer, type PeerOptions } from './peer'
import type { RemoteKey } from './provider'
import { wishIn, type Registered, type RegistryAddress, type TokenWish } from './registry'
import type { AnswerStream } from './stream'
import type { Result } from '../result'
import { delegateWith, grantWith, type TokenRequest } from '../tokens/token'

export type { CallOptions, Handler } from './config'

/** How long `await using` lets handlers run. */
const DRAIN_MS = 5000

/** Whether a value is an agent of this module. */
export let isAgent: (value: unknown) => value is AutoGenxBindAgent

/** @internal The bus of an agent; set by the class. */
export let nodeOf: (agent: AutoGenxBindAgent) => NodeRef

/** Tells an agent's owner something. */
export let warnOf: (agent: AutoGenxBindAgent, line: string) => void

/** The key of an agent, wherever it is, or why there is none; undefined for what is no agent of this module. */
export let keyOfAgent: (value: unknown) => KeyRef | RemoteKey | Failure | undefined

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
  readonly #member: Member

  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config: AgentConfig = {}) {
    const read = configIn(config)
    this.name = read.name
    this.#member = new Member(this, read)
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
    return await imported(pkcs8, config, (own) => new AutoGenxBindAgent(own))
  }

  /** Who it is: `did:key:z6Mk…`, which spells the public key. */
  getDID(): string {
    return this.#member.did
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
  call<T = unknown>(agentName: Address, payload: unknown, options: WithMethod & WithReceipt): Promise<Receipted<T>>
  /** The same without a method: what comes may be a delivery receipt. */
  call<T = unknown>(agentName: Address, payload: unknown, options: WithReceipt): Promise<Receipted<T | DeliveryReceipt>>
  /** The same without the messages themselves. */
  call<T = unknown>(agentName: Address, payload: unknown, options: WithMethod): Promise<Result<T>>
  /** The same without a method: what comes may be a receipt. */
  call<T = unknown>(agentName: Address, payload: unknown, options?: CallOptions): Promise<Result<T | DeliveryReceipt>>
  call(agentName: Address, payload: unknown, options: CallOptions = none): Promise<Result<unknown>> {
    // Not async: many thousands may wait, and each would keep its frame.
    try {
      return call(this.#member, agentName, payload, options)
    } catch (error) {
      return Promise.reject(error)
    }
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
  stream<T = unknown>(to: Address, payload: unknown, options: StreamOptions = none): AnswerStream<T> {
    return stream(this.#member, to, payload, options)
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
  peer<M extends object>(to: Address, options: PeerOptions = none): Peer<M> {
    recipientIn(to, 'to') // what is no address is told at once
    const at = typeof to === 'string' ? to : { ...to }
    return peerOf<M>(options, (method, input, own) => this.call(at, input, { ...own, method }))
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
  async describe(to?: Address): Promise<Result<AgentCard>> {
    if (to === undefined) return this.#member.describe()
    return await describe(this.#member, to)
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
    to: Address,
    payload: unknown,
    options: {
      /** Gives the message up. */
      signal?: AbortSignal
    } = none,
  ): Promise<Result<DeliveryReceipt>> {
    return await send(this.#member, to, payload, options)
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
  async receive<P = unknown>(options: ReceiveOptions = none): Promise<Result<Message<P>[]>> {
    return (await this.#member.receive(options)) as Result<Message<P>[]>
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
    return this.#member.inbox.iterate() as AsyncIterableIterator<Message<P>>
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
    this.#member.handle(first, second, third)
    return this
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
    return this.#member.recorded(
      'token.issued',
      grantWith(() => this.#member.key, request),
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
    return this.#member.recorded(
      'token.delegated',
      delegateWith(() => this.#member.key, token, request),
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
    return this.#member.decide(request)
  }

  /**
   * Registers its name within the domain of its operator, with its card, or says anew what it offers: at its own registry, or this one.
   * Errors: NAME_TAKEN, NOT_ALLOWED, REVOKED, REGISTRY_UNAVAILABLE, INVALID_NAME, INVALID_CONFIG, SIGN_FAILED, AGENT_CLOSED.
   *
   * @example
   * ```ts
   * const registered = await agent.register('https://authority.example') // as writer.example.com
   * ```
   */
  async register(registryUrl?: RegistryAddress): Promise<Result<Registered>> {
    return await this.#member.registries.register(registryUrl)
  }

  /**
   * A token of its authority: one that it got before while a fifth of its life is left, and asked for once for all who want it.
   * Errors: those of `register`, SCOPE_DENIED; of a user's token INVALID_TOKEN, TOKEN_EXPIRED, UNTRUSTED_ISSUER.
   *
   * @example
   * ```ts
   * const token = await agent.requestToken({ audience: 'api.example.com', scopes: ['read:payments'] })
   * ```
   */
  async requestToken(request: TokenWish): Promise<Result<string>> {
    return await this.#member.registries.token(wishIn(request, 'requestToken()'))
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
    return await this.#member.exportKey(passphraseIn(options, 'exportIdentity', ['passphrase']))
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
    this.#member.close()
  }

  /** A function of the class, so that it rejects whatever `this` was. */
  static async #drain(agent: AutoGenxBindAgent, options: { drainMs: number }): Promise<void> {
    await agent.#member.drain(drainMsIn(options))
  }

  /** The same as `close()`, for `using agent = …`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** The same as `close({ drainMs: 5000 })`, for `await using agent = …`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ drainMs: DRAIN_MS })
  }

  static {
    isAgent = (value): value is AutoGenxBindAgent => typeof value === 'object' && value !== null && #member in value
    keyOfAgent = (value) => (isAgent(value) ? (value.#member.remote ?? value.#member.key) : undefined)
    nodeOf = (agent) => agent.#member.node
    warnOf = (agent, line) => agent.#member.journal.warn(line)
  }
}
