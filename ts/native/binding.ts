// Made of src/ by "node scripts/build.mjs types".

declare const opaque: unique symbol

/** Something in native memory, which JavaScript only hands on. */
interface Native<Name> {
  readonly [opaque]: Name
}

/** A value, or why there is none. */
export type Fallible<T> = T | Failure

export interface Method {
  readonly name: string
  readonly description?: string | undefined
  /** The text of a JSON Schema. */
  readonly input?: string | undefined
  /** The text of a JSON Schema. */
  readonly output?: string | undefined
  readonly scopes: ReadonlyArray<string>
}

export interface CardDraft {
  readonly name?: string | undefined
  readonly methods: ReadonlyArray<Method>
  readonly addresses: ReadonlyArray<string>
}

export interface Card {
  readonly did: string
  readonly name?: string | undefined
  readonly methods: ReadonlyArray<Method>
  readonly addresses: ReadonlyArray<string>
  readonly expiresAt: number
}

/** A failure as data; `ts/errors.ts` makes the exception of it. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
  readonly retryable: boolean
  /** Whether the other side ran the call; none where it did not. */
  readonly handled?: 'yes' | 'no' | 'unknown' | undefined
}

/** What calls have to satisfy: those without a method, or those of one, all of it. */
export interface CallPolicy {
  readonly method?: string | undefined
  /** The DIDs that may call. */
  readonly only?: ReadonlyArray<string> | undefined
  /** JavaScript says who may call. */
  readonly asksAllowed?: boolean | undefined
  /** The place of its judge of tokens. */
  readonly judge?: number | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  readonly approval?: ApprovalPolicy | undefined
}

export interface ApprovalPolicy {
  readonly by: ReadonlyArray<string>
  /** JavaScript says which calls need one. */
  readonly asked: boolean
  readonly timeoutMs: number
}

/** `fields` are names and values by turns, in their order. */
export interface RequestHead {
  readonly method: string
  readonly scheme: string
  readonly authority?: string | undefined
  readonly target: string
  readonly fields: ReadonlyArray<string>
}

export interface ResponseHead {
  readonly status: number
  readonly fields: ReadonlyArray<string>
}

export interface RequestDraft {
  readonly profile: string
  readonly now: number
  readonly ttl: number
  readonly token?: string | undefined
  readonly approval?: string | undefined
  readonly agent?: string | undefined
}

/** What a key elsewhere is to sign. */
export interface Unsigned {
  readonly unsigned: UnsignedRef
  readonly base: string
}

export interface ResponsePolicy {
  readonly from?: string | undefined
  readonly clockSkew: number
  readonly maxAge: number
  readonly maxBody: number
}

export interface VerifiedResponse {
  readonly from: string
  readonly created: number
}

export interface RequestPolicy {
  readonly profile: string
  readonly authorities: ReadonlyArray<string>
  readonly clockSkew: number
  readonly maxAge: number
  readonly maxBody: number
  readonly maxTracked: number
  readonly started?: number | undefined
  readonly allow?: ReadonlyArray<string> | undefined
  readonly keys: ReadonlyArray<string>
}

export interface AuthenticRequest {
  readonly request: RequestRef
  readonly from: string
  readonly created: number
  readonly until: number
  readonly nonce: string
  readonly token?: string | undefined
  readonly covered: ReadonlyArray<string>
}

export interface UsedApproval {
  readonly claim: string
  readonly until: number
}

export interface RequestDecision {
  readonly decision: 'approve' | 'deny'
  readonly caller: string
  readonly recipient: string
  readonly ttl: number
  readonly now: number
}

export interface Draft {
  readonly op: string
  readonly to: string
  readonly contentType: string
  readonly ttl: number
  readonly now?: number | undefined
  readonly token?: string | undefined
  /** Id and JWS of the call being answered. */
  readonly requestId?: string | undefined
  readonly request?: string | undefined
  readonly method?: string | undefined
  readonly deadlineMs?: number | undefined
  readonly traceparent?: string | undefined
  readonly seq?: number | undefined
  readonly window?: number | undefined
  readonly session?: string | undefined
}

