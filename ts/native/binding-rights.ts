import type { Failure, KeyRef } from './binding'

/** What the addon exports for rights (src/rights/). */
export interface RightsBinding {
  covers(granted: string, needed: string): boolean | Failure
  issueToken(key: KeyRef, grant: Grant): string | Failure
  delegateToken(key: KeyRef, token: string, grant: Grant): string | Failure

  newJudge(
    policy: TokenPolicy,
    revoked: readonly RevocationListRef[],
    lists: readonly StatusListsRef[],
  ): JudgeRef | Failure
  /** The keys of an issuer, or why there are none; why they cannot be used, if they cannot. */
  keysCame(judge: JudgeRef, issuer: string, askedAt: number, jwks: string | undefined, why: string): string | null
  putIssuersList(
    judge: JudgeRef,
    lists: StatusListsRef,
    text: string,
    uri: string,
    issuer: string,
    now: number,
  ): Failure | null
  judgeToken(judge: JudgeRef, token: string, asked: Asked, answers: Answers): VerifiedToken | TokenRefusal | Needs

  /** For a token that was verified by this judge; null if it is refused. */
  verifyKnownToken(
    judge: JudgeRef,
    token: number,
    now: number,
    scopes?: readonly string[],
    presenter?: string,
  ): Evidence | null

  /** Gives back what `judgeToken` has remembered. */
  forgetKnownTokens(judge: JudgeRef): void

  newRevocationList(capacity: number): RevocationListRef
  revokeToken(list: RevocationListRef, id: string, keepUntil?: number): Failure | null
  revokeDid(list: RevocationListRef, did: string, issuedUntil?: number): Failure | null
  reinstate(list: RevocationListRef, did: string): boolean
  isRevoked(list: RevocationListRef, id: string | undefined, did: string | undefined, issuedAt: number): boolean
  purgeRevocations(list: RevocationListRef, now?: number): void
  revocations(list: RevocationListRef): number

  newStatusList(bits: number, size: number): StatusBytes | Failure
  readStatusList(jws: string, uri: string, signer: string): StatusBytes | Failure
  /** These look into the bytes where they lie, and keep no hold of them. */
  setStatus(bits: number, bytes: Uint8Array, index: number, status: number): Failure | null
  getStatus(bits: number, bytes: Uint8Array, index: number): number | null
  statusListSize(bits: number, bytes: number): number
  signStatusList(key: KeyRef, bits: number, bytes: Uint8Array, draft: ListDraft): string | Failure

  newStatusLists(capacity: number, maxBytes: number, maxAge: number): StatusListsRef
  /** How much native memory the lists take. */
  listsBytes(lists: StatusListsRef): number
  /** Makes V8 know of so much native memory, as long as somebody holds it. */
  weight(bytes: number): object
  putList(
    lists: StatusListsRef,
    jws: string,
    uri: string,
    issuer: string,
    jwks: string | undefined,
    now: number,
  ): Failure | null
  /** A status, or why there is none. */
  askList(
    lists: StatusListsRef,
    issuer: string,
    status: StatusRef,
    now: number,
  ): number | 'stale' | 'absent' | 'unreadable'
  purgeLists(lists: StatusListsRef, now: number): void

  signRotation(
    old: KeyRef,
    next: KeyRef,
    activeFrom: number | undefined,
    overlap: number,
    now: number | undefined,
  ): string | Failure
  verifyRotation(statement: string): Rotation | Failure
  newKeyHistory(did: string, activeFrom: number): KeyHistoryRef | Failure
  prepareKey(history: KeyHistoryRef, statement: string, now?: number): Rotation | Failure
  activateKey(history: KeyHistoryRef, did: string, from?: number): boolean
  taintKey(history: KeyHistoryRef, did: string, from?: number): boolean
  revokeKey(history: KeyHistoryRef, did: string): boolean
  keyState(history: KeyHistoryRef, did: string, at?: number): string | null
  maySign(history: KeyHistoryRef, did: string, at?: number): boolean
  receiptStands(history: KeyHistoryRef, did: string, signedAt: number): boolean
  currentKey(history: KeyHistoryRef, at?: number): string | null

