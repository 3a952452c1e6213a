import { bounded, checkObject, checkString, known, optional, strings } from '../check'
import type { CardDraft, Failure, Method } from '../native/binding'
import { failure, isFailure } from '../errors'
import { short } from './log'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import { notWhole } from '../tokens/seconds'

/** What an agent offers, signed by it. Names, descriptions and schemas are its own words: a stranger's text. */
export interface AgentCard {
  /** Whose card it is, proven by the signature. */
  readonly did: string
  /** The agent's label, which proves nothing. */
  readonly name: string | undefined
  /** What it offers. */
  readonly methods: readonly OfferedMethod[]
  /** Where it says that it can be reached beyond this process: URLs. */
  readonly addresses: readonly string[]
  /**
   * The session of an agent of another process, where `describe` has asked it: an approval that is to be brought along names it.
   * It is no part of the card, and over when that process is.
   */
  readonly session?: string
  /** Until when it holds, in seconds since the epoch. */
  readonly expiresAt: number
  /** The signed statement itself, to show to others: docs/cards.md. */
  readonly jws: string
}

/** A method in a card. */
export interface OfferedMethod {
  /** What is called for: `agent.call(did, payload, { method: name })`. */
  readonly name: string
  /** What it does, as its agent says. */
  readonly description?: string
  /** The JSON Schema of the payload. */
  readonly input?: object
  /** The JSON Schema of the answer. */
  readonly output?: object
  /** What a token must grant to call it. */
  readonly scopes: readonly string[]
}

/**
 * Verifies a card that came by any way. `describe` does so by itself.
 * Errors: INVALID_TOKEN (no card, or not signed by its agent), UNTRUSTED_ISSUER (another agent's), TOKEN_NOT_YET_VALID,
 * TOKEN_EXPIRED, INVALID_DID, INVALID_CONFIG (a time). Throws INVALID_CONFIG for a skew of more than 300 s.
 *
 * @example
 * ```ts
 * const card = await agent.describe()
 * if (card.ok) console.log(verifyCard(card.value.jws, { did: agent.getDID() }).ok) // true
 * ```
 */
export function verifyCard(
  jws: string,
  options: {
    /** Whose card it has to be; without it, that of whomever it names. */
    did?: string
    /** Seconds since the epoch; the system clock by default. */
    now?: number
    /** Default 30, at most 300. */
    clockSkewSeconds?: number
  } = {},
): Result<AgentCard> {
  checkString(jws, 'jws')
  checkObject(options, 'options')
  known(options, 'verifyCard()', ['did', 'now', 'clockSkewSeconds'])
  const { did, now, clockSkewSeconds } = options
  optional(did, checkString, 'did')
  const skew = bounded(clockSkewSeconds, SKEW, 'clockSkewSeconds', 0, 300)
  const wrong = notWhole({ now })
  return wrong ? fail(wrong) : readCard(jws, did, now, skew)
}

/** How far clocks may differ, in seconds. */
const SKEW = 30
/** How long a card is handed out before another one is signed, in seconds: half of its life. */
const KEPT = 1800

/** A card, of what, and until when it is handed out. */
interface Kept {
  readonly offers: { methods(): Method[] }
  readonly until: number
  readonly card: Promise<Result<AgentCard>>
}

/** Any DID will do to find out whether a card can be. */
const ANYBODY = 'did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw'

/** @internal A copy of the addresses that an agent says it has. Throws INVALID_CONFIG for those that no card can name. */
export function checkAddresses(addresses: unknown): readonly string[] | undefined {
  if (addresses === undefined) return undefined
  const copy = strings(addresses, 'addresses')
  orThrow(native.cardToSign(ANYBODY, json({ methods: [], addresses: copy })))
  return copy
}

/** @internal An agent's own card, which is signed anew when the agent offers something else, or half of its life is over. */
export class CardKeeper {
  readonly #did: string
  readonly #name: string | undefined
  readonly #addresses: readonly string[]
  readonly #sign: (bytes: Uint8Array) => unknown
  #kept: Kept | undefined

  constructor(
    did: string,
    name: string | undefined,
    addresses: readonly string[],
    sign: (bytes: Uint8Array) => unknown,
  ) {
    this.#did = did
    this.#name = name
    this.#addresses = addresses
    this.#sign = sign
  }

  of(offers: Kept['offers']): Promise<Result<AgentCard>> {
    const now = performance.now() / 1000
    if (this.#kept?.offers === offers && now < this.#kept.until) return this.#kept.card
    const draft = { name: this.#name, methods: offers.methods(), addresses: this.#addresses }
    const kept = { offers, until: now + KEPT, card: signCard(this.#did, draft, this.#sign) }
    this.#kept = kept
    void this.#forget(kept)
    return kept.card
  }

  /** One that was not signed is not kept. */
  async #forget(kept: Kept): Promise<void> {
    const { ok: isSigned } = await kept.card
    if (!isSigned && this.#kept === kept) this.#kept = undefined
  }
}

/** @internal The card in the answer of an agent, which has to be its own. */
export function cardIn(answer: unknown, from: string, session: string | null): Result<AgentCard> {
  const { card } = (answer ?? {}) as { card?: unknown }
  if (typeof card === 'string') {
    const read = readCard(card, from, undefined, SKEW)
    return read.ok && session !== null ? ok(Object.freeze({ ...read.value, session })) : read
  }
  return fail(failure('INVALID_TOKEN', `${short(from)} did not answer with a card`))
}

/** Signs with whoever has the key of that DID, and looks at what came of it as everybody else will. */
async function signCard(
  did: string,
  draft: CardDraft,
  sign: (bytes: Uint8Array) => unknown,
): Promise<Result<AgentCard>> {
  const input = native.cardToSign(did, json(draft))
  if (isFailure(input)) return fail(input)
  let signature: unknown
  try {
    signature = await sign(Buffer.from(input))
    const jws = `${input}.${Buffer.from(signature as Uint8Array).toString('base64url')}`
    const card = readCard(jws, did, undefined, 0)
    if (card.ok) return card
  } catch {
    // What a provider throws may hold anything.
  }
  return fail(unsigned)
}

const unsigned: Failure = failure('SIGN_FAILED', 'the card was not signed with the key of this agent')

function readCard(jws: string, did: string | undefined, now: number | undefined, skew: number): Result<AgentCard> {
  const verified = native.verifyCard(jws, did, now, skew)
  if (isFailure(verified)) return fail(verified)
  const card = read(verified)
  const methods = card.methods.map(({ name, description, input, output, scopes }): OfferedMethod =>
    Object.freeze({
      name,
      ...(description !== undefined && { description }),
      ...(input !== undefined && { input: JSON.parse(input) as object }),
      ...(output !== undefined && { output: JSON.parse(output) as object }),
      scopes: Object.freeze(scopes),
    }),
  )
  const { did: signer, name, addresses, expiresAt } = card
  const frozen = { methods: Object.freeze(methods), addresses: Object.freeze(addresses) }
  return ok(Object.freeze({ did: signer, name, ...frozen, expiresAt, jws }))
}