export interface Sealed {
  readonly jws: string
  readonly id: string
}

/** Where names lead, and whose certificates are believed beside the usual ones; the rules hold for these addresses too. */
export interface World {
  readonly hosts: Record<string, ReadonlyArray<string>>
  /** PEM. */
  readonly roots: ReadonlyArray<string>
  /** How long a document is not asked for again. */
  readonly intervalMs: number
}

export interface Rules {
  readonly named: 'owner' | 'listed' | 'stranger'
  readonly maxBytes: number
  readonly timeoutMs: number
  readonly accept: string
}

export interface Agent {
  readonly did: string
  readonly name?: string | undefined
}

export interface Options {
  readonly name?: string | undefined
  readonly maxPayloadBytes: number
  readonly messageTtl: number
  readonly inboxMessages: number
  readonly inboxBytes: number
  readonly concurrency: number
  readonly handles: boolean
  readonly tells: boolean
}

export interface Proven {
  readonly messageId: string
  readonly op: 'call' | 'send'
  readonly answer: 'result' | 'error' | 'receipt'
  readonly method?: string | undefined
  readonly issuedAt: number
  readonly answeredAt: number
  readonly parts?: number | undefined
  readonly requestDigest: string
  readonly resultDigest: string
  readonly tokenDigest?: string | undefined
}

export interface TokenPolicy {
  readonly audience: string
  readonly clockSkew: number
  readonly maxLifetime: number
  readonly dids: ReadonlyArray<string>
  readonly issuers: ReadonlyArray<Issuer>
  /** Those whose keys are fetched. */
  readonly fetched: ReadonlyArray<string>
  readonly acceptUnknown: boolean
}

export interface Issuer {
  readonly issuer: string
  /** A JWK set. */
  readonly jwks: string
}

export interface Asked {
  readonly now: number
  readonly scopes: ReadonlyArray<string>
  readonly presenter?: string | undefined
}

/** What has been found out so far. */
export interface Answers {
  /** There are sources to ask about every link. */
  readonly sources: boolean
  /** Documents may be fetched. */
  readonly patient: boolean
  /** Whether each link was revoked, where the sources know. */
  readonly standing?: ReadonlyArray<boolean | undefined | null> | undefined
  readonly keysSought?: boolean | undefined
  readonly listsSought?: boolean | undefined
}

/** What has to be found out before a token can be judged. */
export interface Needs {
  /** The issuer whose keys have to be fetched. */
  readonly keys?: string | undefined
  /** Status lists have to be fetched. */
  readonly lists: boolean
  /** Sources have to be asked. */
  readonly standing: boolean
  /** About these links, the first issuer's first. */
  readonly links: ReadonlyArray<Link>
  /** What is known so far. */
  readonly answers: Answers
}

export interface Link {
  readonly id: string
  readonly issuer: string
  readonly subject: string
  readonly issuedAt: number
  readonly status?: Status | undefined
}

export interface Token {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
  readonly scopes: ReadonlyArray<string>
  readonly id: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly chain: ReadonlyArray<string>
  /** The text of one JSON object. */
  readonly claims: string
  /** What the answer about revocation rests on. */
  readonly revocation: 'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'
  /** For [`verify_known_token`], until [`forget_known_tokens`]; none where sources were asked. */
  readonly known?: number | undefined
}

/** Why a token is refused. */
export interface Refusal {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
  readonly retryable: boolean
  /** What evidence there was. */
  readonly revocation: Token['revocation']
  /** The issuer whose keys are not there, and whether and why they did not come. */
  readonly keysOf?: string | undefined
  readonly keysAsked: boolean
  readonly keysFailure?: string | undefined
}

