import { checkFunction, checkObject, checkString, known, optional, strings } from '../check'
import { isFailure, XBindError } from '../errors'
import type { CallPolicy, JudgeRef, Method } from '../native/binding'
import { native } from '../native'
import { json } from '../native/json'
import { Guard, type ApprovalPolicy, type HandleOptions } from './guard'
import type { Handler } from './config'
import { checkedParts, isParts } from './parts'
import { NoMethod, Schema, type StandardSchema } from './schema'
import type { TrustedAuthority, TrustedIssuer } from '../tokens/demands'

/** What a method takes and gives, and who may call it. What is left out of the policy is that of the handler without a name. */
export interface MethodOptions<I = unknown, O = unknown> extends HandleOptions {
  /**
   * Checked before the handler runs, which gets what came out of it. What does not fit is INVALID_INPUT at the caller, with the
   * path.
   */
  input?: StandardSchema<unknown, I>
  /**
   * Checked before the answer leaves, which is what comes out of it; of an answer in parts, each part. What does not fit is
   * HANDLER_FAILED at the caller.
   */
  output?: StandardSchema<O>
  /** What it does, for the card: at most 2048 bytes. */
  description?: string
}

/** The method that every agent answers by itself. */
export const DESCRIBE = 'xbind.describe'

const POLICY = ['allow', 'trust', 'scopes', 'revocations', 'approval'] as const
const OPTIONS = [...POLICY, 'input', 'output', 'description']

/** A method as it was set. */
interface Named {
  /** As it was given. */
  readonly given: Handler | null
  /** Its own policy, as far as it has one. */
  readonly policy: HandleOptions
  /** Its handler, between its schemas, and all of its policy. */
  readonly guard: Guard
  readonly offered: Omit<Method, 'scopes'>
}

interface Offer {
  /** The agent's. */
  readonly did: string
  readonly make: (handler: Handler, options: HandleOptions) => Guard
  /** Answers the question what is offered. */
  readonly describe: Handler
  /** The policy of the handler without a name, which stays that of the methods when it goes. */
  readonly policy: HandleOptions
  readonly guard: Guard | undefined
  readonly named: ReadonlyMap<string, Named>
}

/** All that an agent answers. It does not change: whoever sets a handler gets another one. */
export class Offers {
  readonly #offer: Offer
  readonly #describing: Guard

  private constructor(offer: Offer) {
    this.#offer = offer
    this.#describing = offer.make(offer.describe, readers(guardsOf(offer)))
  }

  static none({ did, make, describe }: Pick<Offer, 'did' | 'make' | 'describe'>): Offers {
    return new Offers({ did, make, describe, policy: {}, guard: undefined, named: new Map() })
  }

