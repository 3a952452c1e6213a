import type { Handler } from './config'
import { bounded, checkFunction, checkObject, known, strings } from '../check'
import { failure, XBindError } from '../errors'
import { decode } from '../messages/payload'
import { Unreadable } from './schema'
import { native } from '../native'
import { read } from '../native/json'
import type { Answers, JudgeRef, CallPolicy } from '../native/binding'
import { covers } from '../tokens/scope'
import type { TokenVerifierOptions } from '../tokens/demands'
import { answersText, TokenVerifier, witnessOf, type Witness } from '../tokens/token-verifier'

/** Who may call a handler, and with which rights. */
export interface HandleOptions {
  /** DIDs, or a predicate over the proven DID; everyone by default. */
  allow?: readonly string[] | ((from: string) => boolean)
  /** Whose tokens are accepted: DIDs, authorities, and issuers with their JWKS. With it, a call must present a token for this agent. */
  trust?: TokenVerifierOptions['trust']
  /** What the token must grant, all of it. */
  scopes?: readonly string[]
  /** Where it is asked whether a token, a link or a DID was revoked. */
  revocations?: TokenVerifierOptions['revocations']
  /** Somebody signs each call, with its very arguments, before the handler runs. */
  approval?: ApprovalPolicy
}

/** Who has to approve of calls, and of which. */
export interface ApprovalPolicy {
  /** DIDs whose approval counts. The first one is asked over the bus when a call brings none along. */
  by: string | readonly string[]
  /** Which calls need one; all by default. */
  when?: (call: {
    /** The caller's DID, proven by its signature. */
    readonly from: string
    /** The arguments of the call. */
    readonly payload: unknown
    /** The method asked for, if the caller named one. */
    readonly method: string | undefined
  }) => boolean
  /** How long the approver may take, default 60 000. */
  timeoutMs?: number
}

/** What `native.judge` says, beside what has to be found out. */
export const MAY_BEGIN = 0
export const IS_TO_BE_GIVEN_BACK = 2
export const WAITS = 3
const ASKS_APPROVAL = 4

/** What the native side says of a call by which something is asked: bits of its first character. */
const ASKS_ALLOWED = 1
const JUDGES_TOKEN = 2

/** A call at its agent. */
interface Asked {
  readonly port: number
  readonly ticket: number
  readonly from: string
  readonly method: string | undefined
  readonly body: string | Uint8Array
  /** What is asked. */
  readonly guarded: string
}

/** Tells the agent's owner something, and what was thrown. */
type Note = (line: string, error?: { readonly thrown: unknown }) => void

/** A handler, and the part of its policy that only JavaScript can say. What comes of it, the native side decides. */
export class Guard {
  readonly handler: Handler
  readonly policy: CallPolicy
  readonly judges: readonly JudgeRef[]
  /** Which of the agent's policies this is; 1 for the handler that an agent is made with. */
  number = 1
  readonly #allow: ((from: string) => unknown) | undefined
  readonly #when: ((call: Parameters<NonNullable<ApprovalPolicy['when']>>[0]) => unknown) | undefined
  readonly #witness: Witness | undefined
  readonly #note: Note
  /** What its owner was told. */
  readonly #told = new Set<string>()

  /** `note` tells the agent's owner something. */
  constructor(did: string, handler: Handler, options: HandleOptions, note: Note) {
    known(options, 'handle()', ['allow', 'trust', 'scopes', 'revocations', 'approval'])
    const { allow, trust, scopes, revocations, approval } = options
    this.handler = handler
    this.#note = note
    const isPredicate = typeof allow === 'function'
    if (isPredicate) this.#allow = allow
    const only = isPredicate || allow === undefined ? undefined : strings(allow, 'allow', ' of DIDs or a function')
    if (trust === undefined && (scopes !== undefined || revocations !== undefined)) {
      const what = scopes === undefined ? 'revocations' : 'scopes'
      throw new XBindError(failure('INVALID_CONFIG', `${what} without trust`, 'say with trust whose tokens count'))
    }
    if (Array.isArray(trust) && trust.length === 0) {
      throw new XBindError(failure('INVALID_CONFIG', 'trust names nobody', 'name whose tokens count'))
    }
    const needed = scopes === undefined ? [] : [...new Set(strings(scopes, 'scopes'))]
    for (const scope of needed) covers(scope, scope) // throws for what is no scope
    if (trust !== undefined) {
      const revoked = revocations === undefined ? {} : { revocations }
      this.#witness = witnessOf(new TokenVerifier({ audience: did, trust, ...revoked }))
    }
    this.judges = this.#witness ? [this.#witness.judge] : []
    const approving = approval === undefined ? undefined : checkApproval(approval)
    this.#when = approving?.when
    this.policy = {
      only,
      asksAllowed: isPredicate,
      judge: this.#witness && 0,
      scopes: needed,
      approval: approving?.policy,
    }
  }