  readPresented(text: string): { token?: string; approval?: string } | Failure
  writePresented(token?: string, approval?: string): string | null | Failure
  /** JSON text or bytes of a body in base64url, strictly read. */
  shownBody(contentType: string, body: string): string | Uint8Array | Failure

  approveCall(
    key: KeyRef,
    decision: string,
    call: DecidedCall,
    body: Uint8Array,
    ttl: number,
    now?: number,
  ): string | Failure
  verifyApproval(
    statement: string,
    call: DecidedCall,
    body: Uint8Array,
    approvers: readonly string[],
    now: number | undefined,
    clockSkew: number,
  ): Approval | Failure
}

declare const opaque: unique symbol
export interface JudgeRef {
  readonly [opaque]: 'judge'
}
export interface RevocationListRef {
  readonly [opaque]: 'revocation list'
}
export interface StatusListsRef {
  readonly [opaque]: 'status lists'
}
export interface KeyHistoryRef {
  readonly [opaque]: 'key history'
}

/** A list of statuses in JavaScript's memory. */
export interface StatusBytes {
  readonly bits: number
  readonly bytes: Uint8Array
}

/** What is left out keeps its default, which for a delegation is its parent's. */
export interface Grant {
  subject: string
  audience?: string | undefined
  scopes?: readonly string[] | undefined
  ttl?: number | undefined
  claims?: string | undefined
  status?: StatusRef | undefined
  now?: number | undefined
}

/** Where a token says that its status is published. */
export interface StatusRef {
  /** The place of the token in the list. */
  readonly index: number
  /** Where the list is published. */
  readonly uri: string
}

export interface TokenPolicy {
  audience: string
  clockSkew: number
  maxLifetime: number
  dids: string[]
  issuers: { issuer: string; jwks: string }[]
  /** Those whose keys are fetched. */
  fetched: string[]
  acceptUnknown: boolean
}

export interface Asked {
  now: number
  scopes: readonly string[]
  presenter?: string | undefined
}

/** Whether each link was revoked; undefined where nobody can tell. */
export type Standing = (boolean | undefined)[]

/** What has been found out before a token is judged. */
export interface Answers {
  /** There are sources to ask about every link. */
  sources: boolean
  /** Documents may be fetched. */
  patient: boolean
  standing?: Standing | undefined
  /** Keys were asked for, whatever came of it. */
  keysSought?: boolean | undefined
  listsSought?: boolean | undefined
}

/** What has to be found out before a token can be judged. */
export interface Needs {
  /** The issuer whose keys have to be fetched. */
  keys?: string
  lists: boolean
  standing: boolean
  links: Link[]
  /** What is known so far. */
  answers: Answers
}

export interface TokenRefusal extends Failure {
  readonly revocation: Evidence
  /** The issuer whose keys are not there, whether they were asked for, and why they did not come. */
  readonly keysOf?: string
  readonly keysAsked: boolean
  readonly keysFailure?: string
}

export interface Link {
  id: string
  issuer: string
  subject: string
  issuedAt: number
  status?: StatusRef
}

/** What is known about revocation. Only `fresh` is an answer; `unchecked` says that nobody was to be asked. */
export type Evidence = 'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'

export interface VerifiedToken {
  issuer: string
  subject: string
  audience: string
  scopes: string[]
  id: string
  issuedAt: number
  expiresAt: number
  chain: string[]
  claims: string
  revocation: Evidence
  /** By which it is verified again, until all are forgotten; none where other sources were asked. */
  known?: number
}

export interface ListDraft {
  uri: string
  lifetime: number
  ttl?: number | undefined
  now?: number | undefined
}

export interface Rotation {
  old: string
  new: string
  issuedAt: number
  activeFrom: number
  overlap: number
}

export interface DecidedCall {
  caller: string
  recipient: string
  contentType: string
}

export interface Approval {
  decision: 'approve' | 'deny'
  approver: string
  id: string
  issuedAt: number
  expiresAt: number
}
