// What a reader of stops knows, by docs/nats.md ("Stops", "Heartbeat") alone.
import { createHash } from 'node:crypto'
import { readStatement } from './nats-statements'

interface Word {
  readonly verb: 'stop' | 'resume'
  readonly issuedAt: number
  readonly digest: Buffer
}

interface Beat {
  readonly seq: number
  readonly issuedAt: number
  readonly expiresAt: number
  readonly count: number
  readonly set: string
  /** When it came. */
  readonly came: number
}

/** Of one operator. */
class Book {
  readonly words = new Map<string, Word>()
  beat: Beat | undefined
  early: Beat | undefined

  fits({ count, set }: Beat): boolean {
    const all = [...this.words].toSorted(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    const digests = all.map(([, { digest }]) => digest)
    return count === all.length && set === sha256('xbind-stops-v1\0', ...digests).toString('base64url')
  }

  isFresh(now: number, skew: number): boolean {
    if (this.beat === undefined) return false
    const { came, issuedAt, expiresAt } = this.beat
    const until = Math.min(expiresAt + skew, came + expiresAt - issuedAt)
    return now < until && now >= came - skew
  }
}

const sha256 = (...parts: (string | Buffer)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** The key of an agent or token, behind its operator. */
export const keyOf = (agent: string | null, token: string | null): string =>
  agent === null ? `t.${sha256(String(token)).toString('base64url')}` : `d.${agent.slice('did:key:'.length)}`

/** One reader, who is told one thing after the other. */
export class Stops {
  readonly #reading: { readonly namespace: string; readonly operators: readonly string[]; readonly skew: number }
  readonly #capacity: number
  readonly #books: Map<string, Book>

  constructor(namespace: string, operators: readonly string[], skew: number, capacity: number) {
    this.#reading = { namespace, operators, skew }
    this.#capacity = capacity
    this.#books = new Map(operators.map((operator) => [operator, new Book()]))
  }

  /** The code that it is refused with, or none. */
  take(kind: string, text: string, now: number): string | null {
    if (kind === 'nothing') return null
    const said = readStatement(kind, text, { ...this.#reading, now })
    if (typeof said === 'string') return said
    return kind === 'stop' ? this.#stop(said as Stop, text) : this.#beat(said as Heartbeat, now)
  }

  standing(key: string, now: number): 'revoked' | 'valid' | 'unknown' {
    const books = [...this.#books.values()]
    if (books.some(({ words }) => words.get(key)?.verb === 'stop')) return 'revoked'
    return books.every((book) => book.isFresh(now, this.#reading.skew)) ? 'valid' : 'unknown'
  }

  #stop({ operator, agent, token, verb, issuedAt }: Stop, text: string): string | null {
    const book = this.#books.get(operator)!
    const [key, word] = [keyOf(agent, token), { verb, issuedAt, digest: sha256(text) }]
    const known = book.words.get(key)
    if (known !== undefined && !isNewer(word, known)) return null
    const held = [...this.#books.values()].reduce((sum, { words }) => sum + words.size, 0)
    if (known === undefined && held >= this.#capacity) return 'INVALID_CONFIG'
    book.words.set(key, word)
    if (book.early !== undefined && book.fits(book.early)) [book.beat, book.early] = [book.early, undefined]
    return null
  }

  #beat(said: Heartbeat, came: number): string | null {
    const [book, beat] = [this.#books.get(said.operator)!, { ...said, came }]
    const last = Math.max(book.beat?.seq ?? -1, book.early?.seq ?? -1)
    if (beat.seq < last) return 'REPLAYED'
    if (beat.seq === last && book.early === undefined) return null
    if (book.fits(beat)) {
      book.beat = beat
      book.early = undefined
      return null
    }
    book.early = beat
    return 'REVOCATION_UNKNOWN'
  }
}

interface Stop extends Word {
  readonly operator: string
  readonly agent: string | null
  readonly token: string | null
}

interface Heartbeat extends Beat {
  readonly operator: string
}

/** The later one; of one second a stop; else the higher digest. */
function isNewer(word: Word, known: Word): boolean {
  if (word.issuedAt !== known.issuedAt) return word.issuedAt > known.issuedAt
  if (word.verb !== known.verb) return word.verb === 'stop'
  return Buffer.compare(word.digest, known.digest) > 0
}
