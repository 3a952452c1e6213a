import type { HttpBinding } from './binding-http'
import type { NetBinding } from './binding-net'
import type { RightsBinding } from './binding-rights'

/** What the addon exports (src/). Failures come back as data: errors must be made in the caller's realm. */
export interface Binding extends RightsBinding, NetBinding, HttpBinding {
  generateKey(): KeyRef | Failure
  keyFromSeed(seed: Uint8Array): KeyRef | Failure
  keyFromPkcs8(pkcs8: string | Uint8Array, passphrase?: string): KeyRef | Failure
  /** The same on another thread. */
  importKey(pkcs8: string | Uint8Array, passphrase?: string): Promise<KeyRef | Failure>
  keyDid(key: KeyRef): string | Failure
  /** Writes 64 bytes into `signature`; `dangerously` also for a statement of ours. */
  keySign(key: KeyRef, data: Uint8Array, dangerously: boolean, signature: Uint8Array): Failure | null
  destroyKey(key: KeyRef): void
  exportKey(key: KeyRef, pem: boolean, passphrase?: string): string | Uint8Array | Failure
  /** What a passphrase takes time for, on another thread; good for one `exportPrepared`. */
  prepareExport(passphrase: string): Promise<WrappingRef | Failure>
  exportPrepared(key: KeyRef, pem: boolean, wrapping: WrappingRef): string | Uint8Array | Failure
  seal(key: KeyRef, draft: Draft, body: Uint8Array): { jws: string; id: string } | Failure
  didToPublicKey(did: string): Uint8Array | Failure
  publicKeyToDid(publicKey: Uint8Array): string | Failure
  verifySignature(did: string, data: Uint8Array, signature: Uint8Array): boolean | Failure
  jwkJson(did: string): string | Failure
  didDocumentJson(did: string): string | Failure

  /** Why JSON text may not go into a body: its depth, half a surrogate pair. */
  checkJson(text: string): Failure | null

  newVerifier(policy: Policy): VerifierRef | Failure
  /** An opening waits for `accept`: a reply, and every message if the policy asks about senders. */
  open(
    verifier: VerifierRef,
    now: number,
    jws: string,
    body: Uint8Array,
    token: string | undefined,
  ): Opened | Opening | Failure
  /** `call` is the JWS of the call that the message claims to answer. */
  accept(
    verifier: VerifierRef,
    opening: OpeningRef,
    now: number,
    body: Uint8Array,
    token: string | undefined,
    call: string | undefined,
  ): Opened | Failure

  /** The longest life of a message, in seconds. */
  newNode(maxLifetime: number): NodeRef
  sharedNode(name: string): NodeRef | Failure
  nodeAgents(node: NodeRef): { did: string; name?: string }[]
  stopOnNode(node: NodeRef, did: string): Failure | null
  closeNode(node: NodeRef): void

  /** `wake` is called when another thread has left events. */
  openPort(wake: () => void): number
  closePort(port: number): void
  /** A fresh key, the key of an identity (which is taken), or the DID of a key elsewhere. */
  join(port: number, node: NodeRef, options: Options, signer?: KeyRef | string): number | Failure
  agentDid(port: number, agent: number): string | Failure
  closeAgent(port: number, agent: number): void
  /** The key of an agent, for as long as it is open; a failure if it is with an identity provider. */
  agentKey(port: number, agent: number): KeyRef | Failure
  handle(port: number, agent: number, on: boolean, only?: readonly string[]): Failure | null | undefined
  /** The number of the call, which its end is told with. Commands, down to `refuse`, want a `flush` soon. */
  call(
    port: number,
    agent: number,
    to: string,
    content: string | Uint8Array,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
  ): number | Failure
  abandon(port: number, call: number): void
  /** Whether the handler may begin: 0 yes, 1 the call is over, 2 it belongs into the inbox (`giveBack`). */
  start(port: number, ticket: number): number
  giveBack(port: number, ticket: number, content: string | Uint8Array): void
  answer(port: number, ticket: number, content: string | Uint8Array): void
  refuse(port: number, ticket: number, code: string, detail: string | undefined): void
  /** A failure for an approval that was used before. */
  useApproval(port: number, agent: number, approver: string, id: string, until: number): Failure | null
  isCancelled(port: number, ticket: number): boolean
  signed(port: number, agent: number, time: number, signature?: Uint8Array): void
  /** Milliseconds until the next pending call runs out of time. */
  nextDeadline(port: number): number | null
  /** Five elements a message: is it one-way, id, sender, seconds, content. */
  receive(port: number, agent: number, max: number, listen: boolean): unknown[] | Failure
  /** Works everything off; at most `max` events, as ts/events.ts reads them. */
  flush(port: number, max: number): unknown[]

  /** Test builds only. */
  panicNext?(): void
}

declare const opaque: unique symbol
export interface KeyRef {
  readonly [opaque]: 'key'
}
export interface WrappingRef {
  readonly [opaque]: 'wrapping'
}
export interface NodeRef {
  readonly [opaque]: 'node'
}
export interface VerifierRef {
  readonly [opaque]: 'verifier'
}

export interface OpeningRef {
  readonly [opaque]: 'opening'
}

export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly retryable: boolean
}

export interface Draft {
  op: string
  to: string
  contentType: string
  ttl: number
  now?: number | undefined
  token?: string | undefined
  requestId?: string | undefined
  request?: string | undefined
}

export interface Policy {
  audience: string
  clockSkew: number
  maxLifetime: number
  maxBody: number
  maxTracked: number
  allow: readonly string[] | undefined
  /** Whether every message waits for `accept`. */
  asks: boolean
}

/** A genuine message that nobody has accepted yet. */
export interface Opening {
  opening: OpeningRef
  from: string
  issuedAt: number
  /** The id of the call that it claims to answer. */
  answers?: string
}

export interface Opened {
  id: string
  op: 'call' | 'send' | 'result' | 'error'
  from: string
  to: string
  contentType: string
  issuedAt: number
  expiresAt: number
  inReplyTo?: string
}

export interface Options {
  name?: string | undefined
  maxPayloadBytes: number
  messageTtl: number
  inboxMessages: number
  inboxBytes: number
  concurrency: number
}