export interface Presented {
  readonly token?: string | undefined
  readonly approval?: string | undefined
}

/**
 * A list whose bytes lie in JavaScript's own memory: what native memory holds is given back only when the event loop
 * turns, however many lists are read before.
 */
export interface StatusList {
  readonly bits: number
  readonly bytes: Uint8Array
}

export interface ListDraft {
  readonly uri: string
  readonly lifetime: number
  readonly ttl?: number | undefined
  readonly now?: number | undefined
}

export interface Rotation {
  readonly old: string
  readonly new: string
  readonly issuedAt: number
  readonly activeFrom: number
  readonly overlap: number
}

export interface Call {
  readonly caller: string
  readonly recipient: string
  readonly method?: string | undefined
  readonly session?: string | undefined
  readonly contentType: string
}

export interface Approval {
  readonly decision: 'approve' | 'deny'
  readonly approver: string
  readonly id: string
  readonly issuedAt: number
  readonly expiresAt: number
}

/** What is left out keeps its default, which for a delegation is its parent's. */
export interface Grant {
  readonly subject: string
  readonly audience?: string | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  readonly ttl?: number | undefined
  /** The text of a JSON object. */
  readonly claims?: string | undefined
  readonly status?: Status | undefined
  readonly now?: number | undefined
}

export interface Status {
  readonly index: number
  readonly uri: string
}

export interface Taken {
  readonly bytes: Uint8Array
  readonly over: boolean
}

export interface Policy {
  readonly audience: string
  readonly clockSkew: number
  readonly maxLifetime: number
  readonly maxBody: number
  readonly maxTracked: number
  readonly session?: string | undefined
  /** DIDs; everybody without. */
  readonly allow?: ReadonlyArray<string> | undefined
  /** Messages wait for [`accept`], not only replies. */
  readonly asks: boolean
}

export interface Message {
  readonly id: string
  readonly op: 'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'
  readonly from: string
  readonly to: string
  readonly contentType: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly inReplyTo?: string | undefined
  readonly method?: string | undefined
  readonly deadlineMs?: number | undefined
  readonly traceparent?: string | undefined
  readonly seq?: number | undefined
  readonly window?: number | undefined
  readonly session?: string | undefined
}

export interface Opening {
  readonly opening: OpeningRef
  readonly from: string
  readonly issuedAt: number
  /** The id of the call that it claims to be about. */
  readonly about?: string | undefined
  /** Whether it answers a call of this side; else it comes from the caller of one. */
  readonly isReply: boolean
}

/** JSON text, or bytes. */
export type Content = string | Uint8Array

/** PEM, or bytes of either. */
export type KeyFile = string | Uint8Array

/** PKCS#8 in DER, or with `pem` as text. Whoever gets the bytes wipes them. */
export type Exported = string | Uint8Array

export type Opened = Message | Opening | Failure

export type FetcherRef = Native<'FetcherRef'>
export type HistoryRef = Native<'HistoryRef'>
export type JudgeRef = Native<'JudgeRef'>
export type KeyRef = Native<'KeyRef'>
export type ListRef = Native<'ListRef'>
export type ListsRef = Native<'ListsRef'>
export type NodeRef = Native<'NodeRef'>
export type OpeningRef = Native<'OpeningRef'>
export type RequestRef = Native<'RequestRef'>
export type RequestVerifierRef = Native<'RequestVerifierRef'>
export type ServerRef = Native<'ServerRef'>
export type UnsignedRef = Native<'UnsignedRef'>
export type VerifierRef = Native<'VerifierRef'>
export type WrappingRef = Native<'WrappingRef'>

