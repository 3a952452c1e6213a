import { checkFunction, checkObject, checkString, known, optional, strings } from '../check'
import { isFailure, XBindError } from '../errors'
import type { Method } from '../native/binding'
import { native } from '../native'
import { Duty, type HandleOptions, type Post } from './admission'
import type { Handler } from './config'
import type { Admission, Incoming } from './incoming'
import { checkedParts, isParts } from './parts'
import { Schema, type StandardSchema } from './schema'

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
  /** Between its schemas. */
  readonly handler: Handler
  /** Its own policy, as far as it has one. */
  readonly policy: HandleOptions
  readonly duty: Duty
  readonly offered: Omit<Method, 'scopes'>
}

interface Offer {
  readonly post: () => Post
  /** The handler without a name. */
  readonly handler: Handler | undefined
  /** Its policy, which stays that of the methods when it goes. */
  readonly policy: HandleOptions
  readonly duty: Duty | undefined
  readonly named: ReadonlyMap<string, Named>
}

/** All that an agent answers. It does not change: whoever sets a handler gets another one. */
export class Offers {
  readonly #offer: Offer

  private constructor(offer: Offer) {
    this.#offer = offer
  }

  static none(post: () => Post): Offers {
    return new Offers({ post, handler: undefined, policy: {}, duty: undefined, named: new Map() })
  }

  /** Without options, a handler that goes leaves its policy to the methods. */
  with(handler: Handler | null, options: HandleOptions | undefined): Offers {
    if (handler !== null) checkFunction(handler, 'handler')
    if (options !== undefined) {
      checkObject(options, 'options')
      known(options, 'handle()', POLICY)
    }
    const { post, policy: before, named } = this.#offer
    const policy = options === undefined ? (handler === null ? before : {}) : copied(options)
    // Without a handler, its policy is checked as well.
    const duty = new Duty(post, handler ?? nobody, policy)
    const again = new Map<string, Named>()
    for (const [name, each] of named) {
      again.set(name, { ...each, duty: new Duty(post, each.handler, { ...policy, ...each.policy }) })
    }
    return new Offers({
      post,
      handler: handler ?? undefined,
      policy,
      duty: handler === null ? undefined : duty,
      named: again,
    })
  }

  withMethod(name: string, handler: Handler | null, options: MethodOptions = {}): Offers {
    if (handler !== null) checkFunction(handler, 'handler')
    checkObject(options, 'options')
    known(options, 'handle()', OPTIONS)
    const { input, output, description } = options
    optional(description, checkString, 'description')
    const taken = input === undefined ? undefined : new Schema(input, 'options.input')
    const given = output === undefined ? undefined : new Schema(output, 'options.output')
    const { post, policy: base, named } = this.#offer
    const policy = copied(options)
    const answer = checked(handler ?? nobody, taken, given)
    const duty = new Duty(post, answer, { ...base, ...policy })
    const offered = {
      name,
      ...(description !== undefined && { description }),
      ...told('input', taken),
      ...told('output', given),
    }
    const again = new Map(named).set(name, { given: handler, handler: answer, policy, duty, offered })
    const offers = new Offers({ ...this.#offer, named: again })
    // Whatever is out of the bounds of a card is told to whoever offers it, not to whoever asks for the card.
    const card = native.cardToSign(post().did, { methods: offers.methods(), addresses: [] })
    if (isFailure(card)) throw new XBindError(card)
    if (handler !== null) return offers
    again.delete(name)
    return new Offers({ ...this.#offer, named: again })
  }

  get hasHandler(): boolean {
    return this.#offer.duty !== undefined
  }

  /** Whether a handler of `before` is another one now. */
  replaces(before: Offers): boolean {
    const [was, is] = [before.#offer, this.#offer]
    if (was.handler && is.handler && was.handler !== is.handler) return true
    return [...is.named].some(([name, { given }]) => was.named.has(name) && was.named.get(name)?.given !== given)
  }

  /** Whether anything is answered but the question what is. */
  get isEmpty(): boolean {
    return this.#offer.duty === undefined && this.#offer.named.size === 0
  }

  /** Who may call the handler without a name, where a list says so. */
  get only(): string[] | undefined {
    return this.#offer.duty?.only
  }

  /** Who may call anything, where lists say so. */
  get onlyThese(): string[] | undefined {
    const lists = this.#duties().map(({ only }) => only)
    if (lists.length === 0 || lists.includes(undefined)) return undefined
    return [...new Set(lists.flatMap((only) => only ?? []))]
  }

  /** What answers a call of that method, or one without. */
  dutyFor(method: string | undefined): Duty | undefined {
    const named = method === undefined ? undefined : this.#offer.named.get(method)
    return (named ?? this.#offer).duty
  }

  /** `now` gives what the agent answers by then; `describe` the handler of the card. */
  admit(
    call: Incoming,
    body: string | Uint8Array,
    token: string | null,
    now: () => Offers,
    describe: Handler,
  ): Admission | undefined | Promise<Admission> {
    const { method } = call
    if (method !== undefined && /^xbind\./i.test(method)) {
      if (method !== DESCRIBE) return { code: 'METHOD_NOT_FOUND' }
      const duties = this.#duties()
      const may = duties.length === 0 || duties.some((duty) => duty.allows(call.from))
      return may ? describe : { code: 'NOT_ALLOWED' }
    }
    const duty = this.dutyFor(method)
    if (duty) return duty.admit(call, body, token, () => now().dutyFor(method) === duty)
    return method === undefined ? undefined : { code: 'METHOD_NOT_FOUND' }
  }

  /** As they stand in the card. */
  methods(): Method[] {
    return Array.from(this.#offer.named.values(), ({ offered, policy }) => ({
      ...offered,
      scopes: [...(policy.scopes ?? this.#offer.policy.scopes ?? [])],
    }))
  }

  #duties(): Duty[] {
    const { duty, named } = this.#offer
    return [...(duty ? [duty] : []), ...Array.from(named.values(), (each) => each.duty)]
  }
}

const nobody: Handler = () => undefined

/** A policy of one's own, without what was left out: nobody changes it afterwards, and it can be laid over another. */
function copied(options: HandleOptions): HandleOptions {
  const { allow, trust, scopes, revocations, approval } = options
  return {
    ...(allow !== undefined && { allow: typeof allow === 'function' ? allow : strings(allow, 'allow') }),
    ...(trust !== undefined && { trust: Array.isArray(trust) ? [...(trust as typeof trust)] : trust }),
    ...(scopes !== undefined && { scopes: strings(scopes, 'scopes') }),
    ...(revocations !== undefined && { revocations }),
    ...(approval !== undefined && { approval: isPlain(approval) ? { ...approval } : approval }),
  }
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