  /** Without options, a handler that goes leaves its policy to the methods. */
  with(handler: Handler | null, options: HandleOptions | undefined): Offers {
    if (handler !== null) checkFunction(handler, 'handler')
    if (options !== undefined) {
      checkObject(options, 'options')
      known(options, 'handle()', POLICY)
    }
    const { make, policy: before, named } = this.#offer
    const policy = options === undefined ? (handler === null ? before : {}) : copied(options)
    // Without a handler, its policy is checked as well.
    const guard = make(handler ?? nobody, policy)
    const again = new Map<string, Named>()
    for (const [name, each] of named) {
      again.set(name, { ...each, guard: make(each.guard.handler, { ...policy, ...each.policy }) })
    }
    return new Offers({ ...this.#offer, policy, guard: handler === null ? undefined : guard, named: again })
  }

  withMethod(name: string, handler: Handler | null, options: MethodOptions = {}): Offers {
    if (handler !== null) checkFunction(handler, 'handler')
    checkObject(options, 'options')
    known(options, 'handle()', OPTIONS)
    const { input, output, description } = options
    optional(description, checkString, 'description')
    const taken = input === undefined ? undefined : new Schema(input, 'options.input')
    const given = output === undefined ? undefined : new Schema(output, 'options.output')
    const { did, make, policy: base, named } = this.#offer
    const policy = copied(options)
    const guard = make(checked(handler ?? nobody, taken, given), { ...base, ...policy })
    const offered = {
      name,
      ...(description !== undefined && { description }),
      ...told('input', taken),
      ...told('output', given),
    }
    const again = new Map(named).set(name, { given: handler, policy, guard, offered })
    const offers = new Offers({ ...this.#offer, named: again })
    // Whatever is out of the bounds of a card is told to whoever offers it, not to whoever asks for the card.
    const card = native.cardToSign(did, json({ methods: offers.methods(), addresses: [] }))
    if (isFailure(card)) throw new XBindError(card)
    if (handler !== null) return offers
    again.delete(name)
    return new Offers({ ...this.#offer, named: again })
  }

  /** Whether a handler of `before` is another one now. */
  replaces(before: Offers): boolean {
    const [was, is] = [before.#offer, this.#offer]
    if (was.guard && is.guard && was.guard.handler !== is.guard.handler) return true
    return [...is.named].some(([name, { given }]) => was.named.has(name) && was.named.get(name)?.given !== given)
  }

  /** As the native side takes them. */
  get policies(): { policies: CallPolicy[]; judges: JudgeRef[] } {
    const { guard, named } = this.#offer
    const policies: CallPolicy[] = []
    const judges: JudgeRef[] = []
    const add = (method: string | undefined, each: Guard): void => {
      policies.push({ ...each.policy, method, judge: each.judges.length > 0 ? judges.length : undefined })
      judges.push(...each.judges)
    }
    if (guard) add(undefined, guard)
    for (const [name, each] of named) add(name, each.guard)
    add(DESCRIBE, this.#describing)
    return { policies, judges }
  }

  /** Whether it answers any calls. */
  get answers(): boolean {
    return guardsOf(this.#offer).length > 0
  }

  /** Which policies these are. */
  set number(number: number) {
    for (const guard of [...guardsOf(this.#offer), this.#describing]) guard.number = number
  }

  /** What is to be said of a call of that method, or of one without. */
  guardFor(method: string | undefined): Guard | undefined {
    if (method === DESCRIBE) return this.#describing
    const named = method === undefined ? undefined : this.#offer.named.get(method)
    return named?.guard ?? this.#offer.guard
  }

  /** What answers it. */
  handlerFor(method: string | undefined): Handler | undefined {
    if (method !== undefined && method !== DESCRIBE && /^xbind\./i.test(method)) return missing
    return this.guardFor(method)?.handler
  }

  /** As they stand in the card. */
  methods(): Method[] {
    return Array.from(this.#offer.named.values(), ({ offered, policy }) => ({
      ...offered,
      scopes: [...(policy.scopes ?? this.#offer.policy.scopes ?? [])],
    }))
  }
}

function guardsOf({ guard, named }: Offer): Guard[] {
  return [...(guard ? [guard] : []), ...Array.from(named.values(), (each) => each.guard)]
}

/** Whoever may call anything may read what there is. */
function readers(guards: Guard[]): HandleOptions {
  if (guards.length === 0 || guards.some((guard) => guard.isOpen)) return {}
  const lists = guards.map(({ policy }) => policy.only)
  if (lists.includes(undefined)) return { allow: (from) => guards.some((guard) => guard.allows(from)) }
  return { allow: [...new Set(lists.flatMap((only) => only ?? []))] }
}

const missing: Handler = () => {
  throw new NoMethod()
}

const nobody: Handler = () => undefined

/** A policy of one's own, without what was left out: nobody changes it afterwards, and it can be laid over another. */
function copied(options: HandleOptions): HandleOptions {
  const { allow, trust, scopes, revocations, approval } = options
  return {
    ...(allow !== undefined && {
      allow: typeof allow === 'function' ? allow : strings(allow, 'allow', ' of DIDs or a function'),
    }),
    ...(trust !== undefined && { trust: Array.isArray(trust) ? trust.map(issuerOf) : trust }),
    ...(scopes !== undefined && { scopes: strings(scopes, 'scopes') }),
    ...(revocations !== undefined && { revocations }),
    ...(approval !== undefined && { approval: isPlain(approval) ? approvalOf(approval) : approval }),
  }
}

type Trusted = string | TrustedAuthority | TrustedIssuer

function issuerOf(each: Trusted): Trusted {
  if (typeof each !== 'object' || !isPlain(each)) return each
  if (!('jwks' in each)) return { ...each }
  const { jwks } = each
  if (typeof jwks !== 'object' || !isPlain(jwks) || !Array.isArray(jwks.keys)) return { ...each }
  const keys = jwks.keys.map((key: object) => (isPlain(key) ? { ...key } : key))
  return { ...each, jwks: { ...jwks, keys } }
}

function approvalOf(approval: ApprovalPolicy): ApprovalPolicy {
  const { by } = approval
  return { ...approval, by: Array.isArray(by) ? [...(by as readonly string[])] : by }
}

function isPlain(value: unknown): boolean {
  return (
    Object.prototype.toString.call(value) === '[object Object]' && Object.getPrototypeOf(value) === Object.prototype
  )
}

/** The handler between its schemas. */
function checked(handler: Handler, input: Schema | undefined, output: Schema | undefined): Handler {
  if (!input && !output) return handler
  const answer: Handler = output
    ? (call) => {
        const checked = (value: unknown): unknown =>
          isParts(value) ? checkedParts(value, (part) => output.output(part)) : output.output(value)
        const value = handler(call)
        return isThenable(value) ? value.then(checked) : checked(value)
      }
    : handler
  if (!input) return answer
  return (call) => {
    const payload = input.input(call.payload)
    if (!isThenable(payload)) return answer(given(call, payload))
    return payload.then((payload) => {
      if (!call.signal.aborted) return answer(given(call, payload)) // else nobody waits for it any more
      return undefined
    })
  }
}

/** Calls are made for one handler alone. */
function given(call: Parameters<Handler>[0], payload: unknown): Parameters<Handler>[0] {
  return Object.assign(call, { payload })
}

function told(side: 'input' | 'output', schema: Schema | undefined): { [side in 'input' | 'output']?: string } {
  const text = schema?.json(side)
  return text === undefined ? {} : { [side]: text }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