  /** Whether a list or predicate lets that DID call. One that throws lets nobody. */
  allows(from: string): boolean {
    if (!this.#allow) return this.policy.only?.includes(from) !== false
    try {
      return this.#said('allow', this.#allow(from)) === true
    } catch (thrown) {
      this.#note('allow threw when it was asked who may read the card: nobody may on its account', { thrown })
      return false
    }
  }

  /** Whether everybody may call, as far as the DID goes. */
  get isOpen(): boolean {
    return this.#allow === undefined && this.policy.only === undefined
  }

  /**
   * Whether the handler may begin: a number, or, where somebody has to be asked who takes time, what will be found out and is
   * told the next time.
   */
  judge(call: Asked, told?: Answers): number | Promise<Answers> {
    const { port, ticket, from, guarded } = call
    const asks = guarded.charCodeAt(0) - 48
    const allowed = (asks & ASKS_ALLOWED) === 0 ? undefined : this.#said('allow', this.#allow?.(from)) === true
    const sources = (asks & JUDGES_TOKEN) !== 0 && this.#witness?.hasSources() === true
    let [needed, answers] = [undefined as boolean | undefined, told]
    for (;;) {
      const said = native.judge(port, ticket, this.number, allowed, needed, sources, answers && answersText(answers))
      answers = undefined
      if (said === ASKS_APPROVAL) {
        needed = this.#needsApproval(call)
      } else if (typeof said === 'number') {
        return said
      } else {
        const needs = read(said)
        const found = this.#witness?.answer(needs, needs.answers) ?? needs.answers
        if (found instanceof Promise) return found
        answers = found
      }
    }
  }

  /** The predicate gets a payload of its own: what it does with it does not reach the handler. */
  #needsApproval({ from, method, body }: Asked): boolean {
    let payload: unknown
    try {
      payload = decode(typeof body === 'string' ? body : body.slice())
    } catch {
      throw new Unreadable()
    }
    return this.#said('approval.when', this.#when?.(Object.freeze({ from, payload, method }))) !== false
  }

  /** A promise is neither yes nor no, and nobody waits for it: its failure is not to end the process. */
  #said(what: string, answer: unknown): unknown {
    if (typeof answer !== 'object' || answer === null) return answer
    Promise.resolve(answer).catch(() => {})
    if (!this.#told.has(what)) {
      this.#told.add(what)
      this.#note(`${what} has to answer true or false at once; what it gave lets no call in`)
    }
    return answer
  }
}

interface Approving {
  readonly when: ApprovalPolicy['when']
  readonly policy: NonNullable<CallPolicy['approval']>
}

/** A copy, so that nobody changes the policy afterwards. */
function checkApproval(approval: ApprovalPolicy): Approving {
  checkObject(approval, 'approval')
  known(approval, 'approval', ['by', 'when', 'timeoutMs'])
  const { by, when, timeoutMs } = approval
  const approvers = typeof by === 'string' ? [by] : strings(by, 'approval.by', ' of DIDs or one DID')
  if (when !== undefined) checkFunction(when, 'approval.when')
  if (approvers.length === 0) throw new XBindError(failure('INVALID_CONFIG', 'approval.by names nobody'))
  const timeout = bounded(timeoutMs, 60_000, 'approval.timeoutMs', 1, 0x7fff_ffff)
  return { when, policy: { by: approvers, asked: when !== undefined, timeoutMs: timeout } }
}
