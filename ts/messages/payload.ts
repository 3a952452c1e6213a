import { types } from 'node:util'
import type { Failure } from '../native/binding'
import { failure } from '../errors'
import { hinted } from '../hints'

/** As deep as the core lets JSON nest. */
const MAX_DEPTH = 128
/** The longest text there is. A few objects that hold each other can stand for more, and JSON.stringify would not end. */
const MOST = 2 ** 29
/** Beyond so much, in characters at least, lists and objects are copied once and found again. */
const MUCH = 2 ** 21
const MAX_PATH = 160

const HINT = 'send plain data: null, booleans, finite numbers, strings, lists, objects, and what has toJSON()'

const { get: byteLength } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'byteLength',
) as { get: () => number }

/**
 * What crosses the border: JSON text, or bytes. Undefined becomes null. A failure for what JSON cannot hold, and for bytes that
 * are too many: they are not even copied.
 */
export function encode(payload: unknown, longest: number): string | Uint8Array | Failure {
  if (payload === undefined) return 'null'
  if (types.isUint8Array(payload)) {
    const size = byteLength.call(payload)
    if (size <= longest) return payload
    return hinted(failure('PAYLOAD_TOO_LARGE', `a payload of ${size} bytes is over the limit of ${longest}`))
  }
  return encodeJson(payload, 'payload')
}

/** JSON text of a value that is called `what`: a failure rather than a text that tells less than the value. */
export function encodeJson(value: unknown, what: string): string | Failure {
  const snapshot = new Snapshot()
  try {
    const plain = typeof value === 'string' ? value : snapshot.of(value, 0)
    if (plain === undefined) throw new Unfit('has a toJSON() that gives undefined')
    return textOf(plain)
  } catch (error) {
    // Not `instanceof`, which would look at what a getter has thrown.
    const why = unfit.has(error as Unfit) ? (error as Unfit).why : 'cannot be read'
    return failure('INVALID_PAYLOAD', `${snapshot.path(what)} ${why}`, HINT)
  }
}

/** JSON.stringify throws for nothing but a text that is too long, once only data are left. */
function textOf(plain: unknown): string {
  try {
    return JSON.stringify(plain)
  } catch {
    throw new Unfit('is too much for any text')
  }
}

/** What arrived. Throws SyntaxError for a body that only claims to be JSON. */
export function decode(body: string | Uint8Array): unknown {
  if (typeof body === 'string') return JSON.parse(body)
  // The view belongs to this realm, whichever realm the native side made its buffer in.
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
}

const unfit = new WeakSet<Unfit>()

class Unfit {
  readonly why: string

  constructor(why: string) {
    this.why = why
    unfit.add(this)
  }
}

/**
 * A copy of a value that holds nothing but data. Each member is read once, and what was looked at is what is copied: getters,
 * proxies and toJSON may do as they like, also to what was copied before.
 */
class Snapshot {
  /** The members that lead to the one that is looked at. */
  readonly #at: (string | number)[] = []
  #depth = 0
  /** How long the text will be, at least. */
  #length = 0
  #seen: Map<object, { readonly copy: unknown; readonly length: number }> | undefined
  /** Somebody gave all objects a toJSON, which has had its say when the copy is made. */
  readonly #bare = 'toJSON' in Object.prototype
  /** Somebody gave all objects a member that loops see. */
  readonly #inherits = hasMembers(Object.prototype)

  of(value: unknown, depth: number): unknown {
    this.#depth = depth
    switch (typeof value) {
      case 'string':
      case 'boolean':
      case 'undefined':
        return value
      case 'number':
        if (Number.isFinite(value)) return value
        throw new Unfit(`is ${value}`)
      case 'object':
        return value === null ? null : this.#container(value, depth, true)
      case 'bigint':
        if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return this.#replaced(value, depth)
        throw new Unfit('is a BigInt')
      default:
        throw new Unfit(`is a ${typeof value}`)
    }
  }

