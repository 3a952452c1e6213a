import { checkFunction } from '../check'
import { json } from '../native/json'

/**
 * A schema of any library that speaks Standard Schema, version 1: zod 4, valibot, arktype and others. See https://standardschema.dev.
 * `I` is what it takes, `O` what comes out of it.
 */
export interface StandardSchema<I = unknown, O = I> {
  /** What the library and this package agree on. */
  readonly '~standard': {
    /** Always 1. */
    readonly version: 1
    /** Which library it is. */
    readonly vendor: string
    /** `{ value }`, or `{ issues }` with the path of each; or a promise of one. */
    readonly validate: (value: unknown, ...rest: never[]) => unknown
    /** Only in types. */
    readonly types?:
      | {
          /** What it takes. */
          readonly input: I
          /** What comes out of it. */
          readonly output: O
        }
      | undefined
  }
}

/** A payload that does not fit: told to its caller, with the place and nothing else. */
export class WrongInput extends Error {
  /** JSON, of the path as a JSON pointer; none for the payload as a whole. */
  readonly detail: string | undefined

  constructor(path: string) {
    super('the payload does not fit the schema of the method')
    this.detail = path === '' ? undefined : json({ path })
  }
}

/** A method that nobody handles. */
export class NoMethod extends Error {}

/** A body that only claims to be JSON. */
export class Unreadable extends Error {}

/** What a schema said: the value that came out of it, or where the fault is. */
type Verdict = { readonly value: unknown } | { readonly path: string }

/** The longest path that is told, in bytes: the core passes on no longer one. */
const MAX_PATH = 256

/** A schema, of which whatever is needed was read once, when it was given. */
export class Schema {
  readonly #standard: object
  readonly #validate: (value: unknown) => unknown
  readonly #what: string

  /** `what` names it in errors: `options.input`. Throws a TypeError for what is no schema. */
  constructor(schema: unknown, what: string) {
    const standard = schemaIn(schema, what)
    const { version, validate } = standard as { version?: unknown; validate?: unknown }
    if (version !== 1) throw new TypeError(`${what} must be a Standard Schema, version 1`)
    checkFunction(validate, `${what}['~standard'].validate`)
    this.#standard = standard
    this.#validate = validate as (value: unknown) => unknown
    this.#what = what
  }

  /** What came out of it. Throws, or rejects with, a `WrongInput`; or an Error where the schema itself is at fault. */
  input(value: unknown): unknown {
    return this.#judge(value, (verdict) => {
      if ('path' in verdict) throw new WrongInput(verdict.path)
      return verdict.value
    })
  }

  /** The same for an answer: one that does not fit is its handler's fault. */
  output(value: unknown): unknown {
    return this.#judge(value, (verdict) => {
      if ('path' in verdict)
        throw new Error(`the answer does not fit its schema${verdict.path && ` at ${verdict.path}`}`)
      return verdict.value
    })
  }

  #judge(value: unknown, then: (verdict: Verdict) => unknown): unknown {
    let said: unknown
    let later: boolean
    try {
      said = Reflect.apply(this.#validate, this.#standard, [value])
      later = isThenable(said)
    } catch (cause) {
      throw this.#fault('threw', cause)
    }
    if (!later) return then(this.#read(said))
    const awaited = Promise.resolve(said as PromiseLike<unknown>)
    return awaited.then(
      (said) => then(this.#read(said)),
      (cause: unknown) => {
        throw this.#fault('threw', cause)
      },
    )
  }

  /** Each of its members is read once: getters may say something else the second time. */
  #read(said: unknown): Verdict {
    let verdict: Verdict | undefined
    try {
      verdict = verdictOf(said)
    } catch (cause) {
      throw this.#fault('answered with something that cannot be looked at', cause)
    }
    if (!verdict) throw this.#fault('answered neither with a value nor with issues')
    return verdict
  }

  #fault(did: string, cause?: unknown): Error {
    return new Error(`${this.#what}: the schema ${did}`, { cause })
  }

  /**
   * Its JSON Schema as text, where the library tells it (Standard JSON Schema): of what it takes, or of what comes out.
   * Undefined where it does not, or cannot be said so.
   */
  json(side: 'input' | 'output'): string | undefined {
    try {
      const { jsonSchema } = this.#standard as { jsonSchema?: unknown }
      const tell = (jsonSchema as Record<string, unknown> | null | undefined)?.[side]
      if (typeof tell !== 'function') return undefined
      const schema: unknown = Reflect.apply(tell, jsonSchema, [{ target: 'draft-2020-12' }])
      const text = JSON.stringify(schema) as string | undefined
      return text?.startsWith('{') ? text : undefined
    } catch {
      return undefined // a transformation, a class: what no JSON Schema describes
    }
  }
}

function schemaIn(schema: unknown, what: string): object {
  const has = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard: unknown = has ? (schema as Partial<StandardSchema>)['~standard'] : undefined
  if (typeof standard === 'object' && standard !== null) return standard
  throw new TypeError(`${what} must be a Standard Schema, as zod 4, valibot and arktype make them`)
}

function verdictOf(said: unknown): Verdict | undefined {
  if (typeof said !== 'object' || said === null) return undefined
  const { issues } = said as { issues?: unknown }
  if (issues === undefined) return 'value' in said ? { value: said.value } : undefined
  if (!Array.isArray(issues)) return undefined
  const [first] = issues as unknown[]
  const path = typeof first === 'object' && first !== null ? (first as { path?: unknown }).path : undefined
  return { path: pointer(path) }
}

/**
 * A path as a JSON pointer (RFC 6901), in characters that do nothing in a log, and no longer than is passed on. What libraries
 * write into their messages is not told: it often is a part of the payload.
 */
function pointer(path: unknown): string {
  if (!Array.isArray(path)) return ''
  let text = ''
  for (const segment of path as unknown[]) {
    const key = typeof segment === 'object' && segment !== null ? (segment as { key?: unknown }).key : segment
    if (typeof key !== 'string' && typeof key !== 'number') break
    const shown = String(key).slice(0, MAX_PATH).replaceAll('~', '~0').replaceAll('/', '~1')
    const longer = `${text}/${shown.replace(/[^\p{L}\p{Nd} -~]/gu, '?')}`
    if (Buffer.byteLength(longer) > MAX_PATH) break
    text = longer
  }
  return text
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