/** What the addon exports. Failures come back as data: errors must be made in the realm of the caller. */
export interface Binding {
  /** What the key of that DID is to sign. */
  cardToSign(did: string, draft: CardDraft): Fallible<string>
  /** As the card of `did`, or of whomever it names. */
  verifyCard(jws: string, did: string | undefined, time: number | undefined, clockSkew: number): Fallible<Card>
  /**
   * Sets an agent's policies, the first of them for calls without a method; without any, calls go to the inbox. Returns
   * their number, which [`judge`] is told.
   */
  guard(
    port: number,
    agent: number,
    policies: ReadonlyArray<CallPolicy> | undefined,
    judges: ReadonlyArray<JudgeRef>,
  ): Fallible<number>
  /**
   * Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given back, 3 if somebody
   * is asked (the event `resumed` follows), 4 if it is to be said whether it needs an approval; or what has to be found out.
   */
  judge(
    port: number,
    ticket: number,
    policies: number | undefined,
    allowed: boolean | undefined,
    needsApproval: boolean | undefined,
    sources: boolean,
    answers?: Answers,
  ): number | Needs
  /** JavaScript waits for somebody before it can say more; false if the call is over. */
  wait(port: number, ticket: number): boolean
  /** JavaScript knows more: the event `resumed` says when to judge. */
  resume(port: number, ticket: number): void
  /** What the token of a running call grants: its scopes in one line, and each of its chain in another. */
  rights(port: number, ticket: number): string | null
  /** The fields to be set, names and values by turns; for a DID, whose key is elsewhere, what that is to sign. */
  signRequest(
    signer: string | KeyRef,
    request: RequestHead,
    body: Uint8Array,
    draft: RequestDraft,
  ): Fallible<ReadonlyArray<string> | Unsigned>
  /** The same for the response to a request. */
  signResponse(
    signer: string | KeyRef,
    response: ResponseHead,
    body: Uint8Array,
    request: RequestHead,
    now: number,
    ttl: number,
  ): Fallible<ReadonlyArray<string> | Unsigned>
  /** The fields to be set, with the signature that a key elsewhere has made. */
  signedFields(unsigned: UnsignedRef, signature: Uint8Array): Fallible<ReadonlyArray<string>>
  verifyResponse(
    policy: ResponsePolicy,
    response: ResponseHead,
    body: Uint8Array,
    request: RequestHead,
    now: number,
  ): Fallible<VerifiedResponse>
  newRequestVerifier(policy: RequestPolicy): Fallible<RequestVerifierRef>
  authenticateRequest(verifier: RequestVerifierRef, request: RequestHead, now: number): Fallible<AuthenticRequest>
  /** By which a store knows the request, or a failure. */
  acceptRequest(verifier: RequestVerifierRef, request: RequestRef, body: Uint8Array, now: number): Fallible<string>
  /** Uses the approval that an accepted request brings along, by one of these for that recipient. */
  approveRequest(
    verifier: RequestVerifierRef,
    request: RequestRef,
    body: Uint8Array,
    approvers: ReadonlyArray<string>,
    recipient: string,
    now: number,
  ): Fallible<UsedApproval>
  /** Signs a yes or no to a request. */
  decideRequest(key: KeyRef, request: RequestHead, body: Uint8Array, decided: RequestDecision): Fallible<string>
  generateKey(): Fallible<KeyRef>
  keyFromSeed(seed: Uint8Array): Fallible<KeyRef>
  keyDid(key: KeyRef): Fallible<string>
  /**
   * Writes the signature into the 64 bytes of `signature`, which the caller made in its own realm. `dangerously` signs a
   * statement of ours as well.
   */
  keySign(key: KeyRef, data: Uint8Array, dangerously: boolean, signature: Uint8Array): Fallible<undefined>
  destroyKey(key: KeyRef): void
  seal(key: KeyRef, draft: Draft, body: Uint8Array): Fallible<Sealed>
  didToPublicKey(did: string): Fallible<Uint8Array>
  publicKeyToDid(publicKey: Uint8Array): Fallible<string>
  verifySignature(did: string, data: Uint8Array, signature: Uint8Array): Fallible<boolean>
  /** The JWK of a DID's key, as JSON. */
  jwkJson(did: string): Fallible<string>
  /** The document of a DID, as JSON. */
  didDocumentJson(did: string): Fallible<string>
  keyFromPkcs8(file: KeyFile, passphrase?: string): Fallible<KeyRef>
  /** The same on another thread. */
  importKey(file: KeyFile, passphrase?: string): Promise<Fallible<KeyRef>>
  /** Prepares an export on another thread. The private key has no part in it and stays where it can be wiped. */
  prepareExport(passphrase: string): Promise<Fallible<WrappingRef>>
  exportKey(key: KeyRef, pem: boolean, passphrase?: string): Fallible<Exported>
  /** The end of an export that was prepared. */
  exportPrepared(key: KeyRef, pem: boolean, wrapping: WrappingRef): Fallible<Exported>
  newFetcher(world: World): FetcherRef
  /** Why an address may not be asked, as far as its text tells. */
  refuseUrl(url: string, named: Rules['named']): string | null
  /** A promise of a document's bytes, or of the reason why there are none. */
  fetch(url: string, rules: Rules, fetcher?: FetcherRef): Promise<Uint8Array | string>
  checkJson(text: string): Fallible<undefined>
  /** Opens a port; `wake` is called when another thread has left events there. */
  openPort(wake: () => void): number
  /** Closes the port and all its agents. */
  closePort(port: number): void
  /** A bus of its own; `max_lifetime` is the longest life of a message in seconds. */
  newNode(maxLifetime: number): NodeRef
  sharedNode(name: string): Fallible<NodeRef>
  nodeAgents(node: NodeRef): ReadonlyArray<Agent>
  stopOnNode(node: NodeRef, did: string): Fallible<undefined>
  closeNode(node: NodeRef): void
  /**
   * Brings an agent onto a node: with a fresh key, with the key of an identity (which is taken), or, for a key elsewhere,
   * with the DID of an identity provider.
   */
  join(port: number, node: NodeRef, options: Options, signer?: string | KeyRef): Fallible<number>
  agentDid(port: number, agent: number): Fallible<string>
  /** Lets nothing new in at an agent; an event tells when its handlers have ended. */
  retireAgent(port: number, agent: number): void
  closeAgent(port: number, agent: number): void
  /** The key of an agent, unless it is elsewhere. */
  agentKey(port: number, agent: number): Fallible<KeyRef>
  /**
   * Begins a call, and returns its number. With `total_ms` a word of the other side starts its time anew; with `window` its
   * answer may come in parts; with `receipt` the two messages are told before its end; `idempotent`, it is signed anew where it
   * may be lost.
   */
  call(
    port: number,
    agent: number,
    to: string,
    content: Content,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
    method: string | undefined,
    traceparent: string | undefined,
    totalMs: number | undefined,
    window: number | undefined,
    receipt: boolean,
    idempotent: boolean,
  ): Fallible<number>
  /** Gives a call up; whether the other side ran it. */
  abandon(port: number, call: number): 'yes' | 'no' | 'unknown' | undefined
  /**
   * Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given
   * back, 3 if somebody is asked. For calls by which nothing is asked; else see [`judge`](crate::guard::judge).
   */
  start(port: number, ticket: number): number
  /** Gives a call back, with the content that it brought: another policy judges it, or it goes to the inbox. */
  giveBack(port: number, ticket: number, content: Content): void
  /** Answers a running call. */
  answer(port: number, ticket: number, content: Content): void
  /** Ends an answer in parts. */
  finish(port: number, ticket: number, content: Content): void
  /** Sends a part of the answer to a running call: 0 if there is room for another, 1 if not, 2 if nobody takes any. */
  part(port: number, ticket: number, content: Content): Fallible<number>
  /** Whether there is room for a part, as `part` says it. */
  flow(port: number, ticket: number): number
  /** So many parts of the answer to a call were read. */
  took(port: number, call: number, parts: number): void
  /** Tells a caller how far its call is. */
  progress(port: number, ticket: number, progress?: number, total?: number, message?: string): Failure | null
  /** Refuses a running call; `detail` is the JSON object that goes with the code. */
  refuse(port: number, ticket: number, code: string, detail?: string): void
  isCancelled(port: number, ticket: number): boolean
  /** The identity provider's signature; none if it failed. False for one that is not by the key of its DID. */
  signed(port: number, agent: number, round: number, signature?: Uint8Array): boolean
  /** Milliseconds until the next pending call runs out of time; none if there is none. */
  nextDeadline(port: number): number | null
  /** Takes messages from the inbox, five elements each: one-way or not, id, sender, seconds, content. */
  receive(port: number, agent: number, max: number, listen: boolean): Fallible<unknown[]>
  /**
   * Works off all that was asked for, and returns at most `max` events, refusals among them if they are `watched`; see
   * `src/events.rs`.
   */
  flush(port: number, max: number, watched: boolean): unknown[]
  /** Verifies a call and its answer, with all that is said to be a body of either. */
  verifyReceipt(
    call: string,
    answer: string,
    requests: ReadonlyArray<Uint8Array>,
    results: ReadonlyArray<Uint8Array>,
    caller: string,
    agent: string,
  ): Fallible<Proven>
  newJudge(policy: TokenPolicy, revoked: ReadonlyArray<ListRef>, lists: ReadonlyArray<ListsRef>): Fallible<JudgeRef>
  /** The keys of an issuer, or why there are none; says why they cannot be used. */
  keysCame(judge: JudgeRef, issuer: string, askedAt: number, jwks: string | undefined, why: string): string | null
  /** Takes in a status list that was fetched for a link of a token. */
  putIssuersList(
    judge: JudgeRef,
    lists: ListsRef,
    text: string,
    uri: string,
    issuer: string,
    now: number,
  ): Failure | null
  /** Judges a token, or says what has to be found out first. */
  judgeToken(judge: JudgeRef, token: string, asked: Asked, answers: Answers): Token | Refusal | Needs
  /**
   * The same for a token that this judge has judged: what the answer about revocation rests on, or nothing if it is refused
   * now.
   */
  verifyKnownToken(
    judge: JudgeRef,
    token: number,
    now: number,
    scopes?: ReadonlyArray<string>,
    presenter?: string,
  ): Token['revocation'] | null
  forgetKnownTokens(judge: JudgeRef): void
  readPresented(text: string): Fallible<Presented>
  /** One text of both; nothing if there is neither. */
  writePresented(token?: string, approval?: string): string | undefined | Failure
  newRevocationList(capacity: number): ListRef
  /** Without a time the entry is kept for good. */
  revokeToken(list: ListRef, id: string, keepUntil?: number): Fallible<undefined>
  /** Without a time whatever the DID issues or is granted is revoked. */
  revokeDid(list: ListRef, subject: string, issuedUntil?: number): Fallible<undefined>
  reinstate(list: ListRef, subject: string): boolean
  isRevoked(list: ListRef, id: string | undefined, subject: string | undefined, issuedAt: number): boolean
  purgeRevocations(list: ListRef, now?: number): void
  revocations(list: ListRef): number
  newStatusList(count: number, len: number): Fallible<StatusList>
  /** Reads a list that this DID signed for that address. */
  readStatusList(text: string, uri: string, signer: string): Fallible<StatusList>
  setStatus(count: number, list: Uint8Array, index: number, status: number): Fallible<undefined>
  getStatus(count: number, list: Uint8Array, index: number): number | null
  statusListSize(count: number, bytes: number): number
  signStatusList(key: KeyRef, count: number, list: Uint8Array, draft: ListDraft): Fallible<string>
  newStatusLists(capacity: number, bytes: number, maxAge: number): ListsRef
  /** How many bytes the lists take in native memory. */
  listsBytes(lists: ListsRef): number
  /** Stands for so much native memory in the eyes of V8, as long as somebody holds it. */
  weight(bytes: number): object
  /** Takes in a list by a DID, or with a JWK set by an issuer of another name. */
  putList(
    lists: ListsRef,
    text: string,
    uri: string,
    issuer: string,
    jwks: string | undefined,
    now: number,
  ): Fallible<undefined>
  /** A status, or why there is none. */
  askList(lists: ListsRef, issuer: string, status: Status, now: number): number | 'stale' | 'absent' | 'unreadable'
  purgeLists(lists: ListsRef, now: number): void
  /** By default the new key starts at once. */
  signRotation(
    old: KeyRef,
    next: KeyRef,
    activeFrom: number | undefined,
    overlap: number,
    now?: number,
  ): Fallible<string>
  verifyRotation(statement: string): Fallible<Rotation>
  newKeyHistory(first: string, activeFrom: number): Fallible<HistoryRef>
  prepareKey(history: HistoryRef, statement: string, now?: number): Fallible<Rotation>
  activateKey(history: HistoryRef, key: string, from?: number): boolean
  taintKey(history: HistoryRef, key: string, from?: number): boolean
  revokeKey(history: HistoryRef, key: string): boolean
  keyState(history: HistoryRef, key: string, at?: number): string | null
  maySign(history: HistoryRef, key: string, at?: number): boolean
  receiptStands(history: HistoryRef, key: string, signedAt: number): boolean
  currentKey(history: HistoryRef, at?: number): string | null
  /** What an approver is shown, JSON text or bytes, of a body in base64url for that method. */
  shownBody(contentType: string, body: string, method?: string): string | Uint8Array | Failure
  approveCall(key: KeyRef, decision: string, call: Call, body: Uint8Array, ttl: number, now?: number): Fallible<string>
  verifyApproval(
    statement: string,
    call: Call,
    body: Uint8Array,
    approvers: ReadonlyArray<string>,
    now: number | undefined,
    clockSkew: number,
  ): Fallible<Approval>
  /** Whether one scope covers another. */
  covers(granted: string, needed: string): Fallible<boolean>
  issueToken(key: KeyRef, grant: Grant): Fallible<string>
  delegateToken(key: KeyRef, token: string, grant: Grant): Fallible<string>
  /** Lets the agents of a bus call by address. */
  reachAddresses(node: NodeRef): void
  /** Opens agents of a bus to requests: these DIDs, or all. `wake` is told which exchange has something to take. */
  newServer(node: NodeRef, only: ReadonlyArray<string> | undefined, wake: (arg: number) => void): ServerRef
  /** A request has come. */
  openExchange(server: ServerRef): number
  /** A piece of its body; why no more messages can come of it. */
  feedExchange(server: ServerRef, exchange: number, piece: Uint8Array): string | null
  /** Its body has ended; why it ought not to have. */
  endExchange(server: ServerRef, exchange: number): string | null
  /** What is to be written next into the response. */
  takeExchange(server: ServerRef, exchange: number): Taken
  /** The response is done, or its connection lost. */
  closeExchange(server: ServerRef, exchange: number): void
  newVerifier(policy: Policy): Fallible<VerifierRef>
  /**
   * Opens a message. One about which JavaScript has something to say first waits for [`accept`]: nothing is called from here,
   * so that no exception and no depth of a callback can meet a native frame.
   */
  open(verifier: VerifierRef, now: number, jws: string, body: Uint8Array, token?: string): Opened
  /**
   * Goes on with an opening, at the same time and with the same body; `call` is the JWS of the call that the message claims
   * to be about.
   */
  accept(
    verifier: VerifierRef,
    opening: OpeningRef,
    now: number,
    body: Uint8Array,
    token?: string,
    call?: string,
  ): Fallible<Message>
}