  path(what: string): string {
    let path = what
    for (const step of this.#at.slice(0, this.#depth)) {
      if (typeof step === 'number') path += `[${step}]`
      else path += /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, MAX_PATH))}]`
      if (path.length > MAX_PATH) return `${path.slice(0, MAX_PATH)}…`
    }
    return path
  }

  #container(value: object, depth: number, mayReplace: boolean): unknown {
    if (depth >= MAX_DEPTH) throw new Unfit('is more than 128 levels deep, or holds itself')
    const seen = this.#seen?.get(value)
    if (seen) {
      this.#grow(seen.length)
      return seen.copy
    }
    const before = this.#length
    const isList = Array.isArray(value)
    const isPlain = isList ? isListOf(value) : isRecord(value)
    if (!isPlain && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))) throw new Unfit('is bytes')
    if (mayReplace && typeof (value as { toJSON?: unknown }).toJSON === 'function') return this.#replaced(value, depth)
    if (!isPlain) throw new Unfit(`is ${kindOf(value)}`)
    const copy = isList ? this.#list(value, depth) : this.#record(value as Record<string, unknown>, depth)
    this.#depth = depth
    if (!isList && !hasMembers(copy) && hasSlots(value)) throw new Unfit('is a Map, Set, Error or Promise in disguise')
    if (this.#bare) Object.setPrototypeOf(copy, null)
    this.#grow(1)
    if (this.#length > MUCH) (this.#seen ??= new Map()).set(value, { copy, length: this.#length - before })
    return copy
  }

  #grow(length: number): void {
    this.#length += length
    if (this.#length > MOST) throw new Unfit('is too much for any text')
  }

  #list(list: readonly unknown[], depth: number): unknown[] {
    const copy: unknown[] = []
    const at = this.#at
    const count = list.length
    let length = 0
    for (let i = 0; i < count; i++) {
      at[depth] = i
      this.#depth = depth + 1
      let value = list[i]
      if (!isSimple(value)) value = this.of(value, depth + 1)
      if (value === undefined) throw new Unfit('is undefined')
      length += typeof value === 'string' ? value.length : 1
      copy.push(value)
    }
    this.#grow(length)
    return copy
  }

  #record(record: Record<string, unknown>, depth: number): Record<string, unknown> {
    const copy: Record<string, unknown> = {}
    const at = this.#at
    let length = 0
    // Nearly twice as quick as Object.keys, and the same where nothing is inherited.
    for (const name in record) {
      if (this.#inherits && !Object.hasOwn(record, name)) continue
      at[depth] = name
      this.#depth = depth + 1
      let value = record[name]
      if (!isSimple(value)) value = this.of(value, depth + 1)
      if (value === undefined) continue
      length += typeof value === 'string' ? value.length : 1
      if (name !== '__proto__') copy[name] = value
      else Object.defineProperty(copy, name, { value, enumerable: true })
    }
    this.#grow(length)
    return copy
  }

  /** What toJSON makes of a value: that is asked once, and no more of what it gives. */
  #replaced(value: object | bigint, depth: number): unknown {
    const { toJSON } = value as { toJSON: (name: string) => unknown }
    const name = this.#at[depth - 1]
    const given = toJSON.call(value, depth === 0 ? '' : String(name))
    this.#depth = depth
    if (given === null && types.isDate(value)) throw new Unfit('is a Date of no time')
    if (typeof given === 'object' && given !== null) return this.#container(given, depth, false)
    if (typeof given === 'bigint') throw new Unfit('is a BigInt')
    return this.of(given, depth)
  }
}

function hasMembers(object: object): boolean {
  for (const _ in object) return true
  return false
}

/** Whether an object holds what none of its members shows, even where its prototype was taken away. */
function hasSlots(value: object): boolean {
  return types.isMap(value) || types.isSet(value) || types.isNativeError(value) || types.isPromise(value)
}

/** Nearly all there is in most payloads. */
function isSimple(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'number' && value - value === 0) || typeof value === 'boolean'
}

/** Whether a list is an Array, of whichever realm, and not of a class of its own. */
function isListOf(list: unknown[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(list)
  return prototype === Array.prototype || prototype === null || Array.isArray(prototype)
}

/** Whether an object is a plain one, of whichever realm. */
function isRecord(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === Object.prototype) return toString.call(value) === '[object Object]'
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
}

const { toString } = Object.prototype

function kindOf(value: object): string {
  const kind = toString.call(value).slice(8, -1)
  if (kind === 'Object' || !/^[A-Za-z]{1,32}$/.test(kind)) return 'an instance of a class without toJSON()'
  return `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`
}
